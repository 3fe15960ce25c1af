# SPDX-License-Identifier: Apache-2.0
"""Width conversion of frame streams by an integer ratio."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature

__all__ = ["WidthConverter"]


class WidthConverter(wiring.Component):
    """Changes the number of lanes of a frame stream; the bytes, their order and the frame boundaries stay.

    Parameters
    ----------
    i_lanes, o_lanes
        Bytes per beat on each side. One is a multiple of the other; equal counts give a plain register stage.

    Members
    -------
    i : ``FrameSignature(i_lanes)``, in
    o : ``FrameSignature(o_lanes)``, out
        ``error`` of the input's last beat is on the output's last beat, and 0 on every other. Lanes that are not kept are 0
        when converting up.

    Latency: up, 1 cycle from the beat that completes an output beat; down, 1 cycle from the input beat to the first output
    beat. Throughput: up, 1 input beat per cycle while the output is taken; down, 1 output beat per cycle.
    Back-pressure: ``i.ready`` depends combinationally on ``o.ready``; a ``SkidBuffer`` breaks the path. Up-conversion goes on
    taking beats under a stall until an output beat is complete.
    Reset: empty; a beat that is held or half built is lost.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, i_lanes: int, o_lanes: int) -> None:
        super().__init__({"i": In(FrameSignature(i_lanes)), "o": Out(FrameSignature(o_lanes))})
        if i_lanes % o_lanes and o_lanes % i_lanes:
            raise ValueError(f"one lane count must be a multiple of the other: {i_lanes}, {o_lanes}")
        self.i_lanes = i_lanes
        self.o_lanes = o_lanes

    def elaborate(self, platform: object) -> Module:
        return self._up() if self.o_lanes > self.i_lanes else self._down()

    def _up(self) -> Module:
        m = Module()
        ratio = self.o_lanes // self.i_lanes
        slot = Signal(range(ratio))
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            complete = self.i.payload.last | (slot == ratio - 1)
            m.d.sync += [
                slot.eq(slot + 1),
                self.o.valid.eq(complete),
                self.o.payload.last.eq(self.i.payload.last),
                self.o.payload.error.eq(self.i.payload.last & self.i.payload.error),
            ]
            with m.If(complete):
                m.d.sync += slot.eq(0)
            o_data = self.o.payload.data.as_value()
            with m.Switch(slot):
                for number in range(ratio):
                    with m.Case(number):
                        part = slice(number * self.i_lanes, (number + 1) * self.i_lanes)
                        if number == 0:
                            m.d.sync += [o_data.eq(self.i.payload.data.as_value()), self.o.payload.keep.eq(0)]
                        else:
                            m.d.sync += o_data[8 * part.start : 8 * part.stop].eq(self.i.payload.data.as_value())
                        m.d.sync += self.o.payload.keep[part].eq(self.i.payload.keep)
        return m

    def _down(self) -> Module:
        m = Module()
        held = Signal.like(self.i.payload)
        valid = Signal()
        final = Signal()
        # keep is contiguous, so one bit tells whether anything is left above this output beat
        more = held.keep[self.o_lanes] if self.i_lanes > self.o_lanes else 0
        m.d.comb += [
            final.eq(~more if self.i_lanes > self.o_lanes else 1),
            self.o.valid.eq(valid),
            self.o.payload.data.as_value().eq(held.data.as_value()[: 8 * self.o_lanes]),
            self.o.payload.keep.eq(held.keep[: self.o_lanes]),
            self.o.payload.last.eq(held.last & final),
            self.o.payload.error.eq(held.error & held.last & final),
            self.i.ready.eq(~valid | (self.o.ready & final)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), held.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += [
                held.data.as_value().eq(held.data.as_value() >> (8 * self.o_lanes)),
                held.keep.eq(held.keep >> self.o_lanes),
            ]
        return m
