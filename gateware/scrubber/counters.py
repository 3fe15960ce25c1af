# SPDX-License-Identifier: Apache-2.0
"""Counters of events, kept in a memory."""

from collections.abc import Sequence

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

SLOTS = 64


class Counters(wiring.Component):
    """32-bit counters in one memory: events wait in a small counter each until their slot comes round.

    Args:
        spacing: for every slot, from the first on, the least number of cycles between two events.

    Members:
        events: a bit per slot.
        address, value: a counter, 2 cycles later. An event shows up at most 67 cycles after it happened.
    """

    def __init__(self, spacing: Sequence[int]) -> None:
        self.spacing = spacing
        super().__init__({"events": In(SLOTS), "address": In(range(SLOTS)), "value": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.totals = totals = Memory(shape=32, depth=SLOTS, init=[])
        read, host, write = totals.read_port(), totals.read_port(), totals.write_port()
        slot, slot_read = Signal(range(SLOTS)), Signal(range(SLOTS))
        widths = [(SLOTS // cycles + 1).bit_length() for cycles in self.spacing]
        taken = Signal(max(widths))
        taken_read = Signal(max(widths))
        for number, width in enumerate(widths):
            waiting = Signal(width, name=f"waiting_{number}")
            with m.If(slot == number):
                m.d.sync += waiting.eq(self.events[number])
                m.d.comb += taken.eq(waiting)
            with m.Else():
                m.d.sync += waiting.eq(waiting + self.events[number])
        m.d.sync += [slot.eq(slot + 1), slot_read.eq(slot), taken_read.eq(taken)]
        m.d.comb += [
            read.addr.eq(slot),
            write.addr.eq(slot_read),
            write.data.eq(read.data + taken_read),
            write.en.eq(1),
            host.addr.eq(self.address),
        ]
        m.d.sync += self.value.eq(host.data)
        return m
