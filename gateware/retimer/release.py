# SPDX-License-Identifier: Apache-2.0
"""Decides what leaves in a slot or window."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.retimer import SORT_BITS, Policy, Size
from gateware.retimer.layouts import BATCH, SCHEDULE, descriptor_layout, order_layout
from gateware.retimer.sorter import Sorter
from gateware.session.memories import NO_BYPASS

KEY_LATENCY = 2
"""Cycles from `commit` to the frame's sort key."""


class Release(wiring.Component):
    """Keeps the descriptors of the frames that wait, and orders what leaves.

    Args:
        size: of the retimer.

    Members:
        commit, descriptor: a frame is in the store; ``key``: its sort key, 2 cycles later.
        next_start: where the next frame begins.
        active, frees, starts: see `Grid`.
        room, place: see `Intake`.
        waiting: frames that have not been chosen yet.
        o: what is to leave.
        busy: something that was chosen had not been ordered a cycle ago.
        released, dummy, over_slot: for one cycle, see `Event`.

    Latency: an order 3 cycles after ``starts``; the first of a batch so much later as sorting takes; each other one at most
    12 cycles after the one before was taken. Reset: nothing waits.
    """

    commit: Signal
    descriptor: data.View
    key: Signal
    next_start: Signal
    active: data.View
    frees: Signal
    starts: Signal
    room: Signal
    place: Signal
    waiting: Signal
    o: stream.Interface
    busy: Signal
    released: Signal
    dummy: Signal
    over_slot: Signal

    def __init__(self, size: Size) -> None:
        self.size = size
        depth, descriptor = range(size.store_bytes // size.lanes), descriptor_layout(size)
        super().__init__(
            {
                "commit": In(1),
                "descriptor": In(descriptor),
                "key": In(SORT_BITS),
                "next_start": In(depth),
                "active": In(SCHEDULE),
                "frees": In(1),
                "starts": In(1),
                "room": Out(depth),
                "place": Out(1),
                "waiting": Out(range(size.frames + 1)),
                "o": Out(stream.Signature(order_layout(size))),
                "busy": Out(1),
                "released": Out(1),
                "dummy": Out(1),
                "over_slot": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size, depth = self.size, range(self.size.store_bytes // self.size.lanes)
        m.submodules.sorter = sorter = Sorter(size)
        m.submodules.descriptors = descriptors = Memory(
            shape=descriptor_layout(size), depth=size.frames, init=[], attrs=NO_BYPASS
        )
        write, read = descriptors.write_port(), descriptors.read_port(domain="comb")

        # Numbers of frames, and where they begin: the next to come, the next to be chosen, the oldest that has room.
        number = range(2 * size.frames)
        last, chosen, oldest = Signal(number), Signal(number), Signal(number)
        chosen_start, oldest_start = Signal(depth), Signal(depth)
        held, taken = Signal(number), Signal(depth)
        m.d.comb += [
            write.addr.eq(last[:-1]),
            write.data.eq(self.descriptor),
            write.en.eq(self.commit),
            self.waiting.eq(last - chosen),
            held.eq(last - oldest),
            taken.eq(self.next_start - oldest_start),
        ]
        m.d.sync += [self.place.eq(held != size.frames), self.room.eq(size.capacity_beats - taken)]
        with m.If(self.commit):
            m.d.sync += last.eq(last + 1)
        with m.If(self.frees):
            m.d.sync += [oldest.eq(chosen), oldest_start.eq(chosen_start)]
        self._keep_key(m, sorter, last)

        batch, some = Signal(), Signal()
        m.d.comb += [batch.eq(self.active.policy == BATCH), some.eq(last != chosen)]
        with m.If(self.starts):
            with m.If(batch):
                m.d.sync += [chosen.eq(last), chosen_start.eq(self.next_start)]
            with m.Elif(some):
                m.d.sync += chosen.eq(chosen + 1)

        # A batch, frame after frame, once the time for sorting is over.
        left, asked = Signal(range(size.frames + 1)), Signal()
        sorting, sorts = Signal(range(size.sort_cycles + 3)), Signal()
        m.d.comb += [
            sorter.start.eq(self.starts & batch),
            sorter.first.eq(chosen[:-1]),
            sorter.count.eq(self.waiting),
        ]
        with m.If(self.starts & batch):
            m.d.sync += [left.eq(self.waiting), sorting.eq(size.sort_cycles + 1), sorts.eq(1)]
        with m.Elif(sorts):
            m.d.sync += [sorting.eq(sorting - 1), sorts.eq(sorting != 0)]

        # A descriptor is read, comes out, and is looked at.
        fetches, fetched, near_valid = Signal(), Signal(), Signal()
        slot, empty = Signal(2), Signal(2)
        row, near = (Signal(descriptor_layout(size), reset_less=True, name=name) for name in ("row", "near"))
        m.d.comb += [
            fetches.eq(batch & sorter.o.valid & ~asked),
            sorter.o.ready.eq(fetches),
            read.addr.eq(Mux(batch, sorter.o.payload, chosen[:-1])),
        ]
        m.d.sync += [
            row.eq(read.data),
            near.eq(row),
            fetched.eq(fetches | (self.starts & ~batch)),
            near_valid.eq(fetched),
            slot[0].eq(self.starts & ~batch),
            slot[1].eq(slot[0]),
            empty[0].eq(self.starts & ~batch & ~some),
            empty[1].eq(empty[0]),
        ]
        ordered = Signal()
        self._order(m, near, near_valid, slot[1], empty[1], ordered)
        with m.If(slot[1] & ~empty[1]):
            m.d.sync += chosen_start.eq(chosen_start + self._beats(near.length))
        m.d.comb += self.o.valid.eq(ordered & ~sorts)
        with m.If(fetches):
            m.d.sync += asked.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [ordered.eq(0), asked.eq(0)]
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
        m.d.sync += self.busy.eq(ordered | fetched | near_valid | (left != 0))
        return m

    def _keep_key(self, m: Module, sorter: Sorter, last: Signal) -> None:
        """The sort key comes a little later than the descriptor."""
        valid, place = Signal(KEY_LATENCY), Signal.like(last)
        m.d.sync += valid.eq(valid << 1 | self.commit)
        with m.If(self.commit):
            m.d.sync += place.eq(last)
        m.d.comb += [
            sorter.key_valid.eq(valid[-1]),
            sorter.key_place.eq(place[:-1]),
            sorter.key.eq(self.key),
        ]

    def _beats(self, length: Value) -> Value:
        return (length + self.size.lanes - 1) >> (self.size.lanes - 1).bit_length()

    def _tail(self, length: Value) -> Value:
        """Bytes of the last beat of a frame of ``length`` bytes."""
        lanes = self.size.lanes
        rest = length[: (lanes - 1).bit_length()]
        return Mux(rest.any(), rest, lanes)

    def _order(self, m: Module, near: data.View, valid: Value, slot: Value, empty: Value, ordered: Signal) -> None:
        """Make an order of a descriptor, or of an empty slot."""
        order = self.o.payload
        over, none, length, whole = Signal(), Signal(), Signal.like(near.length), Signal.like(near.length)
        dummy = self.active.policy == Policy.CONSTANT_RATE
        m.d.comb += [
            over.eq(slot & ~empty & (near.length > self.active.slot_bytes)),
            none.eq(empty | over),
            length.eq(Mux(none, 0, near.length)),
            whole.eq(Mux(slot, self.active.slot_bytes, near.length)),
        ]
        m.d.sync += [self.released.eq(0), self.dummy.eq(0), self.over_slot.eq(0)]
        with m.If(valid):
            m.d.sync += [
                order.start.eq(near.start),
                order.dummy.eq(none),
                order.pace.eq(self._beats(whole) + self.size.gap_cycles - 1),
                self.over_slot.eq(over),
                self.released.eq(~none),
                self.dummy.eq(none & dummy),
                ordered.eq(~none | dummy),
            ]
            for extent, value in ((order.frame, length), (order.whole, whole)):
                m.d.sync += [extent.beats.eq(self._beats(value)), extent.tail.eq(self._tail(value))]
