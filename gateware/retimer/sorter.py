# SPDX-License-Identifier: Apache-2.0
"""Sorts what waits by its sort keys."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.retimer import SORT_BITS, Size
from gateware.session.memories import NO_BYPASS


class Sorter(wiring.Component):
    """Sorts places by the keys that are kept for them; those with equal keys stay in order.

    One pass per bit, the lowest first, moves all entries from one memory into the other: those with a 0 in it to the bottom,
    upwards, those with a 1 to the top, downwards. The next pass reads them in that order.

    Args:
        size: of the retimer.

    Members:
        key_valid, key_place, key: keep a key.
        start, first, count: sort so many places from ``first`` on, round the end. Their keys may still be written within 3
            cycles. Everything that was sorted before has been taken.
        o: places, in order.

    Latency: at most ``size.sort_cycles`` until all is sorted. Throughput: a place in 5 cycles. Reset: nothing is given.
    """

    key_valid: Signal
    key_place: Signal
    key: Signal
    start: Signal
    first: Signal
    count: Signal
    o: stream.Interface

    def __init__(self, size: Size) -> None:
        self.frames = size.frames
        place, count = range(size.frames), range(size.frames + 1)
        super().__init__(
            {
                "key_valid": In(1),
                "key_place": In(place),
                "key": In(SORT_BITS),
                "start": In(1),
                "first": In(place),
                "count": In(count),
                "o": Out(stream.Signature((size.frames - 1).bit_length())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = (self.frames - 1).bit_length()
        entry = data.StructLayout({"place": bits, "key": SORT_BITS})
        m.submodules.keys = keys = Memory(shape=SORT_BITS, depth=self.frames, init=[], attrs=NO_BYPASS)
        keep, key_of = keys.write_port(), keys.read_port(domain="comb")
        m.d.comb += [keep.addr.eq(self.key_place), keep.data.eq(self.key), keep.en.eq(self.key_valid)]
        memories = [Memory(shape=entry, depth=self.frames, init=[], attrs=NO_BYPASS) for _ in range(2)]
        m.submodules.even, m.submodules.odd = memories

        count, left, zeros_left = (Signal(range(self.frames + 1), name=n) for n in ("count", "left", "zeros_left"))
        up, down = Signal(bits), Signal(bits)
        bit, initial, odd = Signal(range(SORT_BITS + 1)), Signal(), Signal()
        reads, read, near_valid = Signal(), Signal(), Signal()
        sorting, giving, begins = Signal(), Signal(), Signal(3)
        address, place, bottom = Signal(bits), Signal(bits), Signal()
        m.d.comb += address.eq(Mux(bottom, up, down))
        with m.If(reads):
            m.d.sync += left.eq(left - 1)
            with m.If(bottom):
                m.d.sync += [zeros_left.eq(zeros_left - 1), bottom.eq(zeros_left != 1), up.eq(up + 1)]
            with m.Else():
                m.d.sync += down.eq(down - 1)

        # The first pass takes the keys as they came; each other one what the one before has left.
        rows = []
        for number, memory in enumerate(memories):
            port, row = memory.read_port(domain="comb"), Signal(entry, reset_less=True, name=f"row_{number}")
            m.d.comb += port.addr.eq(address)
            m.d.sync += row.eq(port.data)
            rows.append(row)
        key_row, near = Signal(SORT_BITS, reset_less=True), Signal(entry, reset_less=True)
        m.d.comb += key_of.addr.eq(up)
        m.d.sync += [
            key_row.eq(key_of.data),
            place.eq(up),
            read.eq(reads),
            near_valid.eq(read),
            near.eq(Mux(initial, Cat(place, key_row), Mux(odd, rows[0], rows[1]))),
        ]
        zeros = self._write(m, memories, near, near_valid & sorting, odd, begins[-1])

        quiet = Signal()
        m.d.comb += quiet.eq((left == 0) & ~read & ~near_valid)
        m.d.sync += begins.eq(Cat(self.start, begins[:-1]))
        with m.If(self.start):
            m.d.sync += [count.eq(self.count), up.eq(self.first), bit.eq(0)]
            m.d.sync += [sorting.eq(0), giving.eq(0)]
        with m.Elif(begins[-1]):
            m.d.sync += [
                sorting.eq(1),
                initial.eq(1),
                odd.eq(0),
                left.eq(count),
                zeros_left.eq(count),
                bottom.eq(count != 0),
            ]
        with m.Elif(sorting & quiet):
            m.d.sync += [
                left.eq(count),
                zeros_left.eq(zeros),
                bottom.eq(zeros != 0),
                up.eq(0),
                down.eq(-1),
                bit.eq(bit + 1),
                initial.eq(0),
                odd.eq(~odd),
            ]
            with m.If(bit == SORT_BITS - 1):
                m.d.sync += [sorting.eq(0), giving.eq(1)]

        taken, waits = self.o.valid & self.o.ready, Signal()
        m.d.comb += reads.eq((left != 0) & (sorting | (giving & ~waits)))
        with m.If(giving):
            with m.If(near_valid):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(near.place)]
            with m.If(reads):
                m.d.sync += waits.eq(1)
            with m.Elif(taken):
                m.d.sync += [self.o.valid.eq(0), waits.eq(0)]
        return m

    def _write(
        self, m: Module, memories: list[Memory], near: data.View, valid: Value, odd: Signal, begins: Value
    ) -> Value:
        """Of an entry that has been read; returns how many have had a zero in this pass."""
        zeros, bottom, top = Signal(range(self.frames + 1)), Signal.like(near.place), Signal.like(near.place)
        was_odd, one = Signal(), near.key[0]
        # A pass that begins does so with the other memory.
        m.d.sync += was_odd.eq(odd)
        for number, memory in enumerate(memories):
            port = memory.write_port()
            m.d.comb += [
                port.addr.eq(Mux(one, top, bottom)),
                port.data.eq(Cat(near.place, near.key[1:], 0)),
                port.en.eq(valid & (odd == number)),
            ]
        with m.If(begins | (was_odd != odd)):
            m.d.sync += [zeros.eq(0), bottom.eq(0), top.eq(-1)]
        with m.Elif(valid):
            with m.If(one):
                m.d.sync += top.eq(top - 1)
            with m.Else():
                m.d.sync += [bottom.eq(bottom + 1), zeros.eq(zeros + 1)]
        return zeros
