# SPDX-License-Identifier: Apache-2.0
"""Several frame streams into one, a frame at a time."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature

__all__ = ["FrameArbiter"]


class FrameArbiter(wiring.Component):
    """Lets frames of two streams into one, in turn where both wait.

    Args:
        lanes: of the streams.

    Members:
        i_first, i_second: frames.
        o: the same frames, each whole.
        second: whose turn it is: that of the frame that is under way, or else of who is asked next.

    Latency none. Throughput: one beat per cycle; between frames a cycle is lost at most. Back-pressure: combinational from
    ``o.ready`` to that of the stream whose turn it is. Reset: it is the first's turn; the rest of a frame that was under way
    is taken as a frame.
    """

    i_first: stream.Interface
    i_second: stream.Interface
    o: stream.Interface
    second: Signal

    def __init__(self, lanes: int) -> None:
        frames = FrameSignature(lanes)
        super().__init__({"i_first": In(frames), "i_second": In(frames), "o": Out(frames), "second": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second, o = self.i_first, self.i_second, self.o
        within = Signal()
        m.d.comb += [
            o.valid.eq(Mux(self.second, second.valid, first.valid)),
            o.payload.eq(Mux(self.second, second.payload, first.payload)),
            first.ready.eq(o.ready & ~self.second),
            second.ready.eq(o.ready & self.second),
        ]
        with m.If(o.valid & o.ready):
            m.d.sync += within.eq(~o.payload.last)
            with m.If(o.payload.last):
                m.d.sync += self.second.eq(~self.second)
        # Who has been offered a beat keeps it: there is no turning away from a stream that is valid.
        with m.Elif(~o.valid & ~within):
            m.d.sync += self.second.eq(Mux(self.second, ~first.valid, second.valid))
        return m
