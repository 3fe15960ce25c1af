# SPDX-License-Identifier: Apache-2.0
"""Store-and-forward frame FIFO: a frame leaves only when it is whole and good."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature, beat_layout

__all__ = ["FrameFIFO"]


class FrameFIFO(wiring.Component):
    """Stores frames and forwards those that end without error.

    A frame is committed by its last beat if that beat has ``error`` = 0 and rolled back if it has ``error`` = 1. When there
    is no room for a beat, the whole frame is dropped: what is stored of it is rolled back and the rest is swallowed through
    its last beat. A frame that is longer than the store goes the same way. A frame that met no room counts as overflow
    whatever its ``error`` says.

    Parameters
    ----------
    lanes
        Bytes per beat.
    depth
        Beats in the store, a power of two and at least 2. An empty store takes any frame of up to ``depth`` beats.

    Members
    -------
    i : ``FrameSignature(lanes)``, in
        ``i.ready`` is always 1.
    o : ``FrameSignature(lanes)``, out
        Whole frames in the order of arrival; ``error`` is always 0 on ``last``. All outputs come from registers.
    dropped_error : 1 bit, out
        One cycle per frame rolled back for its ``error``, the cycle after its last beat.
    dropped_overflow : 1 bit, out
        One cycle per frame dropped for want of room, the cycle after the beat that found none.

    Latency: the first beat of a frame is on ``o`` 3 cycles after the transfer of its last beat on ``i``.
    Throughput: 1 beat per cycle in and out at the same time, frames back to back, single-beat frames included.
    Back-pressure: none on ``i``; a stall of ``o`` fills the store (2 more beats wait in the read pipeline).
    Reset: empty. Whoever resets the FIFO in the middle of an incoming frame also resets what drives it: beats that follow
    the reset are the beginning of a frame.
    """

    i: stream.Interface
    o: stream.Interface
    dropped_error: Signal
    dropped_overflow: Signal

    def __init__(self, lanes: int, depth: int) -> None:
        if not isinstance(depth, int) or depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two and at least 2, not {depth!r}")
        self.lanes = lanes
        self.depth = depth
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "dropped_error": Out(1),
                "dropped_overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = memory.Memory(shape=beat_layout(self.lanes), depth=self.depth, init=[])
        w_port = store.write_port()
        r_port = store.read_port()

        # Positions count beats modulo twice the depth, so that full and empty differ.
        pointer = range(2 * self.depth)
        w_pos = Signal(pointer)  # next beat of the frame that is coming in
        c_pos = Signal(pointer)  # end of the last committed frame
        r_pos = Signal(pointer)  # next beat to read
        swallow = Signal()

        full = Signal()
        w_next = Signal(pointer)
        m.d.comb += [
            self.i.ready.eq(1),
            full.eq((w_pos ^ r_pos) == self.depth),
            w_next.eq(w_pos + 1),
            w_port.addr.eq(w_pos[:-1]),
            w_port.data.eq(self.i.payload),
            w_port.en.eq(self.i.valid & ~swallow & ~full),
        ]

        m.d.sync += [self.dropped_error.eq(0), self.dropped_overflow.eq(0)]
        with m.If(self.i.valid):
            with m.If(swallow):
                m.d.sync += swallow.eq(~self.i.payload.last)
            with m.Elif(full):
                m.d.sync += [self.dropped_overflow.eq(1), swallow.eq(~self.i.payload.last), w_pos.eq(c_pos)]
            with m.Elif(self.i.payload.last):
                m.d.sync += [
                    self.dropped_error.eq(self.i.payload.error),
                    w_pos.eq(Mux(self.i.payload.error, c_pos, w_next)),
                    c_pos.eq(Mux(self.i.payload.error, c_pos, w_next)),
                ]
            with m.Else():
                m.d.sync += w_pos.eq(w_next)

        # Read pipeline: memory output, then output register. A stage moves when the next one is free.
        fetched = Signal()
        o_free = Signal()
        r_free = Signal()
        m.d.comb += [
            o_free.eq(~self.o.valid | self.o.ready),
            r_free.eq(~fetched | o_free),
            r_port.addr.eq(r_pos[:-1]),
            r_port.en.eq(r_free),
        ]
        with m.If(r_free):
            m.d.sync += [fetched.eq(r_pos != c_pos), r_pos.eq(r_pos + (r_pos != c_pos))]
        with m.If(o_free):
            m.d.sync += [self.o.valid.eq(fetched), self.o.payload.eq(r_port.data)]

        return m
