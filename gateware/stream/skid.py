# SPDX-License-Identifier: Apache-2.0
"""Skid buffer: cuts every combinational path of a stream."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SkidBuffer"]


class SkidBuffer(wiring.Component):
    """Register slice with two places: payload, valid and ready are all registered.

    Parameters
    ----------
    shape
        Shape of the payload (for a frame stream: ``beat_layout(lanes)``).

    Members
    -------
    i, o : ``stream.Signature(shape)``
        Input (In) and output (Out).

    Latency: 1 cycle. Throughput: 1 payload per cycle.
    Back-pressure: ``i.ready`` falls one cycle after ``o.ready`` fell with a payload waiting; the payload taken in
    between goes to the second place.
    Reset: empty and ready; payload registers are not reset. What is transferred in a reset cycle is lost.
    Standard: Amaranth RFC 61.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, shape: ShapeLike):
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        ready = Signal(init=1)  # low exactly while `skid` holds a payload
        skid = Signal(self._shape, reset_less=True)
        o_valid = Signal()
        o_payload = Signal(self._shape, reset_less=True)

        with m.If(ready):
            m.d.sync += skid.eq(self.i.payload)
        with m.If(self.o.ready | ~o_valid):
            with m.If(ready):
                m.d.sync += [o_payload.eq(self.i.payload), o_valid.eq(self.i.valid)]
            with m.Else():
                m.d.sync += [o_payload.eq(skid), ready.eq(1)]
        with m.Elif(self.i.valid):
            m.d.sync += ready.eq(0)

        m.d.comb += [
            self.i.ready.eq(ready),
            self.o.valid.eq(o_valid),
            self.o.payload.eq(o_payload),
        ]
        return m
