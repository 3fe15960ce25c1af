# SPDX-License-Identifier: Apache-2.0
"""Frames that wait until what comes after has room for them."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.stream import FrameSignature


class Gate(wiring.Component):
    """Lets a frame begin while it may, and then lets all of it through.

    Members:
        i, o: frames.
        open: a frame may begin. A beat that has been offered stays offered.

    Latency: none; both ways are combinational. Reset: the next beat begins a frame.
    """

    i: stream.Interface
    o: stream.Interface
    open: Signal

    def __init__(self, lanes: int) -> None:
        frames = FrameSignature(lanes)
        super().__init__({"i": In(frames), "o": Out(frames), "open": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begun, passes = Signal(), Signal()
        m.d.comb += [
            passes.eq(self.open | begun),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & passes),
            self.i.ready.eq(self.o.ready & passes),
        ]
        with m.If(self.o.valid):
            m.d.sync += begun.eq(~(self.o.ready & self.i.payload.last))
        return m
