# SPDX-License-Identifier: Apache-2.0
"""Counters of frames and octets per association, kept in memories."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.processor_registers import COUNTERS_PER_ASSOCIATION
from gateware.session.memories import NO_BYPASS

COUNT_BITS = 32
OCTET_BITS = 64


class SessionCounters(wiring.Component):
    """A 32-bit count of frames per association and reason, and a 64-bit total of octets per association.

    Args:
        count: of associations, a power of two.
        spacing: the least number of cycles from one frame to the next, 2 or more.

    Members:
        valid, number, reason, octets: a frame; ``octets`` is 0 where they do not count.
        counter, count: a counter, its reason in the lower bits; and its count, 4 cycles later or with the first pause
            between frames that is long enough.
        read, octets_now: an association's total, likewise.

    Totals start over; reset leaves them as they are.
    """

    valid: Signal
    number: Signal
    reason: Signal
    octets: Signal
    counter: Signal
    count: Signal
    read: Signal
    octets_now: Signal

    def __init__(self, count: int, spacing: int) -> None:
        self.spacing = spacing
        super().__init__(
            {
                "valid": In(1),
                "number": In(range(count)),
                "reason": In(range(COUNTERS_PER_ASSOCIATION)),
                "octets": In(16),
                "counter": In(range(count * COUNTERS_PER_ASSOCIATION)),
                "count": Out(COUNT_BITS),
                "read": In(range(count)),
                "octets_now": Out(OCTET_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counted = Cat(self.reason, self.number)
        self._total(m, "frames", COUNT_BITS, counted, Const(1), self.counter, self.count)
        self._total(m, "octets", OCTET_BITS, self.number, self.octets, self.read, self.octets_now)
        return m

    def _total(
        self, m: Module, name: str, bits: int, index: Value, amount: Value, asked: Value, answer: Signal
    ) -> None:
        """A total of ``amount`` per ``index``: read, raised, and written before it can be read again."""
        m.submodules[name] = totals = Memory(shape=bits, depth=1 << len(index), init=[], attrs=NO_BYPASS)
        write, read = totals.write_port(), totals.read_port(domain="comb")
        rows = [Signal(bits, name=f"{name}_{age}", reset_less=True) for age in range(min(2, self.spacing - 1))]
        where, added = index, amount
        valids = Signal(len(rows), name=f"{name}_valids")
        m.d.comb += read.addr.eq(Mux(self.valid, index, asked))
        m.d.sync += valids.eq(Cat(self.valid, valids))
        for age, (before, row) in enumerate(zip([read.data, *rows], rows, strict=False)):
            where, where_before = Signal.like(index, name=f"{name}_where_{age}"), where
            added, added_before = Signal.like(Value.cast(amount), name=f"{name}_added_{age}"), added
            m.d.sync += [row.eq(before), where.eq(where_before), added.eq(added_before)]
        m.d.comb += [write.en.eq(valids[-1]), write.addr.eq(where), write.data.eq(rows[-1] + added)]
        with m.If(~valids[-1]):
            m.d.sync += answer.eq(rows[-1])
