# SPDX-License-Identifier: Apache-2.0
"""The life of a device, and what ends it: names and encodings that host, gateware and firmware share."""

from __future__ import annotations

import enum


class Lifecycle(enum.IntEnum):
    """State of a device. Any two encodings differ in three bits or more, so that one or two bits that flip never make
    another state: what is none of these is `Alarm.INTEGRITY`."""

    BOOT = 0b000000
    """Firmware has not said yet which state the device is in."""
    BLANK = 0b000111
    """Nothing has been provisioned. Raw keys may be loaded, raw samples of the noise source read."""
    PROVISIONED = 0b011001
    """Provisioned and locked. No session yet."""
    OPERATIONAL = 0b011110
    """Does what it is there for."""
    BRICKED = 0b101010
    """For good."""
    TAMPERED = 0b110100
    """Everything is zeroised, nothing passes, the CPU is held in reset, until a reset of the device."""


class Alarm(enum.IntEnum):
    """Why a device is `Lifecycle.TAMPERED`: bits of a register, the number is the bit's."""

    title: str

    def __new__(cls, number: int, title: str) -> Alarm:
        alarm = int.__new__(cls, number)
        alarm._value_ = number
        alarm.title = title
        return alarm

    TAMPER = 0, "the tamper input"
    COMMAND = 1, "the host asked for it"
    WATCHDOG = 2, "firmware did not come back in time"
    INTEGRITY = 3, "a state machine was in a state that does not exist"
    TRAP = 4, "the CPU trapped, fetched an instruction from outside its ROM, or wrote to it"
    FIRMWARE = 5, "firmware found something that cannot be"
    NOISE = 6, "a health test of the noise source failed"


FATAL = tuple(alarm for alarm in Alarm if alarm is not Alarm.NOISE)
"""Those that make a device `Lifecycle.TAMPERED`. A failed health test stops random numbers, and what needs them."""

TRANSITIONS = {
    Lifecycle.BOOT: (Lifecycle.BLANK, Lifecycle.PROVISIONED, Lifecycle.OPERATIONAL, Lifecycle.BRICKED),
    Lifecycle.BLANK: (Lifecycle.PROVISIONED, Lifecycle.BRICKED),
    Lifecycle.PROVISIONED: (Lifecycle.OPERATIONAL, Lifecycle.BRICKED),
    Lifecycle.OPERATIONAL: (Lifecycle.BRICKED,),
    Lifecycle.BRICKED: (),
    Lifecycle.TAMPERED: (),
}
"""What firmware may ask for; any alarm of `FATAL` leads from everywhere to `Lifecycle.TAMPERED`."""
