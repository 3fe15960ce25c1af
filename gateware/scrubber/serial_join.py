# SPDX-License-Identifier: Apache-2.0
"""Puts the pieces of a frame one after the other where a beat is one byte."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.join import piece_beat


class SerialJoin(wiring.Component):
    """Concatenates a frame's pieces.

    One lane needs no shifting: the pieces take turns at the output. A piece that is empty costs no turn: its one beat is taken
    and noted while earlier pieces are still on their way out.

    Args:
        count: how many pieces a frame has. The first is never empty.

    Members:
        pieces: the pieces of frame after frame, of one lane.
        o: the frames.

    Latency 1 cycle, a byte per cycle once the first beat of every later piece is here; registered output, ready goes
    straight through.
    """

    pieces: list[stream.Interface]
    o: stream.Interface

    def __init__(self, count: int) -> None:
        self.count = count
        piece = stream.Signature(piece_beat(1))
        super().__init__({"pieces": In(piece).array(count), "o": Out(piece)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        numbers = range(self.count)
        turn, skipped = Signal(self.count, init=1), Signal(self.count)
        beats = [piece.payload for piece in self.pieces]
        filled = Cat(piece.valid & beat.count[0] for piece, beat in zip(self.pieces, beats, strict=True))
        known = skipped | filled
        room, takes, ends = Signal(), Signal(), Signal()
        m.d.comb += room.eq(~self.o.valid | self.o.ready)

        taken: list[Value] = []
        for k, piece in enumerate(self.pieces):
            # Whether a byte is the frame's last hangs on the pieces after its own.
            mine = turn[k] & (~beats[k].last | known[k + 1 :].all())
            empty = turn[:k].any() & ~beats[k].count[0] & ~skipped[k]
            m.d.comb += piece.ready.eq((mine & filled[k] & room) | empty)
            taken.append(mine & filled[k])
            with m.If(piece.valid & empty):
                m.d.sync += skipped[k].eq(1)
        following = Signal(self.count)
        for k in numbers:
            before = (turn[j] & skipped[j + 1 : k].all() for j in range(k))
            m.d.comb += following[k].eq(~skipped[k] & reduce(or_, before, Value.cast(0)))
        last = reduce(or_, (turn[k] & beats[k].last for k in numbers))
        m.d.comb += [takes.eq(Cat(*taken).any()), ends.eq(last & ~following.any())]
        with m.If(room):
            m.d.sync += [
                self.o.valid.eq(takes),
                self.o.payload.data.eq(reduce(or_, (Mux(turn[k], beats[k].data.as_value(), 0) for k in numbers))),
                self.o.payload.count.eq(1),
                self.o.payload.last.eq(ends),
            ]
            with m.If(takes & ends):
                m.d.sync += [turn.eq(1), skipped.eq(0)]
            with m.Elif(takes & last):
                m.d.sync += turn.eq(following)
        return m
