# SPDX-License-Identifier: Apache-2.0
"""The table of connections."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.flow.memory import Rows
from gateware.sampler.layouts import key_layout, state_layout
from gateware.session.memories import BLOCK, DISTRIBUTED

PIPELINE_CYCLES = 3
"""From the place to whether the row is that of the key: it is read, and pieces of it are compared."""
READ_CYCLES = 2
COMPARED_BITS = 8
FEW = 8
"""Up to so many rows are in distributed RAM: the thirteen block RAMs that are as wide would be nearly empty."""
AGE_TICKS = 2
"""At the next, nothing has come from one tick to the next but one."""


class Flows(wiring.Component):
    """A row per connection: how it is known, and what is known of it.

    A memory, one row per cycle, instead of a comparator per connection: it takes as many cycles as there are places to
    know that a connection is not there, most of which the rest of a frame takes anyhow at 1 Gbit/s.

    Args:
        flows: places, a power of two.
        slots, slot_bytes: see `state_layout`.

    Members:
        key: of the frame; steady from the cycle after ``seek`` on.
        seek: look for it. ``busy``: the search goes on. ``found``: it was found, and the row comes to rest there, or else
            at the lowest free place, if ``free`` says that there is one.
        go, place: the row comes to rest at a place, 3 cycles later.
        state, active, old: of the row, where it has come to rest. ``old``: at the next tick it is too old.
        write, row: what is known of the connection ``key`` at this place from now on. It can be read 3 cycles later.
        young, older: something came of it; a tick has passed.
        forget: the place is free.
        count: connections.

    A search takes ``flows`` + 7 cycles at most. Reset: no connection.
    """

    key: data.View
    seek: Signal
    busy: Signal
    found: Signal
    free: Signal
    go: Signal
    place: Signal
    state: data.View
    active: Signal
    old: Signal
    write: Signal
    row: data.View
    young: Signal
    older: Signal
    forget: Signal
    count: Signal

    def __init__(self, flows: int, slots: int, slot_bytes: int) -> None:
        if flows < 2 or flows & (flows - 1):
            raise ValueError(f"flows must be a power of two, not {flows}")
        self.flows = flows
        state = state_layout(slots, slot_bytes)
        self.layout = data.StructLayout({"key": key_layout(), "state": state})
        super().__init__(
            {
                "key": In(key_layout()),
                "seek": In(1),
                "busy": Out(1),
                "found": Out(1),
                "free": Out(1),
                "go": In(1),
                "place": In(range(flows)),
                "state": Out(state),
                "active": Out(1),
                "old": Out(1),
                "write": In(1),
                "row": In(state),
                "young": In(1),
                "older": In(1),
                "forget": In(1),
                "count": Out(range(flows + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = Rows(self.layout, self.flows, BLOCK if self.flows > FEW else DISTRIBUTED)
        used, at = Signal(self.flows), Signal(range(self.flows))
        m.d.comb += [
            rows.address.eq(at),
            self.state.eq(rows.o.state),
            rows.write.eq(self.write),
            rows.write_address.eq(at),
            rows.write_row.key.eq(self.key),
            rows.write_row.state.eq(self.row),
        ]
        m.d.sync += [
            self.active.eq(used.bit_select(at, 1)),
            self.count.eq(self.count + (self.write & ~self.active) - self.forget),
        ]
        for number in range(self.flows):
            with m.If(at == number):
                with m.If(self.write):
                    m.d.sync += used[number].eq(1)
                with m.If(self.forget):
                    m.d.sync += used[number].eq(0)
        self._search(m, at, rows.o.key)
        self._ages(m, at)
        return m

    def _search(self, m: Module, at: Signal, found_key: Value) -> None:
        reads, settles = Signal(), Signal(READ_CYCLES)
        valid = Signal(PIPELINE_CYCLES)
        # As of the last of these the row is that at the place; whether that is active is known a cycle after it was asked.
        place: Value = at
        for number in range(PIPELINE_CYCLES):
            later = Signal.like(at, name=f"place_{number}")
            m.d.sync += later.eq(place)
            place = later
        active: Value = self.active
        for number in range(PIPELINE_CYCLES - 1):
            then = Signal(name=f"active_{number}")
            m.d.sync += then.eq(active)
            active = then
        same = Signal(-(-len(Value.cast(self.key)) // COMPARED_BITS))
        pieces = (range(at, at + COMPARED_BITS) for at in range(0, len(same) * COMPARED_BITS, COMPARED_BITS))
        differs = Value.cast(found_key) ^ Value.cast(self.key)
        m.d.sync += same.eq(Cat(~differs[piece.start : piece.stop].any() for piece in pieces))
        hit, ends, free_place = Signal(), Signal(), Signal.like(at)
        m.d.comb += [
            hit.eq(valid[-1] & active & same.all()),
            ends.eq(valid[-1] & place.all()),
            self.busy.eq(reads | valid.any() | settles.any()),
        ]
        m.d.sync += [valid.eq(Cat(reads, valid)), settles.eq(settles << 1)]
        with m.If(reads):
            m.d.sync += [at.eq(at + 1), reads.eq(~at.all())]
        with m.If(valid[-1] & ~active & ~self.free):
            m.d.sync += [self.free.eq(1), free_place.eq(place)]
        with m.If(hit | ends):
            m.d.sync += [
                reads.eq(0),
                valid.eq(0),
                settles.eq(1),
                self.found.eq(hit),
                at.eq(Mux(hit | (~active & ~self.free), place, free_place)),
            ]
        with m.If(self.go):
            m.d.sync += at.eq(self.place)
        with m.If(self.seek):
            m.d.sync += [at.eq(0), reads.eq(1), self.found.eq(0), self.free.eq(0)]

    def _ages(self, m: Module, at: Signal) -> None:
        m.submodules.ages = ages = Memory(shape=2, depth=self.flows, init=[], attrs=DISTRIBUTED)
        read, write, age = ages.read_port(domain="comb"), ages.write_port(), Signal(2)
        m.d.comb += [
            read.addr.eq(at),
            write.addr.eq(at),
            write.en.eq(self.young | self.older),
            write.data.eq(Mux(self.young, 0, age + 1)),
            self.old.eq(age == AGE_TICKS),
        ]
        m.d.sync += age.eq(read.data)
