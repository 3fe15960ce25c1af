# SPDX-License-Identifier: Apache-2.0
"""Frame stream from one clock domain to another."""

from amaranth import Module
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature

__all__ = ["ClockCrossing"]


class ClockCrossing(wiring.Component):
    """Carries a frame stream between two unrelated clocks.

    Parameters
    ----------
    lanes
        Bytes per beat.
    depth
        Beats in the crossing, a power of two and at least 2; an output register holds one more. 512 maps to block RAM,
        which closes timing where a small LUT memory does not.
    i_domain, o_domain
        Clock domain of each side.

    Members
    -------
    i : ``FrameSignature(lanes)``, in, in ``i_domain``
    o : ``FrameSignature(lanes)``, out, in ``o_domain``

    Latency: 1 cycle of ``i_domain`` and then 4 to 5 cycles of ``o_domain``. Throughput: 1 beat per cycle of the slower
    clock, provided that ``depth`` is 16 or more (the round trip of the pointers).
    Back-pressure: ``i.ready`` falls when the store is full; room that is freed is seen about 4 ``i_domain`` cycles later.
    Reset: reset both domains together. A reset of ``i_domain`` alone empties the crossing but may leave one beat in the
    output register; a reset of ``o_domain`` alone loses that beat only.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int, depth: int = 512, *, i_domain: str, o_domain: str) -> None:
        if not isinstance(depth, int) or depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two and at least 2, not {depth!r}")
        self.depth = depth
        self._i_domain = i_domain
        self._o_domain = o_domain
        super().__init__({"i": In(FrameSignature(lanes)), "o": Out(FrameSignature(lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = fifo.AsyncFIFOBuffered(
            width=len(self.i.payload.as_value()),
            depth=self.depth + 1,
            w_domain=self._i_domain,
            r_domain=self._o_domain,
        )
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m
