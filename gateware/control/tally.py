# SPDX-License-Identifier: Apache-2.0
"""Totals of many kinds of events, kept in one memory."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.pick import batched, gated

COUNT_BITS = 32
CHOSEN = 8
MIN_SLOTS = 8


class Tally(wiring.Component):
    """A 32-bit total per kind of event.

    Many can happen at once: each kind has a small counter of its own, which is added to its total when its turn comes round.

    Args:
        kinds: of events.
        spacing: the least number of cycles between two events of a kind.

    Members:
        event: a bit per kind.
        address, total: a kind, and its total a cycle later.

    An event shows up at most ``slots`` + 5 cycles after it happened; ``slots`` is ``kinds`` made a power of two, at least 8.
    Totals start over after 2^32; reset leaves them as they are.
    """

    event: Signal
    address: Signal
    total: Signal

    def __init__(self, kinds: int, spacing: int) -> None:
        self.spacing = spacing
        self.slots = max(MIN_SLOTS, 1 << (kinds - 1).bit_length())
        super().__init__({"event": In(kinds), "address": In(range(self.slots)), "total": Out(COUNT_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.totals = totals = Memory(shape=COUNT_BITS, depth=self.slots, init=[])
        read, host, write = totals.read_port(domain="comb"), totals.read_port(), totals.write_port()
        slot = Signal(range(self.slots))
        total, raised = Signal(COUNT_BITS, reset_less=True), Signal(COUNT_BITS, reset_less=True)
        width = (self.slots // self.spacing + 1).bit_length()
        added = Signal(width)
        turn = Signal(self.slots, init=1)  # one bit per slot, that of `slot` set
        m.d.sync += turn.eq(turn.rotate_left(1))
        chosen: list[tuple[Value, Value]] = []
        for kind, event in enumerate(self.event):
            waiting = Signal(width, name=f"waiting_{kind}")
            with m.If(turn[kind]):
                m.d.sync += waiting.eq(event)
            with m.Elif(event):
                m.d.sync += waiting.eq(waiting + 1)
            chosen.append((turn[kind], waiting))
        # Of so many kinds one is chosen in two steps. Its total is read after the first, and the row written is always two
        # before the one read, and its number not kept in a register: so Yosys needs no bypass.
        chosen_of = [Signal(width, name=f"chosen_of_{at}") for at in range(0, len(chosen), CHOSEN)]
        m.d.sync += [some.eq(gated(few)) for some, few in zip(chosen_of, batched(chosen, CHOSEN), strict=True)]
        reads, writes = Signal(range(self.slots)), Signal(range(self.slots))
        running = Signal(3)  # what is to be written has been read since the last reset
        m.d.comb += [
            reads.eq(slot - 1),
            writes.eq(slot - 3),
            read.addr.eq(reads),
            write.addr.eq(writes),
            write.data.eq(raised),
            write.en.eq(running[-1]),
            host.addr.eq(self.address),
            self.total.eq(host.data),
        ]
        m.d.sync += [
            slot.eq(slot + 1),
            running.eq(Cat(1, running)),
            total.eq(read.data),
            added.eq(reduce(or_, chosen_of)),
            raised.eq(total + added),
        ]
        return m
