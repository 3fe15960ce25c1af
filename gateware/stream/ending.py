# SPDX-License-Identifier: Apache-2.0
"""Ends a frame whose rest will not come."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature, beat_layout
from .skid import SkidBuffer


class Ending(wiring.Component):
    """Passes frames on, and ends with ``error`` the one that is under way when whoever gives them is reset.

    Args:
        lanes: bytes per beat.

    Members:
        i: frames; nothing is taken while ``cut``, nor until what it cut short has been ended.
        o: frames, registered. What is offered stays offered.
        cut: what comes in has been reset.

    Latency 1 cycle; a beat per cycle. Reset: nothing is under way.
    """

    i: stream.Interface
    o: stream.Interface
    cut: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        frames = FrameSignature(lanes)
        super().__init__({"i": In(frames), "o": Out(frames), "cut": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slice = register = SkidBuffer(beat_layout(self.lanes))
        wiring.connect(m, register.o, wiring.flipped(self.o))
        begun, ends = Signal(), Signal()
        m.d.sync += ends.eq(begun & (self.cut | ends))
        with m.If(self.cut | ends):
            m.d.comb += [
                register.i.valid.eq(ends),
                register.i.payload.keep.eq(1),
                register.i.payload.last.eq(1),
                register.i.payload.error.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                register.i.valid.eq(self.i.valid),
                register.i.payload.eq(self.i.payload),
                self.i.ready.eq(register.i.ready),
            ]
        with m.If(register.i.valid & register.i.ready):
            m.d.sync += begun.eq(~register.i.payload.last)
            with m.If(ends):
                m.d.sync += ends.eq(0)
        return m
