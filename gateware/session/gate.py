# SPDX-License-Identifier: Apache-2.0
"""Holds text back until its tag has been checked."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.mask import lanes_before
from gateware.stream import FrameFIFO, FrameSignature
from gateware.stream.join import piece_beat

VERDICT = data.StructLayout({"good": 1})


class Gate(wiring.Component):
    """Lets a frame out, whole, once it is known to be good; of any other not a byte.

    Args:
        lanes: bytes per beat.
        depth: of the store in beats, a power of two. A frame that finds no room is dropped.

    Members:
        i: frames in pieces' beats; a frame's last beat waits for its verdict.
        verdict: one per frame, in order; taken with the frame's last beat.
        o: good frames.
        full: one cycle per good frame dropped for want of room, 2 cycles after its verdict was taken.

    Latency 4 cycles from the verdict; a beat per cycle in and out. Reset forgets what is inside.
    """

    i: stream.Interface
    verdict: stream.Interface
    o: stream.Interface
    full: Signal

    def __init__(self, lanes: int, depth: int) -> None:
        self.lanes = lanes
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(piece_beat(lanes))),
                "verdict": In(stream.Signature(VERDICT)),
                "o": Out(FrameSignature(lanes)),
                "full": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = FrameFIFO(self.lanes, self.depth)
        beat, waits = self.i.payload, Signal()
        m.d.comb += [
            # SEC_CM: FRAME.VERDICT_FIRST
            waits.eq(beat.last & ~self.verdict.valid),
            self.i.ready.eq(~waits),
            self.verdict.ready.eq(self.i.valid & beat.last),
            store.i.valid.eq(self.i.valid & ~waits),
            store.i.payload.data.eq(beat.data),
            store.i.payload.keep.eq(lanes_before(self.lanes, beat.count)),
            store.i.payload.last.eq(beat.last),
            store.i.payload.error.eq(~self.verdict.payload.good),
            self.full.eq(store.dropped_overflow),
        ]
        wiring.connect(m, store.o, wiring.flipped(self.o))
        return m
