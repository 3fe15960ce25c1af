# SPDX-License-Identifier: Apache-2.0
"""What a parser sees of frames that come several bytes at a time."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.flow.wide import HALF, WORD_BYTES, aligned
from gateware.stream import FrameSignature

FEED_WORDS = 2
KEPT_BEATS = 2
"""Of 64 lanes: no header that is read is longer."""


class Feed(wiring.Component):
    """Passes frames on, and shows their first words to a parser, two at a time.

    Args:
        lanes: bytes per beat. With 8 the words go by as they come; of wider beats the first two are kept and shown word by
            word, which takes up to 17 cycles, in which no other frame begins.

    Members:
        i, o: frames, unchanged.
        valid, word, present, last: for the parser, which is ``ready`` for them; ``rest``: it needs no more of this frame.

    No latency.
    """

    i: stream.Interface
    o: stream.Interface
    valid: Signal
    word: data.View
    present: Signal
    last: Signal
    ready: Signal
    rest: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "valid": Out(1),
                "word": Out(data.ArrayLayout(32, FEED_WORDS)),
                "present": Out(FEED_WORDS),
                "last": Out(1),
                "ready": In(1),
                "rest": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        goes = Signal()
        m.d.comb += [
            goes.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(goes),
            self.o.payload.eq(self.i.payload),
        ]
        if self.lanes == FEED_WORDS * WORD_BYTES:
            self._as_they_come(m, goes)
        else:
            self._kept(m, goes)
        return m

    def _as_they_come(self, m: Module, goes: Signal) -> None:
        i, carried = self.i.payload, Signal(HALF)
        with m.If(goes):
            m.d.sync += carried.eq(i.data.as_value()[-HALF:])
        m.d.comb += [
            self.o.valid.eq(self.i.valid & self.ready),
            self.valid.eq(goes),
            *(self.word[at].eq(value) for at, value in enumerate(aligned(carried, i.data.as_value()))),
            self.present.eq(Cat(i.keep[1], i.keep[5])),
            self.last.eq(i.last),
        ]

    def _kept(self, m: Module, goes: Signal) -> None:
        i, lanes = self.i.payload, self.lanes
        words = KEPT_BEATS * lanes // WORD_BYTES
        kept, there = Signal(8 * lanes * KEPT_BEATS), Signal(words)
        first, second, showing = Signal(init=1), Signal(), Signal()
        ended = Signal()
        present = Cat(i.keep[at] for at in range(1, lanes, WORD_BYTES))
        half = words // 2
        m.d.comb += self.o.valid.eq(self.i.valid & ~(first & showing))
        with m.If(goes):
            m.d.sync += first.eq(i.last)
            with m.If(first):
                m.d.sync += [kept[: 8 * lanes].eq(i.data), there.eq(present)]
                m.d.sync += [second.eq(~i.last), showing.eq(i.last)]
            with m.Elif(second):
                m.d.sync += [kept[8 * lanes :].eq(i.data), there[half:].eq(present), second.eq(0), showing.eq(1)]
        carried = Signal(HALF)
        pair = aligned(carried, kept[:64])
        m.d.comb += [
            ended.eq(~there[:FEED_WORDS].any() | self.rest),
            self.valid.eq(showing & self.ready),
            *(self.word[at].eq(value) for at, value in enumerate(pair)),
            self.present.eq(Mux(self.rest, 0, there[:FEED_WORDS])),
            self.last.eq(ended),
        ]
        with m.If(self.valid):
            m.d.sync += [
                kept.eq(kept >> 64),
                there.eq(there >> FEED_WORDS),
                carried.eq(kept[64 - HALF : 64]),
                showing.eq(~ended),
            ]
