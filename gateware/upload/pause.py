# SPDX-License-Identifier: Apache-2.0
"""How long weights are waited for."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

CYCLES_BITS = 32


class Pause(wiring.Component):
    """Counts the cycles since something came.

    Members:
        runs: it is waited for. comes: it came.
        cycles: so many may go by; 0: for ever.
        late: more went by. 2 cycles behind.

    Reset: nothing has gone by.
    """

    runs: Signal
    comes: Signal
    cycles: Signal
    late: Signal

    def __init__(self) -> None:
        super().__init__({"runs": In(1), "comes": In(1), "cycles": In(CYCLES_BITS), "late": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waited, limited = Signal(CYCLES_BITS), Signal()
        m.d.sync += [
            waited.eq(waited + 1),
            limited.eq(self.cycles != 0),
            self.late.eq(self.runs & limited & (waited >= self.cycles)),
        ]
        with m.If(~self.runs | self.comes):
            m.d.sync += waited.eq(0)
        return m
