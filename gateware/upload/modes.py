# SPDX-License-Identifier: Apache-2.0
"""What the gateway does with its server, and when the server has power."""

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from custodes.upload_modes import Fault, Mode
from gateware.control.guarded import guarded
from gateware.hash.sha256 import STATE_WORDS


class State(enum.Enum, shape=5):
    """`Mode`, such that one or two flipped bits make none. SEC_CM: UPLOAD.MODE.GUARDED"""

    OFF = 0b00000
    UPLOAD = 0b00111
    CHECK = 0b11001
    SERVING = 0b11110


class Modes(wiring.Component):
    """OFF, UPLOAD, CHECK, SERVING, in this order, and from each of them back to OFF.

    Args:
        off_cycles: without power, before it is given again.

    Members:
        start: the order. whole: a number of bits is announced that can come.
        faults: a bit for each `Fault`, what it ends the present mode for.
        complete: every octet has come. digested, equal: the digest is there, and which of its words are as announced.
        mode: `Mode`. uploading, checking, serving: it is this one; never two of them, whatever the register holds.
        power: of the server; a cycle after the mode, from a register.
        forget: a cycle after the mode, from a register: it is OFF.
        ready: power has been off for long enough. reason: `Fault`, the last.
        ends: one cycle, a cycle after the mode became OFF, or START was refused for a reason.
        fault: the register holds no mode.

    Reset: OFF.
    """

    start: Signal
    whole: Signal
    faults: Signal
    complete: Signal
    digested: Signal
    equal: Signal
    mode: Signal
    uploading: Signal
    checking: Signal
    serving: Signal
    power: Signal
    forget: Signal
    ready: Signal
    reason: Signal
    ends: Signal
    fault: Signal

    def __init__(self, off_cycles: int) -> None:
        self.off_cycles = off_cycles
        super().__init__(
            {
                "start": In(1),
                "whole": In(1),
                "faults": In(len(Fault)),
                "complete": In(1),
                "digested": In(1),
                "equal": In(STATE_WORDS),
                "mode": Out(Mode),
                "uploading": Out(1),
                "checking": Out(1),
                "serving": Out(1),
                "power": Out(1),
                "forget": Out(1),
                "ready": Out(1),
                "reason": Out(Fault),
                "ends": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state, broken = guarded(State, name="state")
        off, begins, refused, falls = Signal(), Signal(), Signal(), Signal()
        reasons, good, forget = Signal(len(Fault)), Signal(), Signal(init=1)
        m.d.comb += [
            self.forget.eq(forget),
            self.fault.eq(broken),
            off.eq(state == State.OFF),
            self.uploading.eq(state == State.UPLOAD),
            self.checking.eq(state == State.CHECK),
            self.serving.eq(state == State.SERVING),
            self.mode.eq(
                Mux(
                    self.serving,
                    Mode.SERVING,
                    Mux(self.checking, Mode.CHECK, Mux(self.uploading, Mode.UPLOAD, Mode.OFF)),
                )
            ),
            # SEC_CM: UPLOAD.OFF_LONG
            begins.eq(off & self.start & self.ready),
            good.eq(self.equal.all()),
            reasons.eq(self.faults),
            reasons[Fault.GUARD].eq(self.faults[Fault.GUARD] | broken),
            reasons[Fault.DIGEST].eq(self.checking & self.digested & ~good),
            reasons[Fault.LENGTH].eq(begins & ~self.whole),
            refused.eq(begins & (self.faults[Fault.GUARD] | ~self.whole)),
            falls.eq(broken | (~off & reasons.any())),
        ]
        with m.Switch(state):
            with m.Case(State.OFF), m.If(begins & ~refused):
                m.d.sync += state.eq(State.UPLOAD)
            # SEC_CM: UPLOAD.COUNTED
            with m.Case(State.UPLOAD), m.If(self.complete):
                m.d.sync += state.eq(State.CHECK)
            # SEC_CM: UPLOAD.DIGEST
            with m.Case(State.CHECK), m.If(self.digested & good):
                m.d.sync += state.eq(State.SERVING)
        with m.If(falls):
            m.d.sync += state.eq(State.OFF)
        m.d.sync += self.ends.eq(falls | refused)
        with m.If(falls | refused):
            for fault in reversed(Fault):
                with m.If(reasons[fault]):
                    m.d.sync += self.reason.eq(fault)

        m.d.sync += [self.power.eq(~off & ~broken), forget.eq(off | broken)]
        left = Signal(range(self.off_cycles + 1), init=self.off_cycles)
        with m.If(~off):
            m.d.sync += [left.eq(self.off_cycles), self.ready.eq(0)]
        with m.Else():
            m.d.sync += [left.eq(left - (left != 0)), self.ready.eq((left == 0) & ~refused & ~self.ends)]
        return m
