# SPDX-License-Identifier: Apache-2.0
"""Frames on their way in, until they are whole."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.sampler.layouts import PIECE_LANES, STORE_WORDS
from gateware.stream import FrameSignature, Queue, WidthConverter

SPARE_WORDS = 32
"""While so many are free a beat is taken: one of 64 lanes has 16 words, and another may be on its way."""


class Intake(wiring.Component):
    """Stores words, and gives a frame once it is whole, without a pause between its words.

    Args:
        lanes: bytes per beat of what comes in.

    Members:
        i: frames. ``ready`` is a register, but for beats of several words, which take as many cycles.
        may: the next frame may begin.
        o: frames, in words.

    A frame that is too long for the store is given though it is not whole. Latency: 6 cycles after the last beat; one word
    per cycle in and out. Reset: empty.
    """

    i: stream.Interface
    may: Signal
    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"i": In(FrameSignature(lanes)), "may": In(1), "o": Out(FrameSignature(PIECE_LANES))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stored = data.StructLayout(
            {"data": data.ArrayLayout(unsigned(8), PIECE_LANES), "keep": PIECE_LANES - 1, "last": 1}
        )
        m.submodules.words = words = WidthConverter(self.lanes, PIECE_LANES)
        m.submodules.store = store = Queue(stored, STORE_WORDS)
        room, whole, opened = Signal(), Signal(range(STORE_WORDS + 1)), Signal()
        comes, goes = Signal(), Signal()
        m.d.comb += [
            words.i.payload.eq(self.i.payload),
            words.i.valid.eq(self.i.valid & room),
            self.i.ready.eq(words.i.ready & room),
            words.o.ready.eq(1),
            store.i.valid.eq(words.o.valid),
            store.i.payload.data.eq(words.o.payload.data),
            store.i.payload.keep.eq(words.o.payload.keep[1:]),
            store.i.payload.last.eq(words.o.payload.last),
            comes.eq(words.o.valid & words.o.payload.last),
            self.o.valid.eq(store.o.valid & opened),
            store.o.ready.eq(self.o.ready & opened),
            self.o.payload.data.eq(store.o.payload.data),
            self.o.payload.keep.eq(Cat(1, store.o.payload.keep)),
            self.o.payload.last.eq(store.o.payload.last),
            goes.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]
        m.d.sync += [room.eq(store.level <= STORE_WORDS - SPARE_WORDS), whole.eq(whole + comes - goes)]
        with m.If(goes):
            m.d.sync += opened.eq(0)
        with m.Elif(self.may & (whole.any() | ~room)):
            m.d.sync += opened.eq(1)
        return m
