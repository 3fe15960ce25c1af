# SPDX-License-Identifier: Apache-2.0
"""Frees the slots of flows that have expired, or all."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.flow.geometry import Geometry

READ_CYCLES = 2


class Sweep(wiring.Component):
    """Goes round the slots, one whenever the homes are nobody else's for 3 cycles.

    An expired flow is found no more, so that nothing hangs on when it is swept, but that the stamp of its last use must
    not be taken for a later tick's: a round is far shorter than that many ticks.

    Args:
        geometry: of the table.

    Members:
        mine: the homes are to be read and written by this unit.
        clear: for one cycle: free all slots, one per cycle. ``clearing``: that is under way, as it is after reset.
        slot: to be read; ``home``, ``live``: what is there, 2 cycles later.
        write: an unused home belongs into ``slot``.
        freed: its flow had expired.
    """

    mine: Signal
    clear: Signal
    clearing: Signal
    slot: Signal
    home: data.View
    live: Signal
    write: Signal
    freed: Signal

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(
            {
                "mine": In(1),
                "clear": In(1),
                "clearing": Out(1),
                "slot": Out(geometry.slot_bits),
                "home": In(geometry.home),
                "live": In(1),
                "write": Out(1),
                "freed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waited, there, clearing = Signal(range(READ_CYCLES + 1)), Signal(), Signal(init=1)
        m.d.comb += [
            self.clearing.eq(clearing),
            there.eq(self.mine & ~clearing & (waited == READ_CYCLES)),
            self.freed.eq(there & self.home.used & ~self.live),
            self.write.eq(self.freed | clearing),
        ]
        m.d.sync += waited.eq(0)
        with m.If(self.mine & ~there):
            m.d.sync += waited.eq(waited + 1)
        with m.If(there | clearing):
            m.d.sync += self.slot.eq(self.slot + 1)
        with m.If(self.clear):
            m.d.sync += [clearing.eq(1), self.slot.eq(0)]
        with m.Elif(clearing & self.slot.all()):
            m.d.sync += clearing.eq(0)
        return m
