# SPDX-License-Identifier: Apache-2.0
"""Puts a header in front of what follows it."""

from collections.abc import Iterable

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


def piece_beat(lanes: int) -> data.StructLayout:
    """A beat of a piece of a frame: ``count`` bytes from lane 0 on, zeros above; full but for the last. An empty piece is
    one last beat with a count of 0."""
    return data.StructLayout({"data": data.ArrayLayout(unsigned(8), lanes), "count": lanes.bit_length(), "last": 1})


class Join(wiring.Component):
    """Concatenates a frame's ``head`` and ``tail`` pieces.

    Args:
        lanes: bytes per beat, more than one; `SerialJoin` is for one.
        lengths: every length of a head, in bytes; 0 for an empty one.

    Latency 1 cycle; a beat out per cycle, none more than the bytes need; registered output, ready goes straight through.
    """

    head: stream.Interface
    tail: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int, lengths: Iterable[int]) -> None:
        self.lanes = lanes
        self.residues = sorted({length % lanes for length in lengths})
        piece = stream.Signature(piece_beat(lanes))
        super().__init__({"head": In(piece), "tail": In(piece), "o": Out(piece)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, head, tail = self.lanes, self.head.payload, self.tail.payload
        carry = Signal(8 * lanes)
        offset = Signal(range(lanes))
        shifting = Signal()  # the head is out; the tail goes on
        flushing = Signal()  # so is the tail, but for what is carried
        left = Signal(range(lanes))
        room = Signal()
        out = Signal(piece_beat(lanes))
        valid = Signal()
        m.d.comb += room.eq(~self.o.valid | self.o.ready)
        with m.If(room):
            m.d.sync += [self.o.valid.eq(valid), self.o.payload.eq(out)]

        bits = (lanes - 1).bit_length()
        start = Mux(shifting, offset, head.count[:bits])
        front = Mux(shifting, carry, head.data.as_value())
        shifted = Signal(16 * lanes)
        with m.Switch(start):
            for residue in self.residues:
                with m.Case(residue):
                    m.d.comb += shifted.eq(tail.data.as_value() << 8 * residue)
        total = Signal(bits + 2)
        m.d.comb += total.eq(start + tail.count)
        merge = Signal()  # a beat of the tail is used up in this cycle
        ends = Signal()
        full_head = Signal()
        m.d.comb += [
            full_head.eq(head.count == lanes),
            ends.eq(tail.last & (total <= lanes)),
        ]
        with m.If(flushing):
            m.d.comb += [valid.eq(1), out.data.eq(carry), out.count.eq(left), out.last.eq(1)]
            with m.If(room):
                m.d.sync += [flushing.eq(0), carry.eq(0)]
        with m.Elif(shifting):
            m.d.comb += merge.eq(self.tail.valid)
        with m.Elif(self.head.valid & ~head.last):
            m.d.comb += [valid.eq(1), out.data.eq(head.data), out.count.eq(lanes), self.head.ready.eq(room)]
        with m.Elif(self.head.valid & full_head):
            # Whether this beat is the frame's last hangs on there being a tail at all.
            empty = tail.last & (tail.count == 0)
            m.d.comb += [
                valid.eq(self.tail.valid),
                out.data.eq(head.data),
                out.count.eq(lanes),
                out.last.eq(empty),
                self.head.ready.eq(room & self.tail.valid),
                self.tail.ready.eq(room & self.tail.valid & empty),
            ]
            with m.If(room & self.tail.valid & ~empty):
                m.d.sync += [shifting.eq(1), offset.eq(0), carry.eq(0)]
        with m.Elif(self.head.valid):
            m.d.comb += [merge.eq(self.tail.valid), self.head.ready.eq(room & self.tail.valid)]

        with m.If(merge):
            m.d.comb += [
                valid.eq(1),
                out.data.eq(front | shifted[: 8 * lanes]),
                out.count.eq(Mux(total > lanes, lanes, total)),
                out.last.eq(ends),
                self.tail.ready.eq(room),
            ]
            with m.If(room):
                m.d.sync += [
                    offset.eq(start),
                    carry.eq(shifted[8 * lanes :]),
                    left.eq(total - lanes),
                    shifting.eq(~tail.last),
                    flushing.eq(tail.last & ~ends),
                ]
        return m


def masked(value: data.View, lanes: int, count: Value) -> Value:
    """The bytes of ``value`` below ``count``; zero above."""
    return Cat(*(Mux(lane < count, value[lane], 0) for lane in range(lanes)))
