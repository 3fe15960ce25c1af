# SPDX-License-Identifier: Apache-2.0
"""Frames on their way out, from when it is known that they pass."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.sampler.layouts import MAX_FRAME_WORDS, PIECE_LANES, STORE_WORDS
from gateware.stream import FrameFIFO, FrameSignature, WidthConverter

LATE_WORDS = 8
"""Of a frame, that are not counted yet as the next may begin."""


class Outlet(wiring.Component):
    """Stores a frame until its last word, which says whether it passes.

    Args:
        lanes: bytes per beat of what leaves.

    Members:
        i: frames, in words; always ready. ``error`` on the last word: the frame does not pass.
        room: there is room for a longest frame, as of 3 cycles ago, and of any frame that is under way.
        o: frames that pass.

    Reset: empty.
    """

    i: stream.Interface
    room: Signal
    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"i": In(FrameSignature(PIECE_LANES)), "room": Out(1), "o": Out(FrameSignature(lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = FrameFIFO(PIECE_LANES, STORE_WORDS)
        m.submodules.beats = beats = WidthConverter(PIECE_LANES, self.lanes)
        wiring.connect(m, wiring.flipped(self.i), store.i)
        wiring.connect(m, store.o, beats.i)
        wiring.connect(m, beats.o, wiring.flipped(self.o))
        # Words of a frame count as they come, and no more if it does not pass. One that is too long never does.
        level, frame = Signal(range(STORE_WORDS + 1)), Signal(range(MAX_FRAME_WORDS + 1))
        comes, leaves, withdrawn = Signal(), Signal(), Signal.like(frame)
        counts = self.i.valid & (frame != MAX_FRAME_WORDS)
        m.d.sync += [comes.eq(counts), leaves.eq(store.o.valid & store.o.ready), withdrawn.eq(0)]
        with m.If(self.i.valid & self.i.payload.last):
            m.d.sync += [frame.eq(0), withdrawn.eq(Mux(self.i.payload.error, frame + counts, 0))]
        with m.Elif(counts):
            m.d.sync += frame.eq(frame + 1)
        m.d.sync += [
            level.eq(level + comes - leaves - withdrawn),
            self.room.eq(level <= STORE_WORDS - MAX_FRAME_WORDS - LATE_WORDS),
        ]
        return m
