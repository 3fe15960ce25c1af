# SPDX-License-Identifier: Apache-2.0
"""Frees the slots of flows that have expired, or all."""

from amaranth import Module, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import UNUSED_TICKS
from gateware.control.guarded import guarded
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import STAMP_BITS

READ_CYCLES = 3
"""Until there is a home that was read when the last write was over."""
ROUND_TICKS = ((1 << STAMP_BITS) - 1 - UNUSED_TICKS) // 2
"""Between two looks at a slot there are less than two rounds: what was not quite expired at the first is not yet as old as
stamps can tell at the second."""


class Sweeping(enum.Enum, shape=3):
    """What becomes of a slot that is not expired. SEC_CM: FLOW.MODE.GUARDED"""

    STAYS = 0b010
    FREED = 0b101


class Sweep(wiring.Component):
    """Goes round the slots, one whenever the homes are nobody else's for 4 cycles.

    An expired flow is found no more, so that nothing hangs on when it is swept, but that the stamp of its last use must
    not be taken for a later tick's: so a round must not last longer than `ROUND_TICKS`.

    Args:
        geometry: of the table.

    Members:
        mine: the homes are to be read and written by this unit.
        clear: for one cycle: free all slots, one per cycle. ``clearing``: that is under way, as it is after reset, and
            after a fault for ever.
        slot: to be read while they are; ``home``, ``live``: what is there, 2 cycles later.
        write: an unused home belongs into ``slot``.
        freed: its flow had expired.
        round: the last slot of a round has been looked at.
        fault: a mode register holds no mode.
    """

    mine: Signal
    clear: Signal
    clearing: Signal
    slot: Signal
    home: data.View
    live: Signal
    write: Signal
    freed: Signal
    round: Signal
    fault: Signal

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
                "round": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waited, there = Signal(range(READ_CYCLES + 1)), Signal()
        sweeping, fault = guarded(Sweeping, init=Sweeping.FREED)
        m.d.comb += [
            self.fault.eq(fault),
            self.clearing.eq(sweeping != Sweeping.STAYS),
            there.eq(self.mine & ~self.clearing & (waited == READ_CYCLES)),
            self.freed.eq(there & self.home.used & ~self.live),
            self.round.eq(there & self.slot.all()),
            self.write.eq(self.freed | (sweeping == Sweeping.FREED)),
        ]
        m.d.sync += waited.eq(0)
        with m.If(self.mine & ~there):
            m.d.sync += waited.eq(waited + 1)
        with m.If(there | self.clearing):
            m.d.sync += self.slot.eq(self.slot + 1)
        with m.Switch(sweeping):
            with m.Case(Sweeping.STAYS), m.If(self.clear):
                m.d.sync += [sweeping.eq(Sweeping.FREED), self.slot.eq(0)]
            with m.Case(Sweeping.FREED), m.If(self.slot.all()):
                m.d.sync += sweeping.eq(Sweeping.STAYS)
        return m
