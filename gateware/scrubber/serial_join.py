# SPDX-License-Identifier: Apache-2.0
"""Puts the pieces of a frame one after the other where a beat is one byte."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.pick import gated
from gateware.stream.join import piece_beat


class SerialJoin(wiring.Component):
    """Concatenates a frame's pieces.

    One lane needs no shifting: the pieces take turns at the output. A piece that is empty costs no turn: its one beat is
    taken and noted while earlier pieces are still on their way out.

    Args:
        count: how many pieces a frame has. The first is never empty.

    Members:
        pieces: the pieces of frame after frame, of one lane.
        o: the frames.

    No latency; a byte per cycle while the first beat of every piece is here 3 cycles before its turn. Valid and ready go
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
        turn = Signal(self.count, init=1)
        skips, skipped = Signal(self.count), Signal(self.count)
        known, final = Signal(self.count), Signal(self.count)
        beats = [piece.payload for piece in self.pieces]
        valid = Cat(piece.valid for piece in self.pieces)
        empty = valid & ~Cat(beat.count[0] for beat in beats)

        # Whether a byte is the frame's last hangs on the pieces after its own. What they are is known a cycle late, but does
        # not change until it is their turn.
        gone = skipped | skips
        later = Cat(turn[:k].any() for k in numbers)
        m.d.sync += [
            skipped.eq(gone),
            skips.eq(later & empty & ~gone),
            known.eq(Cat((gone | valid & ~empty)[k + 1 :].all() for k in numbers)),
            final.eq(Cat(gone[k + 1 :].all() for k in numbers)),
        ]
        last = Cat(beat.last for beat in beats)
        mine = turn & (~last | known)
        takes, ends = Signal(), Signal()
        m.d.comb += [
            *(piece.ready.eq((mine[k] & self.o.ready) | skips[k]) for k, piece in enumerate(self.pieces)),
            self.o.valid.eq((mine & valid).any()),
            self.o.payload.data.eq(gated((turn[k], beats[k].data.as_value()) for k in numbers)),
            self.o.payload.count.eq(1),
            self.o.payload.last.eq(ends),
            takes.eq(self.o.valid & self.o.ready),
            ends.eq((turn & last & final).any()),
        ]
        with m.If(takes & ends):
            m.d.sync += [turn.eq(1), skipped.eq(0), known.eq(0), final.eq(0)]
        with m.Elif(takes & (turn & last).any()):
            for k in numbers:
                before = (turn[j] & skipped[j + 1 : k].all() for j in range(k))
                m.d.sync += turn[k].eq(~skipped[k] & reduce(or_, before, Value.cast(0)))
        return m
