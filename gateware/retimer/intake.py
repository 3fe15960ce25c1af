# SPDX-License-Identifier: Apache-2.0
"""Takes frames in, and decides which have room."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.retimer import Size
from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES
from gateware.retimer.layouts import descriptor_layout
from gateware.stream import beat_layout


class Intake(wiring.Component):
    """Writes frames into the store, one behind the other, and takes back those that are dropped.

    A frame is dropped for its ``error`` or as shorter than the shortest one, then for its length, then for want of room.

    Args:
        size: of the retimer.

    Members:
        valid, beat: of frames, one per cycle at most.
        room: beats that are free, as of up to 2 cycles ago. ``place``: so is one frame's place.
        address, row, write: of the store.
        next_start: where the next frame begins.
        commit, descriptor: for one cycle, 2 cycles after the last beat of a frame that stays.
        error, too_long, full: for one cycle, in that same cycle: a frame was dropped.

    Throughput: a beat per cycle. Frames of 8 beats and more find the room that the frame before them left; shorter ones are
    dropped. Reset: empty; see `FrameFIFO`.
    """

    valid: Signal
    beat: data.View
    room: Signal
    place: Signal
    address: Signal
    row: Signal
    write: Signal
    next_start: Signal
    commit: Signal
    descriptor: data.View
    error: Signal
    too_long: Signal
    full: Signal

    def __init__(self, size: Size) -> None:
        self.size = size
        depth = range(size.store_bytes // size.lanes)
        super().__init__(
            {
                "valid": In(1),
                "beat": In(beat_layout(size.lanes)),
                "room": In(depth),
                "place": In(1),
                "address": Out(depth),
                "row": Out(8 * size.lanes),
                "write": Out(1),
                "next_start": Out(depth),
                "commit": Out(1),
                "descriptor": Out(descriptor_layout(size)),
                "error": Out(1),
                "too_long": Out(1),
                "full": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size, lanes = self.size, self.size.lanes
        max_beats = size.beats(MAX_FRAME_BYTES)
        came, came_valid = self.beat, self.valid

        # The beat with its number in the frame, from 1 on; one too many stands for all that follow.
        beat, valid = Signal(beat_layout(lanes), reset_less=True), Signal()
        before, ahead, number = (Signal(range(max_beats + 2), name=name) for name in ("before", "ahead", "number"))
        m.d.sync += [beat.eq(came), valid.eq(came_valid), ahead.eq(before), number.eq(before + 1)]
        with m.If(came_valid):
            with m.If(came.last):
                m.d.sync += before.eq(0)
            with m.Elif(before != max_beats):
                m.d.sync += before.eq(before + 1)

        # What is to be said of the frame, should this be its last beat.
        length = Signal(range(lanes * (max_beats + 1) + 1))
        short, long, fits, ends, over = Signal(), Signal(), Signal(), Signal(), Signal()
        at_hand, writes = Signal(8 * lanes, reset_less=True), Signal()
        kept = sum(beat.keep[lane] for lane in range(lanes - 1))
        m.d.comb += length.eq(Mux(beat.keep[-1], number * lanes, ahead * lanes | kept))
        bad, said_long, said_full, stays = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            short.eq(length < MIN_FRAME_BYTES),
            over.eq(number > max_beats),
            long.eq(length > MAX_FRAME_BYTES),
            fits.eq((number <= self.room) & self.place),
        ]
        m.d.sync += [
            at_hand.eq(beat.data),
            writes.eq(valid & ~over),
            ends.eq(valid & beat.last),
            self.descriptor.length.eq(length),
            bad.eq(beat.error | short),
            said_long.eq(long),
            said_full.eq(~fits),
            stays.eq(~beat.error & ~short & ~long & fits),
        ]
        tail = Signal.like(self.address)
        m.d.comb += [
            self.address.eq(tail),
            self.row.eq(at_hand),
            self.write.eq(writes),
            self.commit.eq(ends & stays),
            self.descriptor.start.eq(self.next_start),
            self.error.eq(ends & bad),
            self.too_long.eq(ends & ~bad & said_long),
            self.full.eq(ends & ~bad & ~said_long & said_full),
        ]
        with m.If(ends):
            m.d.sync += tail.eq(Mux(stays, tail + 1, self.next_start))
        with m.Elif(writes):
            m.d.sync += tail.eq(tail + 1)
        with m.If(self.commit):
            m.d.sync += self.next_start.eq(tail + 1)
        return m
