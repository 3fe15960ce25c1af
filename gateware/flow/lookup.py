# SPDX-License-Identifier: Apache-2.0
"""Finds the flow of a frame."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
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
LATENCY_CYCLES = 11


class Lookup(wiring.Component):
    """Asks for the flow that the sender began, and for that of which the receiver's port says that the receiver began it: by
    its slot if the port is mapped, else by name.

    Args:
        geometry: of the table.

    Members:
        start, header, side: a frame, and where it comes from; held until ``done``.
        set_address, ways; home_address, home, live: of the `Table`, which is nobody else's until ``done``.
        done: the answer is there, and stays until the next ``start``.
        hit, found: whether there is a flow, and which.
        set: of the hash table, for a flow that the sender begins.
        held, held_way: whether there is a way with that name, in use or not.

    Latency 11 cycles.
    """

    start: Signal
    header: data.View
    side: Signal
    set_address: Signal
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
                "set_address": Out(geometry.set_bits),
                "ways": In(data.ArrayLayout(KEY, FLOW_WAYS)),
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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry, header = self.geometry, self.header
        passed = Signal(LATENCY_CYCLES)
        step = Cat(self.start, passed)
        m.d.sync += passed.eq(step)
        m.d.comb += self.done.eq(passed[-1])

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
        with m.If(step[0]):
            m.d.sync += [self.set.eq(hashes[0]), answered_set.eq(hashes[1])]
        with m.If(step[2]):
            m.d.sync += place.eq(self.home.place)
            with m.If(~by_slot):
                m.d.sync += place.set.eq(answered_set)
        m.d.comb += self.set_address.eq(Mux(step[1], self.set, place.set))

        wanted, wanted_side = Signal(NAME), Signal()
        m.d.sync += [
            wanted.eq(Mux(step[2], begun.as_value(), answered.as_value())),
            wanted_side.eq(self.side ^ ~step[2]),
        ]
        picked, match = Signal(geometry.found), Signal(FLOW_WAYS)
        by_place = by_slot & ~step[4]
        self._compare(m, wanted, wanted_side, by_place, place.way, match, picked)
        first, second = (Signal(geometry.found, reset_less=True, name=name) for name in ("first", "second"))
        answers, live, first_closed = Signal(), Signal(), Signal()
        with m.If(step[4]):
            m.d.sync += [first.eq(picked), first.begun.eq(1), first.place.set.eq(self.set)]
            m.d.sync += [self.held.eq(match.any() & ~header.reply), self.held_way.eq(picked.place.way)]
        with m.If(step[6]):
            m.d.sync += [second.eq(picked), second.place.set.eq(place.set), answers.eq(match.any() & tells)]
        with m.If(step[7]):
            m.d.sync += [
                live.eq(self.held & self.live & (self.home.place == first.place)),
                first_closed.eq(self.home.closed),
            ]
        m.d.comb += self.home_address.eq(
            Mux(
                step[0],
                Cat(header.destination_port[: geometry.low_bits], ~self.side),
                Mux(step[5], first.slot, second.slot),
            )
        )
        answered_live, chosen, second_closed = Signal(), Signal(), Signal()
        with m.If(step[9]):
            m.d.sync += [
                answered_live.eq(answers & self.live & (self.home.place == second.place)),
                second_closed.eq(self.home.closed),
            ]
        m.d.comb += chosen.eq(answered_live & (by_slot | ~live))
        with m.If(step[10]):
            m.d.sync += [
                self.hit.eq(live | answered_live),
                self.found.eq(Mux(chosen, second.as_value(), first.as_value())),
                self.found.closed.eq(Mux(chosen, second_closed, first_closed)),
            ]
        return m

    def _compare(
        self,
        m: Module,
        wanted: data.View,
        wanted_side: Value,
        by_place: Value,
        place_way: Value,
        match: Value,
        picked: data.View,
    ) -> None:
        """Which of the ways that there were a cycle ago match what was wanted then, and what the one says that does."""
        low, destination = self.geometry.low_bits, self.header.destination_port
        ways = Signal(data.ArrayLayout(KEY, FLOW_WAYS), reset_less=True)
        m.d.sync += ways.eq(self.ways)
        for number in range(FLOW_WAYS):
            now = self.ways[number]
            same, by_name, there = (Signal(name=f"{what}_{number}") for what in ("same", "by_name", "there"))
            same_port = now.initiator_port == wanted.initiator_port
            m.d.sync += [
                same.eq(
                    Cat(now.kind, now.initiator, now.responder, now.responder_port, now.side)
                    == Cat(wanted.kind, wanted.initiator, wanted.responder, wanted.responder_port, wanted_side)
                ),
                by_name.eq(same_port),
                there.eq(Mux(now.mapped, now.field == destination[:15], same_port) & (place_way == number)),
            ]
            m.d.comb += match[number].eq(same & Mux(by_place, there, by_name))
        key = Signal(KEY)
        m.d.comb += [
            key.eq(gated((match[n], ways[n].as_value()) for n in range(FLOW_WAYS))),
            picked.field.eq(key.field),
            picked.mapped.eq(key.mapped),
            picked.initiator_port.eq(key.initiator_port),
            picked.slot.eq(Cat(key.field[:low], key.side)),
            picked.place.way.eq(gated((match[n], n) for n in range(FLOW_WAYS))),
        ]
