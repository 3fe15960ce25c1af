# SPDX-License-Identifier: Apache-2.0
"""Finds the flow of a frame."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import ADDRESS_ID_BITS, FLOW_WAYS, PORT_BITS, TURNS, FlowKind
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import HEADER, KEY
from gateware.flow.memory import linear
from gateware.pick import gated

NAME = data.StructLayout(
    {
        "kind": 2,
        "initiator": ADDRESS_ID_BITS,
        "responder": ADDRESS_ID_BITS,
        "initiator_port": PORT_BITS,
        "responder_port": PORT_BITS,
    }
)
"""What the hash is of: `custodes.flow_table.flow_key`."""
FOUND = data.StructLayout({"way": range(FLOW_WAYS), "initiator_port": PORT_BITS, "field": PORT_BITS - 1, "mapped": 1})
"""What is kept of a way that matches."""
READ_CYCLES, MATCH_CYCLES = 2, 3
"""From the address of a row to its ways, and to what of them matches."""


class Lookup(wiring.Component):
    """Asks for the flow that the sender began, and for that of which the receiver's port says that the receiver began it: by
    its slot if the port is mapped, else by name.

    Args:
        geometry: of the table.

    Members:
        start, header, side: a frame, and where it comes from; held until ``done``.
        row_address, ways; home_address, home, live: of the `Table`, which is nobody else's until ``done``.
        done: for one cycle; the answer is there, and stays until the next ``start``.
        hit, found: whether there is a flow, and which.
        set: of the hash table, for a flow that the sender begins.
        held, held_way: whether there is a way with that name, in use or not.

    Latency 10 cycles if all 8 ways of a set are looked at at once, 15 if 2 are.
    """

    start: Signal
    header: data.View
    side: Signal
    row_address: Signal
    ways: data.View
    home_address: Signal
    home: data.View
    live: Signal
    done: Signal
    hit: Signal
    found: data.View
    set: Signal
    held: Signal
    held_way: Signal

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "start": In(1),
                "header": In(HEADER),
                "side": In(1),
                "row_address": Out(geometry.row_bits),
                "ways": In(data.ArrayLayout(KEY, geometry.abreast)),
                "home_address": Out(geometry.slot_bits),
                "home": In(geometry.home),
                "live": In(1),
                "done": Out(1),
                "hit": Out(1),
                "found": Out(geometry.found),
                "set": Out(geometry.set_bits),
                "held": Out(1),
                "held_way": Out(range(FLOW_WAYS)),
            }
        )

    @property
    def _second(self) -> int:
        """The cycle in which the first row is asked for in which the receiver's flow may be: its place is known then."""
        return max(self.geometry.rows, READ_CYCLES) + 1

    @property
    def latency_cycles(self) -> int:
        return self._second + self.geometry.rows + MATCH_CYCLES + READ_CYCLES + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry, header = self.geometry, self.header
        rows, low = geometry.rows, geometry.low_bits
        # Cycles since the start: rows are asked for from the first and from the second on, and match some cycles later.
        cycle = Signal(range(self.latency_cycles + 1))
        first_found, second_found = (at + rows + MATCH_CYCLES for at in (1, self._second))
        with m.If(self.start):
            m.d.sync += cycle.eq(1)
        with m.Elif(cycle != 0):
            m.d.sync += cycle.eq(Mux(self.done, 0, cycle + 1))
        m.d.comb += self.done.eq(cycle == self.latency_cycles)

        def during(first: int, after: int = self.latency_cycles + 1, when: ValueLike = 1) -> Signal:
            """From a register, as much hangs on it: it is one of these cycles."""
            now = Signal()
            m.d.sync += now.eq(cycle.matches(*range(first - 1, after - 1)) & when)
            return now

        begun, answered = Signal(NAME), Signal(NAME)
        by_slot, tells = Signal(), Signal()
        m.d.comb += [
            begun.eq(
                Cat(header.kind, header.ids.source, header.ids.destination, header.source_port, header.destination_port)
            ),
            answered.eq(
                Cat(header.kind, header.ids.destination, header.ids.source, header.destination_port, header.source_port)
            ),
            by_slot.eq(header.destination_port[-1]),
            tells.eq(by_slot | (header.kind != FlowKind.ECHO)),
        ]
        answered_set, place = Signal(geometry.set_bits), Signal(geometry.place)
        hashes = [linear(name.as_value(), TURNS, geometry.set_bits) for name in (begun, answered)]
        with m.If(self.start):
            m.d.sync += [self.set.eq(hashes[0]), answered_set.eq(hashes[1])]
        with m.If(cycle == READ_CYCLES):
            m.d.sync += place.eq(self.home.place)
            with m.If(~by_slot):
                m.d.sync += place.set.eq(answered_set)
        row = Signal(range(rows))
        m.d.comb += [
            row.eq(cycle - 1),
            self.row_address.eq(Cat(row, Mux(during(self._second), place.set, self.set))),
        ]

        match, picked = Signal(geometry.abreast), Signal(KEY)
        way, by_place = Signal(range(FLOW_WAYS)), Signal()
        wanted, others = Signal(NAME), during(self._second + READ_CYCLES)
        m.d.comb += [
            by_place.eq(during(self._second + MATCH_CYCLES, when=by_slot)),
            wanted.eq(Mux(others, answered.as_value(), begun.as_value())),
        ]
        self._compare(m, cycle, wanted, self.side ^ others, by_place, place.way, match, picked, way)
        first, second = (Signal(FOUND, reset_less=True, name=name) for name in ("first", "second"))
        answers = Signal()
        first_turn = during(1 + MATCH_CYCLES, first_found)
        second_turn = during(self._second + MATCH_CYCLES, second_found)
        with m.If(self.start):
            m.d.sync += [self.held.eq(0), answers.eq(0)]
        with m.Elif(match.any() & first_turn):
            m.d.sync += [self.held.eq(~header.reply), *_keep(first, picked, way)]
        with m.Elif(match.any() & second_turn):
            m.d.sync += [answers.eq(tells), *_keep(second, picked, way)]

        live, first_closed, answered_live, second_closed = Signal(), Signal(), Signal(), Signal()
        chosen = Signal()
        first_slot, second_slot = (
            Cat(key.field[:low], side) for key, side in ((first, self.side), (second, ~self.side))
        )
        m.d.comb += [
            self.home_address.eq(
                Mux(
                    self.start,
                    Cat(header.destination_port[:low], ~self.side),
                    Mux(during(first_found, first_found + 1), first_slot, second_slot),
                )
            ),
            chosen.eq(answered_live & (by_slot | ~live)),
            self.hit.eq(live | answered_live),
            self.held_way.eq(first.way),
            self.found.begun.eq(~chosen),
            self.found.slot.eq(Mux(chosen, second_slot, first_slot)),
            self.found.place.way.eq(Mux(chosen, second.way, first.way)),
            self.found.place.set.eq(Mux(chosen, place.set, self.set)),
            self.found.initiator_port.eq(Mux(chosen, second.initiator_port, header.source_port)),
            self.found.field.eq(Mux(chosen, second.field, first.field)),
            self.found.mapped.eq(Mux(chosen, second.mapped, first.mapped)),
            self.found.closed.eq(Mux(chosen, second_closed, first_closed)),
        ]
        with m.If(during(first_found + READ_CYCLES, first_found + READ_CYCLES + 1)):
            m.d.sync += [
                live.eq(self.held & self.live & (self.home.place.as_value() == Cat(first.way, self.set))),
                first_closed.eq(self.home.closed),
            ]
        with m.If(during(second_found + READ_CYCLES, second_found + READ_CYCLES + 1)):
            m.d.sync += [
                answered_live.eq(answers & self.live & (self.home.place.as_value() == Cat(second.way, place.set))),
                second_closed.eq(self.home.closed),
            ]
        return m

    def _compare(
        self,
        m: Module,
        cycle: Value,
        wanted: data.View,
        wanted_side: Value,
        by_place: Value,
        place_way: Value,
        match: Value,
        picked: data.View,
        way: Value,
    ) -> None:
        """Which of the ways that there were a cycle ago match what was wanted then, what the one says that does, and which
        it is."""
        geometry, destination = self.geometry, self.header.destination_port
        row, row_before = (Signal(range(geometry.rows), name=name) for name in ("row_there", "row_before"))
        m.d.comb += [row.eq(cycle - 1 - READ_CYCLES), row_before.eq(cycle - 1 - MATCH_CYCLES)]
        ways = Signal(data.ArrayLayout(KEY, geometry.abreast), reset_less=True)
        m.d.sync += ways.eq(self.ways)
        for number in range(geometry.abreast):
            now, this = self.ways[number], Cat(Const(number, geometry.abreast_bits), row)
            same, by_name, there = (Signal(name=f"{what}_{number}") for what in ("same", "by_name", "there"))
            same_port = now.initiator_port == wanted.initiator_port
            m.d.sync += [
                same.eq(
                    Cat(now.kind, now.initiator, now.responder, now.responder_port, now.side)
                    == Cat(wanted.kind, wanted.initiator, wanted.responder, wanted.responder_port, wanted_side)
                ),
                by_name.eq(same_port),
                there.eq(Mux(now.mapped, now.field == destination[:15], same_port) & (place_way == this)),
            ]
            m.d.comb += match[number].eq(same & Mux(by_place, there, by_name))
        gates = [match[number] if geometry.abreast > 1 else 1 for number in range(geometry.abreast)]
        m.d.comb += [
            picked.eq(gated((gate, ways[number].as_value()) for number, gate in enumerate(gates))),
            way.eq(Cat(gated((gate, n) for n, gate in enumerate(gates))[: geometry.abreast_bits], row_before)),
        ]


def _keep(kept: data.View, key: data.View, way: Value) -> list[Any]:
    """What is kept of the way that matches."""
    return [
        kept.way.eq(way),
        kept.initiator_port.eq(key.initiator_port),
        kept.field.eq(key.field),
        kept.mapped.eq(key.mapped),
    ]
