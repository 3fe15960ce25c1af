# SPDX-License-Identifier: Apache-2.0
"""Registers of a device's control: those that a host sees, and those of the control CPU only."""

from __future__ import annotations

import enum

from custodes.lifecycle import Alarm, Lifecycle
from custodes.register_map import DATAPATH_WORDS, Access, Block, Field, Guard, Register

CONTROL_BASE = DATAPATH_WORDS
"""Word address, above the registers of the datapath."""
CONTROL_IDENTITY_VALUE = 0x43555343
DIGEST_WORDS = 8
MAILBOX_WORDS = 256
MAILBOX_BYTES = 4 * MAILBOX_WORDS
"""The longest message, in either direction."""
ZEROISE_VALUE = 0x5A45524F
"""What `ZEROISE` must be written with."""
UART_DEFAULT_BAUD = 115_200
UART_FALLBACK_MS = 2_000
SECRET_WORDS = 8
WATCHDOG_FEED_VALUE = 0x57444F47


class Mailbox(enum.IntEnum):
    """Whose turn it is."""

    IDLE = 0
    """The host's: nothing has been asked."""
    BUSY = 1
    """The firmware's: a request waits for its reply. What the host writes now is lost."""
    DONE = 2
    """The host's: the reply is there, until the next request."""


class Noise(enum.IntEnum):
    """State of the TRNG."""

    STARTUP = 0
    """The start-up test is running."""
    READY = 1
    ALARM = 2
    """A health test failed: nothing comes out until a reset."""


def digest_register(name: str, offset: int, description: str) -> Register:
    """Eight words of a SHA-256, its first byte the lowest of the first word."""
    return Register(name, offset, Access.READ, description, count=DIGEST_WORDS, reset=None)


_ALARMS = tuple(Field(alarm.name, alarm, 1, f"{alarm.title[0].upper()}{alarm.title[1:]}.") for alarm in Alarm)

CONTROL_BLOCK = Block(
    "control",
    CONTROL_BASE,
    "Who the device is, the state it is in, and the way to its firmware.",
    (
        Register(
            "CONTROL_IDENTITY", 0x00, Access.READ, "Reads CUSC: the device has a control.", reset=CONTROL_IDENTITY_VALUE
        ),
        Register("CLOCK_HZ", 0x01, Access.READ, "Frequency of the control clock, in Hz.", reset=None),
        Register(
            "LIFECYCLE",
            0x02,
            Access.READ,
            "State of the device.",
            (Field("STATE", 0, 6, "Any two of them differ in three bits or more.", Lifecycle),),
        ),
        Register("ALARMS", 0x03, Access.READ, "What has gone wrong since the reset.", _ALARMS),
        Register("SCRATCH", 0x04, Access.READ_WRITE, "Means nothing: to try the link."),
        Register(
            "ZEROISE", 0x05, Access.WRITE, f"{ZEROISE_VALUE:#x} zeroises everything, as the tamper input; else nothing."
        ),
        Register(
            "UART_DIVISOR",
            0x06,
            Access.READ_WRITE,
            "Control clocks per bit of the UART. Falls back to the one after reset, which makes 115200 baud, when no good"
            f" frame has come for {UART_FALLBACK_MS} ms.",
            (Field("CYCLES", 0, 16, "At least 8: less is ignored."),),
            reset=None,
        ),
        digest_register(
            "MAP_DIGEST", 0x08, "SHA-256 of the device's register map, as canonical JSON without descriptions."
        ),
        digest_register("BUILD_ID", 0x10, "SHA-256 of the design: the recorded Verilog of a bitstream."),
        digest_register("ROM_DIGEST", 0x18, "SHA-256 of the firmware in ROM."),
        Register(
            "MAILBOX_STATUS",
            0x20,
            Access.READ,
            "The way to the firmware.",
            (
                Field("STATE", 0, 2, "Whose turn it is.", Mailbox),
                Field("LENGTH", 16, MAILBOX_BYTES.bit_length(), "Bytes of the reply."),
            ),
        ),
        Register(
            "MAILBOX_SEND",
            0x21,
            Access.WRITE,
            "Hands the request to the firmware; ignored while it is the firmware's turn.",
            (Field("LENGTH", 0, MAILBOX_BYTES.bit_length(), f"Bytes of the request, at most {MAILBOX_BYTES}."),),
        ),
        Register(
            "NOISE_STATUS",
            0x30,
            Access.READ,
            "The TRNG.",
            (Field("STATE", 0, 2, "What it does.", Noise), Field("RAW", 8, 1, "NOISE_RAW has bits.")),
            reset=None,
        ),
        Register(
            "NOISE_FAILURES",
            0x31,
            Access.READ,
            "Health tests that failed.",
            (
                Field("REPETITION", 0, 16, "Repetition count test."),
                Field("PROPORTION", 16, 16, "Adaptive proportion test."),
            ),
        ),
        Register(
            "NOISE_RAW",
            0x32,
            Access.READ,
            "32 raw samples, the oldest lowest; reading takes them, and gives 0 where"
            " there are none. Consecutive only within a word.",
            reset=None,
            guard=Guard.BLANK,
        ),
        Register(
            "REQUEST",
            0x400,
            Access.WRITE,
            "A message to the firmware, its first byte the lowest of the first word.",
            count=MAILBOX_WORDS,
        ),
        Register("REPLY", 0x500, Access.READ, "The firmware's answer, likewise.", count=MAILBOX_WORDS, reset=None),
    ),
)

FIRMWARE_BLOCK = Block(
    "firmware",
    0,
    "What only the control CPU has.",
    (
        Register(
            "SHA_WORD",
            0x00,
            Access.WRITE,
            "The next of the 16 big-endian words of a block. The CPU waits until it is taken.",
            secret=True,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "SHA_COMMAND",
            0x10,
            Access.WRITE,
            "While not busy.",
            (
                Field("FIRST", 0, 1, "The next block is the first of a message."),
                Field("CLEAR", 1, 1, "Forget block and state."),
            ),
            guard=Guard.FIRMWARE,
        ),
        Register(
            "SHA_STATUS", 0x11, Access.READ, "The engine.", (Field("BUSY", 0, 1, "Still at it."),), guard=Guard.FIRMWARE
        ),
        Register(
            "SHA_STATE",
            0x18,
            Access.READ,
            "The hash value, as 8 big-endian words; while not busy.",
            count=8,
            reset=None,
            secret=True,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "RANDOM_STATUS",
            0x20,
            Access.READ,
            "Random numbers.",
            (Field("VALID", 0, 1, "RANDOM has a word."), Field("ALARM", 1, 1, "There will be none.")),
            guard=Guard.FIRMWARE,
        ),
        Register(
            "RANDOM",
            0x21,
            Access.READ,
            "A word of the DRBG; reading takes it, and gives 0 where there is none.",
            reset=None,
            secret=True,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "SECRET",
            0x28,
            Access.READ,
            "The device secret. Each word reads once in a boot, then 0.",
            count=SECRET_WORDS,
            reset=None,
            secret=True,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "SECRET_LOCK", 0x30, Access.WRITE, "Any write: the device secret reads 0 from now on.", guard=Guard.FIRMWARE
        ),
        Register(
            "STATE",
            0x31,
            Access.READ_WRITE,
            "The lifecycle. Writing asks for a state; ignored where there is no such transition.",
            (Field("STATE", 0, 6, "As in LIFECYCLE.", Lifecycle),),
            guard=Guard.FIRMWARE,
        ),
        Register("RAISE", 0x32, Access.WRITE, "Any write: raises the alarm FIRMWARE.", guard=Guard.FIRMWARE),
        Register(
            "WATCHDOG",
            0x33,
            Access.WRITE,
            f"{WATCHDOG_FEED_VALUE:#x}: firmware is well, for WATCHDOG_CYCLES more.",
            guard=Guard.FIRMWARE,
        ),
        Register(
            "TIME",
            0x34,
            Access.READ,
            "Control clocks since reset: lower word, which holds the upper until it is read, then upper.",
            count=2,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "FEATURES",
            0x36,
            Access.READ,
            "What the datapath has that not every datapath has.",
            (Field("UPLOAD", 0, 1, "UPLOAD_BITS and UPLOAD_DIGEST."),),
            reset=None,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "MAILBOX_PENDING",
            0x38,
            Access.READ,
            "The host's request.",
            (Field("LENGTH", 0, MAILBOX_BYTES.bit_length(), "Bytes."), Field("PENDING", 31, 1, "There is one.")),
            guard=Guard.FIRMWARE,
        ),
        Register(
            "MAILBOX_ANSWER",
            0x39,
            Access.WRITE,
            "Hands the reply to the host.",
            (Field("LENGTH", 0, MAILBOX_BYTES.bit_length(), f"Bytes, at most {MAILBOX_BYTES}."),),
            guard=Guard.FIRMWARE,
        ),
        Register(
            "SPI_SELECT",
            0x40,
            Access.READ_WRITE,
            "Chip select of the flash.",
            (Field("SELECT", 0, 1, "1: selected."),),
            guard=Guard.FIRMWARE,
        ),
        Register(
            "SPI_DATA",
            0x41,
            Access.READ_WRITE,
            "Writing sends a byte, the highest bit first, in mode 0; reading gives"
            " what came in meanwhile, once it is through.",
            (Field("BYTE", 0, 8, "Either way."), Field("BUSY", 31, 1, "Still sending.", access=Access.READ)),
            guard=Guard.FIRMWARE,
        ),
        Register(
            "FIRMWARE_REQUEST",
            0x400,
            Access.READ,
            "The request.",
            count=MAILBOX_WORDS,
            reset=None,
            guard=Guard.FIRMWARE,
        ),
        Register(
            "FIRMWARE_REPLY",
            0x500,
            Access.WRITE,
            "The reply; written in whole words.",
            count=MAILBOX_WORDS,
            guard=Guard.FIRMWARE,
        ),
    ),
)
