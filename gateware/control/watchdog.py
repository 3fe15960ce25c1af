# SPDX-License-Identifier: Apache-2.0
"""Notices that firmware does not come back."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WATCHDOG_CYCLES = 1 << 28
"""4.3 s at 62.5 MHz: longer than firmware takes for the slowest thing that it cannot interrupt."""


class Watchdog(wiring.Component):
    """Barks when it has not been fed for so many cycles, from reset on.

    Args:
        cycles: a power of two. So whatever the counter is changed to, it barks no later than ``cycles`` after that.

    Raises:
        ValueError: it is none.

    Members:
        feed: firmware is well.
        barks: for ever, from ``cycles`` cycles after the last cycle with ``feed``.

    Reset feeds it.
    """

    feed: Signal
    barks: Signal

    def __init__(self, cycles: int = WATCHDOG_CYCLES) -> None:
        if cycles < 1 or cycles & (cycles - 1):
            raise ValueError(f"{cycles} is no power of two")
        self.cycles = cycles
        super().__init__({"feed": In(1), "barks": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # SEC_CM: WATCHDOG.BOUNDED
        left = Signal(range(self.cycles), init=self.cycles - 1)
        with m.If(~self.barks):
            m.d.sync += [left.eq(Mux(self.feed, self.cycles - 1, left - 1)), self.barks.eq(~self.feed & (left == 0))]
        return m
