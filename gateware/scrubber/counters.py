# SPDX-License-Identifier: Apache-2.0
"""Counters of verdicts and of scrubbed fields, kept in memories."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.registers import FIELD_OFFSET
from custodes.table import SCRUBBED, Reason
from gateware.control import Tally
from gateware.control.tally import COUNT_BITS
from gateware.session.memories import NO_BYPASS

SLOTS = 32
WALK_CYCLES = len(SCRUBBED) + 1
"""From one verdict to the next, if its rows are counted one by one."""


class Counters(wiring.Component):
    """A 32-bit counter per reason, and one per row of the scrub table.

    There is one reason per frame: its total is read, raised and written back. Rows come many at a time. Where the time
    between verdicts allows it, they are counted one after the other, in the memory of the reasons; else by a `Tally`.

    Args:
        spacing: the least number of cycles between two verdicts if it is `WALK_CYCLES` or more, else between two with
            altered fields; above 1, no two verdicts come in consecutive cycles either.

    Members:
        valid, reason, altered: a verdict; at most one per cycle.
        address, value: a counter (a `Reason`, or `FIELD_OFFSET` + row) and its total, 2 cycles later, or 3 if it changes.

    An event shows up at most 70 cycles after it happened. Totals start over after 2^32; reset leaves them as they are.
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
        if self.spacing >= WALK_CYCLES:
            m.d.sync += self.value.eq(self._walk(m))
            return m
        m.submodules.fields = fields = Tally(len(SCRUBBED), self.spacing)
        of_fields = Signal()
        m.d.comb += [fields.event.eq(Mux(self.valid, self.altered, 0)), fields.address.eq(self.address)]
        m.d.sync += of_fields.eq(self.address >= FIELD_OFFSET)
        m.d.sync += self.value.eq(Mux(of_fields, fields.total, self._reasons(m)))
        return m

    def _walk(self, m: Module) -> Value:
        """The reason first, then a row in each cycle. None comes again before its total has been written."""
        m.submodules.totals = totals = Memory(shape=COUNT_BITS, depth=2 * FIELD_OFFSET, init=[], attrs=NO_BYPASS)
        write, read, host = totals.write_port(), totals.read_port(domain="comb"), totals.read_port(domain="comb")
        left, row = Signal(len(SCRUBBED)), Signal(range(FIELD_OFFSET), reset_less=True)
        found, total, asked = (Signal(COUNT_BITS, name=name, reset_less=True) for name in ("found", "total", "asked"))
        counts, before = Signal(2), Signal.like(read.addr, reset_less=True)
        with m.If(self.valid):
            m.d.sync += [left.eq(self.altered), row.eq(0)]
        with m.Else():
            m.d.sync += [left.eq(left >> 1), row.eq(row + 1)]
        m.d.comb += [
            read.addr.eq(Mux(self.valid, self.reason, Cat(row, Const(1, 1)))),
            write.data.eq(total + 1),
            write.en.eq(counts[1]),
            host.addr.eq(self.address),
        ]
        m.d.sync += [
            counts.eq(Cat(self.valid | left[0], counts)),
            before.eq(read.addr),
            write.addr.eq(before),
            found.eq(read.data),
            total.eq(found),
        ]
        # What is read while it is written is uncertain: it is read a cycle later.
        with m.If(~(write.en & (write.addr == self.address))):
            m.d.sync += asked.eq(host.data)
        return asked

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
