# SPDX-License-Identifier: Apache-2.0
"""The state that a device is in, and what ends it."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from custodes.control_registers import SECRET_WORDS
from custodes.lifecycle import FATAL, TRANSITIONS, Alarm
from custodes.lifecycle import Lifecycle as State
from gateware.control.guarded import guarded
from gateware.control.secret import SECRET, DeviceSecret
from gateware.control.watchdog import WATCHDOG_CYCLES, Watchdog

STATE_BITS = 6
RENEW_CYCLES = 32
ZEROISE_CYCLES = 1
"""From an alarm to `Lifecycle.zeroise`, and to ``state`` and ``alarms``."""
TAMPER_STAGES = 2
TAMPER_CYCLES = ZEROISE_CYCLES + TAMPER_STAGES
"""The same from the tamper input."""
BRICK_CYCLES = 1
"""From the state BRICKED to `Lifecycle.zeroise`."""
ENDED = (State.BRICKED, State.TAMPERED)
RENEWS = State.BLANK
"""Leaving this state takes away whatever has been loaded in it."""


class Lifecycle(wiring.Component):
    """Keeps the lifecycle state, alarms, and the device secret.

    Args:
        watchdog_cycles: see `Watchdog`.

    Members:
        request_valid, request: firmware asks for a state; ignored where `TRANSITIONS` has no such step.
        tamper: the pin: 1 is an alarm; need not be synchronous.
        command, integrity, trap, firmware, noise: the alarms of these names; one cycle is enough.
        feed: the watchdog; it needs none once the state is BRICKED or TAMPERED.
        secret, secret_index, secret_read, secret_word, secret_lock: see `DeviceSecret`. Also locked in every state but BOOT.
        state: encoded as in `custodes.lifecycle.Lifecycle`.
        alarms: what has been raised since the reset; the number of each `Alarm` is that of its bit.
        zeroise: everything is to be zeroised, as long as the state is BRICKED, TAMPERED, or none.
        renew: for `RENEW_CYCLES` after the state BLANK: a reset for what may have been loaded then.

    ``zeroise`` takes `ZEROISE_CYCLES` from an alarm of `FATAL`, from a state that does not exist and from a latch that holds
    what it cannot, `TAMPER_CYCLES` from the pin, and `BRICK_CYCLES` from the state BRICKED. An alarm wins over a request.
    Reset: the state is BOOT, and no alarm is raised; the watchdog begins.
    """

    request_valid: Signal
    request: Signal
    tamper: Signal
    command: Signal
    integrity: Signal
    trap: Signal
    firmware: Signal
    noise: Signal
    feed: Signal
    secret: data.View
    secret_index: Signal
    secret_read: Signal
    secret_word: Signal
    secret_lock: Signal
    state: Signal
    alarms: Signal
    zeroise: Signal
    renew: Signal

    def __init__(self, watchdog_cycles: int = WATCHDOG_CYCLES) -> None:
        self.watchdog_cycles = watchdog_cycles
        super().__init__(
            {
                "request_valid": In(1),
                "request": In(STATE_BITS),
                "tamper": In(1),
                "command": In(1),
                "integrity": In(1),
                "trap": In(1),
                "firmware": In(1),
                "noise": In(1),
                "feed": In(1),
                "secret": In(SECRET),
                "secret_index": In(range(SECRET_WORDS)),
                "secret_read": In(1),
                "secret_word": Out(32),
                "secret_lock": In(1),
                "state": Out(STATE_BITS),
                "alarms": Out(len(Alarm)),
                "zeroise": Out(1),
                "renew": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # SEC_CM: LIFECYCLE.STATE.GUARDED
        state, state_fault = guarded(State)
        m.d.comb += self.state.eq(state)
        m.submodules.secret = secret = self._secret(m)
        m.submodules.watchdog = watchdog = Watchdog(self.watchdog_cycles)
        tamper = Signal()
        # SEC_CM: TAMPER.INPUT
        m.submodules.tamper = FFSynchronizer(self.tamper, tamper, stages=TAMPER_STAGES)
        ended = reduce(or_, (state == end for end in ENDED))
        m.d.comb += watchdog.feed.eq(self.feed | ended)

        raised = {
            Alarm.TAMPER: tamper,
            Alarm.COMMAND: self.command,
            Alarm.WATCHDOG: watchdog.barks,
            Alarm.INTEGRITY: self.integrity | state_fault | secret.fault,
            Alarm.TRAP: self.trap,
            Alarm.FIRMWARE: self.firmware,
            Alarm.NOISE: self.noise,
        }
        # SEC_CM: ALARM.LATCHED
        alarms = self.alarms | Cat(raised[alarm] for alarm in Alarm)
        fatal = reduce(or_, (alarms[alarm] for alarm in FATAL))
        m.d.sync += [
            self.alarms.eq(alarms),
            self.zeroise.eq(fatal | ended),
        ]
        # SEC_CM: LIFECYCLE.ONE_WAY
        with m.If(self.request_valid), m.Switch(state):
            for here, following in TRANSITIONS.items():
                with m.Case(here), m.Switch(self.request):
                    for there in following:
                        with m.Case(there):
                            m.d.sync += state.eq(there)
        # SEC_CM: ALARM.ENDS_DEVICE
        with m.If(fatal):
            m.d.sync += state.eq(State.TAMPERED)
        self._renew(m, state)
        return m

    def _secret(self, m: Module) -> DeviceSecret:
        secret = DeviceSecret()
        m.d.comb += [
            secret.secret.eq(self.secret),
            secret.index.eq(self.secret_index),
            secret.read.eq(self.secret_read),
            # SEC_CM: SECRET.BOOT_ONLY
            secret.lock.eq(self.secret_lock | (self.state != State.BOOT)),
            self.secret_word.eq(secret.word),
        ]
        return secret

    def _renew(self, m: Module, state: Signal) -> None:
        left = Signal(range(RENEW_CYCLES + 1))
        # SEC_CM: LIFECYCLE.RENEW
        with m.If(state == RENEWS):
            m.d.sync += left.eq(RENEW_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += self.renew.eq((state != RENEWS) & (left != 0))
