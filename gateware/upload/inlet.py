# SPDX-License-Identifier: Apache-2.0
"""Where frames go."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.stream import FrameSignature


class Inlet(wiring.Component):
    """Lets a frame through, keeps it, or throws it away: whichever its first beat found, for all of it.

    Args:
        lanes: bytes per beat.

    Members:
        i: frames. o: what is let through. kept: what is kept.
        opens: frames may begin to leave. While it is 0 nothing is let through: of a frame under way the rest is thrown away.
        keeps: frames that begin are kept, unless ``opens``. While neither is 1 nothing is kept: likewise.

    Latency: none; all is combinational. Reset: the next beat begins a frame.
    """

    i: stream.Interface
    o: stream.Interface
    kept: stream.Interface
    opens: Signal
    keeps: Signal

    def __init__(self, lanes: int) -> None:
        frames = FrameSignature(lanes)
        super().__init__({"i": In(frames), "o": Out(frames), "kept": Out(frames), "opens": In(1), "keeps": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begun, passes, stays = Signal(), Signal(), Signal()
        passing, keeping = Signal(), Signal()
        m.d.comb += [
            # SEC_CM: UPLOAD.WHOLE_FRAMES
            passing.eq(self.opens & (passes | ~begun)),
            keeping.eq(Mux(begun, stays & (self.opens | self.keeps), self.keeps & ~self.opens)),
            self.o.payload.eq(self.i.payload),
            self.kept.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & passing),
            self.kept.valid.eq(self.i.valid & keeping),
            self.i.ready.eq(Mux(passing, self.o.ready, ~keeping | self.kept.ready)),
        ]
        with m.If(~self.opens):
            m.d.sync += passes.eq(0)
        with m.If(~(self.opens | self.keeps)):
            m.d.sync += stays.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [begun.eq(~self.i.payload.last), passes.eq(passing), stays.eq(keeping)]
        return m
