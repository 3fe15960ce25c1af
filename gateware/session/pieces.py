# SPDX-License-Identifier: Apache-2.0
"""Puts a frame together from its header, its text and its ICV."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.macsec import ICV_BYTES
from gateware.pick import gated
from gateware.session.field import BITS
from gateware.stream import Queue, SkidBuffer
from gateware.stream.join import Join, piece_beat

PIECE_BEATS = {1: 64, 8: 32, 64: 32}
"""For each lane count, more beats than come of one piece while another is waited for."""
TAGS = 16


class TagBeats(wiring.Component):
    """Makes an ICV a piece.

    Members:
        i: tags, the first byte lowest. ``o``: pieces. No latency.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"i": In(stream.Signature(BITS)), "o": Out(stream.Signature(piece_beat(lanes)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beats = -(-ICV_BYTES // self.lanes)
        index = Signal(range(beats))
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.payload.data.eq(self.i.payload.word_select(index, 8 * self.lanes) if beats > 1 else self.i.payload),
            self.o.payload.count.eq(min(self.lanes, ICV_BYTES)),
            self.o.payload.last.eq(index == beats - 1),
            self.i.ready.eq(self.o.ready & self.o.payload.last),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += index.eq(Mux(self.o.payload.last, 0, index + 1))
        return m


class Turns(wiring.Component):
    """Concatenates pieces of one lane, none of them empty, so that a byte waits for no other. No latency."""

    pieces: list[stream.Interface]
    o: stream.Interface

    def __init__(self, count: int) -> None:
        piece = stream.Signature(piece_beat(1))
        super().__init__({"pieces": In(piece).array(count), "o": Out(piece)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn = Signal(len(self.pieces), init=1)
        valid, last, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            *(piece.ready.eq(turn[number] & self.o.ready) for number, piece in enumerate(self.pieces)),
            valid.eq((turn & Cat(piece.valid for piece in self.pieces)).any()),
            last.eq((turn & Cat(piece.payload.last for piece in self.pieces)).any()),
            ends.eq(last & turn[-1]),
            self.o.valid.eq(valid),
            self.o.payload.data.eq(
                gated((turn[n], piece.payload.data.as_value()) for n, piece in enumerate(self.pieces))
            ),
            self.o.payload.count.eq(1),
            self.o.payload.last.eq(ends),
        ]
        with m.If(valid & last & self.o.ready):
            m.d.sync += turn.eq(turn.rotate_left(1))
        return m


class Assembly(wiring.Component):
    """Concatenates what comes of each frame at different times.

    Args:
        lanes: bytes per beat.
        head_bytes: length of every header.
        seals: an ICV follows the text.

    Members:
        head_valid, head; text_valid, text: pieces, which cannot wait.
        tag_valid, tag: ICVs, the first byte lowest, which cannot wait either.
        o: the frames, as pieces. Must be taken as fast as it comes.
    """

    head_valid: Signal
    head: data.View
    text_valid: Signal
    text: data.View
    tag_valid: Signal
    tag: Signal
    o: stream.Interface

    def __init__(self, lanes: int, head_bytes: int, seals: bool) -> None:
        self.lanes = lanes
        self.head_bytes = head_bytes
        self.seals = seals
        super().__init__(
            {
                "head_valid": In(1),
                "head": In(piece_beat(lanes)),
                "text_valid": In(1),
                "text": In(piece_beat(lanes)),
                "tag_valid": In(1),
                "tag": In(BITS),
                "o": Out(stream.Signature(piece_beat(lanes))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.lanes
        m.submodules.heads = heads = Queue(piece_beat(lanes), PIECE_BEATS[lanes])
        m.submodules.texts = texts = Queue(piece_beat(lanes), PIECE_BEATS[lanes])
        m.d.comb += [
            heads.i.valid.eq(self.head_valid),
            heads.i.payload.eq(self.head),
            texts.i.valid.eq(self.text_valid),
            texts.i.payload.eq(self.text),
        ]
        pieces = [heads.o, texts.o]
        if self.seals:
            m.submodules.tags = tags = Queue(BITS, TAGS)
            m.submodules.tag_beats = tag_beats = TagBeats(lanes)
            wiring.connect(m, tags.o, tag_beats.i)
            m.d.comb += [tags.i.valid.eq(self.tag_valid), tags.i.payload.eq(self.tag)]
            pieces.append(tag_beats.o)
        m.submodules.slice = register_slice = SkidBuffer(piece_beat(lanes))
        wiring.connect(m, register_slice.o, wiring.flipped(self.o))
        if lanes == 1:
            m.submodules.join = join = Turns(len(pieces))
            for piece, port in zip(pieces, join.pieces, strict=True):
                wiring.connect(m, piece, port)
            wiring.connect(m, join.o, register_slice.i)
            return m
        m.submodules.join = join = Join(lanes, {self.head_bytes})
        wiring.connect(m, heads.o, join.head)
        wiring.connect(m, texts.o, join.tail)
        if self.seals:
            m.submodules.end = end = Join(lanes, range(lanes))
            wiring.connect(m, join.o, end.head)
            wiring.connect(m, pieces[-1], end.tail)
            join = end
        wiring.connect(m, join.o, register_slice.i)
        return m
