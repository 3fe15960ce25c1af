# SPDX-License-Identifier: Apache-2.0
"""Width conversion of a frame stream."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature, beat_layout

__all__ = ["WidthConverter"]


class WidthConverter(wiring.Component):
    """Changes the number of lanes of a frame stream by an integer ratio, either way.

    Parameters
    ----------
    i_lanes, o_lanes
        Bytes per beat of the two sides; one divides the other. Equal is a wire.

    Members
    -------
    i : ``FrameSignature(i_lanes)``, In
    o : ``FrameSignature(o_lanes)``, Out

    Up (``o_lanes > i_lanes``): a wide beat is given when it is full or its frame ends. Latency: 1 cycle after the narrow
    beat that completes it. Throughput: one narrow beat per cycle; ``i.ready`` is low only while a wide beat waits.
    Down: latency 1 cycle. Throughput: one narrow beat per cycle; a wide beat is accepted in the very cycle in which the
    last narrow beat of the one before leaves. Lanes without a byte make no narrow beats.

    ``last`` and ``error`` leave with the last byte of the frame; ``o.error`` is 0 on every other beat.
    Back-pressure: combinational from ``o.ready`` to ``i.ready``; put a SkidBuffer where that is too long.
    Reset: empty; data registers are not reset.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, i_lanes: int, o_lanes: int):
        if max(i_lanes, o_lanes) % min(i_lanes, o_lanes):
            raise ValueError(f"lanes must have an integer ratio, not {i_lanes} to {o_lanes}")
        self._i_lanes = i_lanes
        self._o_lanes = o_lanes
        super().__init__({"i": In(FrameSignature(i_lanes)), "o": Out(FrameSignature(o_lanes))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self._o_lanes > self._i_lanes:
            self._elaborate_up(m)
        elif self._o_lanes < self._i_lanes:
            self._elaborate_down(m)
        else:
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m

    def _elaborate_up(self, m: Module) -> None:
        narrow = self._i_lanes
        ratio = self._o_lanes // narrow

        wide = Signal(beat_layout(self._o_lanes), reset_less=True)
        wide_valid = Signal()
        slot = Signal(range(ratio))  # where the next narrow beat goes

        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~wide_valid),
            self.o.valid.eq(wide_valid),
            self.o.payload.eq(wide),
        ]
        with m.If(self.i.ready):
            m.d.sync += wide_valid.eq(0)
            with m.If(self.i.valid):
                final = self.i.payload.last | (slot == ratio - 1)
                m.d.sync += [
                    wide_valid.eq(final),
                    wide.last.eq(self.i.payload.last),
                    wide.error.eq(self.i.payload.last & self.i.payload.error),
                    slot.eq(slot + 1),
                ]
                with m.If(final):
                    m.d.sync += slot.eq(0)
                with m.If(slot == 0):
                    m.d.sync += wide.keep.eq(0)
                for index in range(ratio):
                    with m.If(slot == index):
                        m.d.sync += wide.keep[index * narrow : (index + 1) * narrow].eq(self.i.payload.keep)
                        m.d.sync += [
                            wide.data[index * narrow + lane].eq(self.i.payload.data[lane]) for lane in range(narrow)
                        ]

    def _elaborate_down(self, m: Module) -> None:
        narrow = self._o_lanes

        # The wide beat moves down by one narrow beat per transfer, zeros coming into keep.
        wide = Signal(beat_layout(self._i_lanes), reset_less=True)
        wide_valid = Signal()
        final = Signal()  # nothing is left above the narrow beat that is out

        m.d.comb += [
            final.eq(~wide.keep[narrow]),
            self.i.ready.eq((self.o.ready & final) | ~wide_valid),
            self.o.valid.eq(wide_valid),
            self.o.payload.keep.eq(wide.keep[:narrow]),
            self.o.payload.last.eq(wide.last & final),
            self.o.payload.error.eq(wide.last & wide.error & final),
        ]
        m.d.comb += [self.o.payload.data[lane].eq(wide.data[lane]) for lane in range(narrow)]
        with m.If(self.i.ready):
            m.d.sync += [wide.eq(self.i.payload), wide_valid.eq(self.i.valid)]
        with m.Elif(self.o.ready):
            m.d.sync += [
                wide.keep.eq(wide.keep >> narrow),
                wide.data.as_value().eq(wide.data.as_value() >> (8 * narrow)),
            ]
