# SPDX-License-Identifier: Apache-2.0
"""When records close."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from custodes.fingerprint import DEFAULT_BEAT_CYCLES, MIN_BEAT_CYCLES

CYCLES_BITS = 32


class Beats(wiring.Component):
    """Closes the records of both directions, whether anything has left or not.

    Args:
        default_cycles: from one beat to the next, after reset.

    Members:
        i_cycles, write: from one beat to the next, from the next beat on, which comes after as many cycles at the latest;
            less than `MIN_BEAT_CYCLES` is as much.
        cycles: what holds.
        close: for one cycle per beat, the first of which begins with the reset.
    """

    i_cycles: Signal
    write: Signal
    cycles: Signal
    close: Signal

    def __init__(self, default_cycles: int = DEFAULT_BEAT_CYCLES) -> None:
        self.default_cycles = default_cycles
        super().__init__({"i_cycles": In(CYCLES_BITS), "write": In(1), "cycles": Out(CYCLES_BITS), "close": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycles = Signal(CYCLES_BITS, init=self.default_cycles)
        left = Signal(CYCLES_BITS, init=self.default_cycles)
        m.d.comb += [self.cycles.eq(cycles), self.close.eq(left == 1)]
        written = Signal()
        m.d.sync += [left.eq(Mux(self.close, cycles, left - 1)), written.eq(self.write)]
        with m.If(written & (left > cycles)):
            m.d.sync += left.eq(cycles)
        with m.If(self.write):
            enough = (self.i_cycles >> exact_log2(MIN_BEAT_CYCLES)).any()
            m.d.sync += cycles.eq(Mux(enough, self.i_cycles, MIN_BEAT_CYCLES))
        return m
