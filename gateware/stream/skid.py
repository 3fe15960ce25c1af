# SPDX-License-Identifier: Apache-2.0
"""Two-entry buffer that breaks the combinational path of ready and payload."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SkidBuffer"]


class SkidBuffer(wiring.Component):
    """Registers a stream in both directions without losing a cycle.

    Parameters
    ----------
    shape
        Shape of the payload, any ``ShapeLike``; ``beat_layout(lanes)`` for a frame stream.

    Members
    -------
    i : stream of ``shape``, in
        ``i.ready`` comes straight from a register.
    o : stream of ``shape``, out
        ``o.valid`` and ``o.payload`` come straight from registers.

    Latency: 1 cycle. Throughput: 1 payload per cycle. Holds up to two payloads.
    Back-pressure: ``i.ready`` falls the cycle after the output stalled with a second payload accepted, and rises the cycle
    after the output moved again.
    Reset: empty; what was held is lost.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        spare = Signal.like(self.i.payload)
        ready = Signal(init=1)  # the spare register is free
        valid = Signal()
        payload = Signal.like(self.i.payload)

        m.d.comb += [self.i.ready.eq(ready), self.o.valid.eq(valid), self.o.payload.eq(payload)]

        with m.If(self.o.ready | ~valid):
            m.d.sync += [ready.eq(1), valid.eq(self.i.valid | ~ready)]
            with m.If(ready):
                m.d.sync += payload.eq(self.i.payload)
            with m.Else():
                m.d.sync += payload.eq(spare)
        with m.Elif(ready):
            m.d.sync += [ready.eq(~self.i.valid), spare.eq(self.i.payload)]

        return m
