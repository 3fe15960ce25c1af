# SPDX-License-Identifier: Apache-2.0
"""Clock domain crossing of a frame stream."""

from amaranth import Cat, Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature, beat_layout

__all__ = ["ClockCrossing"]


class ClockCrossing(wiring.Component):
    """Carries a frame stream from one clock domain to another, beat by beat.

    Parameters
    ----------
    lanes
        Bytes per beat.
    depth
        Beats, a power of two, at least 2, besides the output register. 512 maps to block RAM, which closes timing where
        small ones in LUTs do not.
    i_domain, o_domain
        Clock domains of the two sides. Any relation of frequency and phase.

    Members
    -------
    i : ``FrameSignature(lanes)``, In
        In ``i_domain``.
    o : ``FrameSignature(lanes)``, Out
        In ``o_domain``.

    Latency: one cycle of ``i_domain``, then 4 to 5 of ``o_domain``. Throughput: 1 beat per cycle of the slower side.
    Back-pressure: ``i.ready`` falls when the store is full; nothing is dropped. A frame can be cut into pieces by the
    slower side, so put a store-and-forward FIFO behind it where a frame must not pause.
    Reset: a reset of ``i_domain`` empties the store, which cuts a frame under way short: reset both domains, or neither,
    and hold both resets together for at least two cycles of the slower clock, so that the write pointer gets across.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int, depth: int = 512, *, i_domain: str, o_domain: str):
        if not isinstance(depth, int) or depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth!r}")
        self._lanes = lanes
        self._depth = depth
        self._i_domain = i_domain
        self._o_domain = o_domain
        super().__init__({"i": In(FrameSignature(lanes)), "o": Out(FrameSignature(lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        # keep[0] is always 1 and does not travel.
        layout = beat_layout(self._lanes)
        m.submodules.store = store = fifo.AsyncFIFOBuffered(
            width=layout.size - 1,
            depth=self._depth + 1,
            w_domain=self._i_domain,
            r_domain=self._o_domain,
            exact_depth=True,
        )
        o_keep = Signal(self._lanes - 1)
        m.d.comb += [
            store.w_data.eq(
                Cat(self.i.payload.last, self.i.payload.error, self.i.payload.keep[1:], self.i.payload.data.as_value())
            ),
            store.w_en.eq(self.i.valid),
            self.i.ready.eq(store.w_rdy),
            Cat(self.o.payload.last, self.o.payload.error, o_keep, self.o.payload.data.as_value()).eq(store.r_data),
            self.o.payload.keep.eq(Cat(1, o_keep)),
            self.o.valid.eq(store.r_rdy),
            store.r_en.eq(self.o.ready),
        ]
        return m
