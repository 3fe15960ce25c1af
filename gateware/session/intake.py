# SPDX-License-Identifier: Apache-2.0
"""Takes frames in: what stands at a frame's front and end into a record, the rest into a store."""

from typing import Any

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.macsec import ICV_BYTES
from gateware.mask import lanes_before
from gateware.session.memories import DISTRIBUTED
from gateware.stream import FrameFIFO, FrameSignature, Queue, beat_layout


class Fault(enum.Enum, shape=2):
    """Why a frame is not in the store."""

    NONE = 0
    ERROR = 1
    TOO_LONG = 2
    TOO_SHORT = 3
    """Nothing follows its header."""


def record_layout(address_bytes: int, bytes_max: int) -> data.StructLayout:
    """What is decided by: bytes of the header, the first lowest, and the frame's length."""
    return data.StructLayout({"address": 8 * address_bytes, "length": range(bytes_max + 1), "fault": Fault})


def ends_layout(header_bytes: int) -> data.StructLayout:
    """A frame's header and its last 16 bytes, the first lowest."""
    return data.StructLayout({"header": 8 * header_bytes, "tail": 8 * ICV_BYTES})


SPARE_RECORDS = 8
"""So many, or that share of all, have no place in the queue while their ends are kept, or are not in it yet."""
LAG_BEATS = 8
"""So many beats at most have come in and are not counted yet."""


class Intake(wiring.Component):
    """Stores what follows a frame's header, and hands on a record of each frame.

    Args:
        lanes: bytes per beat.
        header_bytes: of the header.
        address: which of them are in the record.
        bytes_max: what is longer is not stored.
        store_depth: in beats, a power of two; holds two of the longest frames at least.
        records: how many frames wait at most, a power of two.

    Members:
        i: frames; ``i.ready`` falls between frames only, while there is no room for the longest.
        o: what follows the header of each frame without a fault, aligned to the first lane.
        record: of each frame in order, with or without a fault.
        ends: of a frame, once its record is there. ``ends_next``: those of the next, 2 cycles later. At most 6 frames may be
            behind their records.

    Latency: a record comes 6 cycles after the frame's last beat, and what follows the header no later. Throughput: a beat
    per cycle, frames back to back. Reset forgets what is inside.
    """

    i: stream.Interface
    o: stream.Interface
    record: stream.Interface
    ends: data.View
    ends_next: Signal

    def __init__(
        self, lanes: int, header_bytes: int, address: range, bytes_max: int, store_depth: int, records: int
    ) -> None:
        self.lanes = lanes
        self.header_bytes = header_bytes
        self.address = address
        self.bytes_max = bytes_max
        self.store_depth = store_depth
        self.records = records
        super().__init__(
            {
                "i": In(FrameSignature(lanes)),
                "o": Out(FrameSignature(lanes)),
                "record": Out(stream.Signature(record_layout(len(address), bytes_max))),
                "ends": Out(ends_layout(header_bytes)),
                "ends_next": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.lanes
        m.submodules.store = store = FrameFIFO(lanes, self.store_depth)
        m.submodules.queue = queue = Queue(self.record.payload.shape(), self.records)
        wiring.connect(m, store.o, wiring.flipped(self.o))
        wiring.connect(m, queue.o, wiring.flipped(self.record))

        inside, admits = Signal(), Signal()
        valid, beat = Signal(), Signal(beat_layout(lanes))
        m.d.comb += self.i.ready.eq(inside | admits)
        m.d.sync += [valid.eq(self.i.valid & self.i.ready), beat.eq(self.i.payload)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += inside.eq(~self.i.payload.last)

        # Of the frame before this beat: how many beats, as far as that matters, and its last bytes.
        index, recent = Signal(range(self.bytes_max // lanes + 2)), Signal(8 * ICV_BYTES)
        count, fault, window = Signal(range(lanes + 1)), Signal(Fault), Cat(recent, beat.data.as_value())
        at_text, in_text, has_text = self._limit(m, valid, beat, index, self.header_bytes)
        _, over, too_long = self._limit(m, valid, beat, index, self.bytes_max)
        m.d.comb += count.eq(sum(beat.keep))
        with m.If(~has_text):
            m.d.comb += fault.eq(Fault.TOO_SHORT)
        with m.If(too_long):
            m.d.comb += fault.eq(Fault.TOO_LONG)
        with m.If(beat.error):
            m.d.comb += fault.eq(Fault.ERROR)
        with m.If(valid):
            m.d.sync += recent.eq(window[8 * lanes :])
            with m.If(~over):
                m.d.sync += index.eq(index + 1)
            with m.If(beat.last):
                m.d.sync += index.eq(0)
        record: Any = queue.i.payload
        ends: Any = Signal(self.ends.shape(), reset_less=True)
        self._keep_ends(m, queue.i.valid, ends)
        m.d.comb += [
            record.address.eq(Cat(ends.header.word_select(at, 8) for at in self.address)),
        ]
        m.d.sync += queue.i.valid.eq(valid & beat.last)
        with m.If(valid & beat.last):
            m.d.sync += [
                record.length.eq(index * lanes + count),
                record.fault.eq(fault),
                ends.tail.eq(self._selected(window, count)),
            ]
        for at in range(self.header_bytes):
            with m.If(valid & (index == at // lanes)):
                m.d.sync += ends.header.word_select(at, 8).eq(beat.data[at % lanes])

        self._strip(m, store, valid & (~over | beat.last), beat, at_text, in_text, count, fault)
        self._admit(m, store, queue, admits)
        return m

    def _keep_ends(self, m: Module, valid: Value, ends: Value) -> None:
        """They come and go as frames do, and need no queue of their own."""
        m.submodules.kept = kept = Memory(shape=ends.shape(), depth=self.records, init=[], attrs=DISTRIBUTED)
        write, read = kept.write_port(), kept.read_port(domain="comb")
        m.d.comb += [write.en.eq(valid), write.data.eq(ends)]
        m.d.sync += [
            write.addr.eq(write.addr + valid),
            read.addr.eq(read.addr + self.ends_next),
            self.ends.eq(read.data),
        ]

    def _limit(self, m: Module, valid: Value, beat: Any, index: Value, limit: int) -> tuple[Signal, Signal, Value]:
        """Whether byte ``limit`` has its place in this beat, or had it in one before; whether the frame has such a byte."""
        beats, kept = divmod(limit, self.lanes)
        here, behind = Signal(init=beats == 0), Signal()
        with m.If(valid):
            m.d.sync += [
                here.eq(Mux(beat.last, beats == 0, index == beats - 1 if beats else 0)),
                behind.eq(~beat.last & (here | behind)),
            ]
        return here, behind, behind | here & beat.keep[kept]

    def _selected(self, window: Value, count: Value) -> Value:
        """The last bytes of the window that a frame reaches, of whose last beat ``count`` lanes are kept."""
        size = 8 * ICV_BYTES
        if self.lanes == 1:
            return window[8:]
        return Array(window[8 * kept : 8 * kept + size] for kept in range(self.lanes + 1))[count]

    def _strip(
        self,
        m: Module,
        store: FrameFIFO,
        valid: Value,
        beat: data.View,
        at_text: Value,
        in_text: Value,
        count: Value,
        fault: Any,
    ) -> None:
        """Write what follows the header, aligned."""
        lanes, shift = self.lanes, self.header_bytes % self.lanes
        o = store.i.payload
        if not shift:
            m.d.comb += [store.i.valid.eq(valid & (at_text | in_text)), o.eq(beat), o.error.eq(fault != Fault.NONE)]
            return
        # The beat before, of which the lanes from ``shift`` on are still to be written.
        held, held_count, flushes, spoilt = Signal(8 * (lanes - shift)), Signal(range(lanes + 1)), Signal(), Signal()
        rest = beat.data.as_value()[8 * shift :]
        ends = beat.last & (count <= shift)
        kept = Mux(flushes, held_count - shift, Mux(ends, lanes - shift + count, lanes))
        m.d.comb += [
            store.i.valid.eq(flushes | valid & in_text),
            o.data.eq(Cat(held, beat.data.as_value()[: 8 * shift])),
            o.keep.eq(lanes_before(lanes, kept)),
            o.last.eq(flushes | ends),
            o.error.eq(Mux(flushes, spoilt, fault != Fault.NONE)),
        ]
        m.d.sync += flushes.eq(valid & beat.last & (count > shift) & (at_text | in_text))
        with m.If(valid):
            m.d.sync += [held.eq(rest), held_count.eq(count), spoilt.eq(fault != Fault.NONE)]

    def _admit(self, m: Module, store: FrameFIFO, queue: Queue, admits: Signal) -> None:
        """There is room for the longest frame, with its last beat that may come on its own, and for its record."""
        beats_max = -(-self.bytes_max // self.lanes) + 3
        spare = max(SPARE_RECORDS, self.records // SPARE_RECORDS)
        used, of_frame = Signal(range(2 * self.store_depth)), Signal(range(beats_max + 2))
        write, ends = Signal(), Signal()
        m.d.comb += [write.eq(store.i.valid), ends.eq(write & store.i.payload.last)]
        with m.If(write):
            m.d.sync += of_frame.eq(Mux(ends, 0, of_frame + 1))
        returned, change = Signal.like(of_frame), Signal(signed(2))
        m.d.sync += [
            returned.eq(Mux(ends & store.i.payload.error, of_frame + 1, 0)),
            change.eq(write - (store.o.valid & store.o.ready)),
            used.eq(used + change - returned),
            admits.eq((used < self.store_depth - beats_max - LAG_BEATS) & (queue.level < self.records - spare)),
        ]
