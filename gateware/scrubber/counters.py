# SPDX-License-Identifier: Apache-2.0
"""Counters of verdicts and of scrubbed fields, kept in memories."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.registers import FIELD_OFFSET
from custodes.table import SCRUBBED, Reason
from gateware.scrubber.batched import batched
from gateware.scrubber.mask import gated

SLOTS = 32
COUNT_BITS = 32
CHOSEN = 8


class Counters(wiring.Component):
    """A 32-bit counter per reason, and one per row of the scrub table.

    There is one reason per frame: its total is read, raised and written back. Rows come many at a time: each has a small
    counter of its own, which is added to its total when its turn comes round.

    Args:
        spacing: the least number of cycles between two frames with altered fields; above 1, no two verdicts come in
            consecutive cycles either.

    Members:
        valid, reason, altered: a verdict; at most one per cycle.
        address, value: a counter (a `Reason`, or 32 + row) and its total 2 cycles later.

    An event shows up at most 37 cycles after it happened. Totals start over after 2^32; reset leaves them as they are.
    """

    valid: Signal
    reason: Signal
    altered: Signal
    address: Signal
    value: Signal

    def __init__(self, spacing: int) -> None:
        self.spacing = spacing
        super().__init__(
            {
                "valid": In(1),
                "reason": In(Reason),
                "altered": In(len(SCRUBBED)),
                "address": In(range(2 * FIELD_OFFSET)),
                "value": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        of_fields = Signal()
        m.d.sync += of_fields.eq(self.address >= FIELD_OFFSET)
        m.d.sync += self.value.eq(Mux(of_fields, self._fields(m), self._reasons(m)))
        return m

    def _reasons(self, m: Module) -> Value:
        m.submodules.reasons = totals = Memory(shape=COUNT_BITS, depth=SLOTS, init=[])
        write = totals.write_port()
        # With a cycle between verdicts, a total is written before it can be read again.
        read, host = totals.read_port(transparent_for=[write] if self.spacing == 1 else []), totals.read_port()
        m.d.comb += [
            read.addr.eq(self.reason),
            write.data.eq(read.data + 1),
            host.addr.eq(self.address),
        ]
        m.d.sync += [write.addr.eq(self.reason), write.en.eq(self.valid)]
        return host.data

    def _fields(self, m: Module) -> Value:
        m.submodules.fields = totals = Memory(shape=COUNT_BITS, depth=SLOTS, init=[])
        read, host, write = totals.read_port(domain="comb"), totals.read_port(), totals.write_port()
        slot = Signal(range(SLOTS))
        total, raised = Signal(COUNT_BITS, reset_less=True), Signal(COUNT_BITS, reset_less=True)
        width = (SLOTS // self.spacing + 1).bit_length()
        added = Signal(width)
        turn = Signal(SLOTS, init=1)  # one bit per slot, that of `slot` set
        m.d.sync += turn.eq(turn.rotate_left(1))
        chosen: list[tuple[Value, Value]] = []
        for row in range(len(SCRUBBED)):
            event = self.valid & self.altered[row]
            waiting = Signal(width, name=f"waiting_{row}")
            with m.If(turn[row]):
                m.d.sync += waiting.eq(event)
            with m.Elif(event):
                m.d.sync += waiting.eq(waiting + 1)
            chosen.append((turn[row], waiting))
        # Of so many rows one is chosen in two steps. Its total is read after the first, and the row written is always two
        # before the one read, and its number not kept in a register: so Yosys needs no bypass.
        chosen_of = [Signal(width, name=f"chosen_of_{at}") for at in range(0, len(chosen), CHOSEN)]
        m.d.sync += [some.eq(gated(few)) for some, few in zip(chosen_of, batched(chosen, CHOSEN), strict=True)]
        reads, writes = Signal(range(SLOTS)), Signal(range(SLOTS))
        running = Signal(3)  # what is to be written has been read since the last reset
        m.d.comb += [
            reads.eq(slot - 1),
            writes.eq(slot - 3),
            read.addr.eq(reads),
            write.addr.eq(writes),
            write.data.eq(raised),
            write.en.eq(running[-1]),
            host.addr.eq(self.address),
        ]
        m.d.sync += [
            slot.eq(slot + 1),
            running.eq(Cat(1, running)),
            total.eq(read.data),
            added.eq(reduce(or_, chosen_of)),
            raised.eq(total + added),
        ]
        return host.data
