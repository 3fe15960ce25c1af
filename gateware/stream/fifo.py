# SPDX-License-Identifier: Apache-2.0
"""Store-and-forward frame FIFO with commit, rollback and whole-frame drop."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .beat import FrameSignature, beat_layout

__all__ = ["FrameFIFO"]


class FrameFIFO(wiring.Component):
    """Stores frames and lets out only whole, committed ones.

    A frame is committed by its last beat when ``error`` is 0 and rolled back when ``error`` is 1. When a beat finds no
    room, the whole frame is dropped: what was stored of it is rolled back and the rest is swallowed through its last
    beat. So a frame longer than ``depth`` beats is always dropped, and a frame of up to ``depth`` beats always fits an
    empty store.

    Parameters
    ----------
    lanes
        Bytes per beat.
    depth
        Size of the store in beats, a power of two, at least 2. It takes ``9 * lanes`` bits per beat: 2048 beats of one
        lane, 512 beats of four, are one ECP5 block RAM.

    Members
    -------
    i : ``FrameSignature(lanes)``, In
        ``i.ready`` is always 1: there is no back-pressure, what does not fit is dropped and said so.
    o : ``FrameSignature(lanes)``, Out
        Committed frames in order. ``o.error`` is always 0.
    dropped_error : 1 bit, Out
        One cycle per frame dropped because its last beat had ``error``.
    dropped_overflow : 1 bit, Out
        One cycle per frame dropped for want of room, whatever its ``error``. Never together with ``dropped_error``.

    Latency: 4 cycles from the transfer of the last beat to ``o.valid`` with its frame's first beat, when nothing is
    before it. The verdict (one of the two pulses, or none: committed) is out exactly 2 cycles after the transfer of
    the last beat. Throughput: 1 beat per cycle in and out at the same time, frames back to back.
    Room: a place is free again when its beat moves on to the two output stages.
    Reset: empty. The frame under way is lost on both sides; the rest of it, if it still comes, is taken as a new frame,
    so reset the source as well.
    """

    i: stream.Interface
    o: stream.Interface
    dropped_error: Signal
    dropped_overflow: Signal

    def __init__(self, lanes: int, depth: int):
        if not isinstance(depth, int) or depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth!r}")
        self._lanes = lanes
        self._depth = depth
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

        # keep[0] is always 1, so that a beat is 9 bits per lane, which is what the block RAMs are built from.
        stored = data.StructLayout(
            {
                "data": data.ArrayLayout(unsigned(8), self._lanes),
                "keep": unsigned(self._lanes - 1),
                "last": 1,
            }
        )
        m.submodules.store = store = memory.Memory(shape=stored, depth=self._depth, init=[])
        write = store.write_port()
        read = store.read_port(domain="comb")

        # Pointers have one bit more than the address: equal is empty, different in that bit only is full.
        pointer = range(2 * self._depth)
        tail = Signal(pointer)  # next place to write
        committed = Signal(pointer)  # end of the last committed frame
        head = Signal(pointer)  # next place to read

        # Input register: whoever feeds this may be late in its cycle, and `full` is the long path here.
        beat = Signal(beat_layout(self._lanes), reset_less=True)
        beat_valid = Signal()
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += [beat.eq(self.i.payload), beat_valid.eq(self.i.valid)]

        full = Signal()
        dropping = Signal()  # the frame under way did not fit
        fits = Signal()
        tail_next = Signal(pointer)
        m.d.comb += [
            full.eq((tail ^ head) == self._depth),
            fits.eq(~full & ~dropping),
            tail_next.eq(tail + 1),
            write.addr.eq(tail[:-1]),
            write.data.data.eq(beat.data),
            write.data.keep.eq(beat.keep[1:]),
            write.data.last.eq(beat.last),
            # A write without a pointer move does no harm, so only `full` must hold it back.
            write.en.eq(beat_valid & ~full),
        ]
        m.d.sync += [self.dropped_error.eq(0), self.dropped_overflow.eq(0)]
        with m.If(beat_valid):
            with m.If(beat.last):
                m.d.sync += [
                    dropping.eq(0),
                    self.dropped_error.eq(fits & beat.error),
                    self.dropped_overflow.eq(~fits),
                ]
                with m.If(fits & ~beat.error):
                    m.d.sync += [tail.eq(tail_next), committed.eq(tail_next)]
                with m.Else():
                    m.d.sync += tail.eq(committed)
            with m.Elif(fits):
                m.d.sync += tail.eq(tail_next)
            with m.Else():
                m.d.sync += dropping.eq(1)

        # Output: read without a clock and registered, so that Yosys can show that no place is read while it is written, and
        # needs no bypass around the block RAM, whose register this becomes. Another one is right behind it, as the block RAM
        # is slow to come out. Where something is committed, tail is not head: that is compared for Yosys alone.
        row, row_valid = Signal(stored, reset_less=True), Signal()
        o_beat, o_valid = Signal(stored, reset_less=True), Signal()
        o_free, row_free, gives = Signal(), Signal(), Signal()
        m.d.comb += [
            o_free.eq(self.o.ready | ~o_valid),
            row_free.eq(o_free | ~row_valid),
            gives.eq((head != committed) & (head != tail) & row_free),
            read.addr.eq(head[:-1]),
        ]
        with m.If(gives):
            m.d.sync += [row.eq(read.data), head.eq(head + 1)]
        with m.If(row_free):
            m.d.sync += row_valid.eq(gives)
        with m.If(o_free):
            m.d.sync += [o_beat.eq(row), o_valid.eq(row_valid)]

        m.d.comb += [
            self.o.valid.eq(o_valid),
            self.o.payload.data.eq(o_beat.data),
            self.o.payload.keep.eq(Cat(1, o_beat.keep)),
            self.o.payload.last.eq(o_beat.last),
        ]
        return m
