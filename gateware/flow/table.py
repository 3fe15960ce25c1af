# SPDX-License-Identifier: Apache-2.0
"""The flow table: all that is kept of flows, in block RAM."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import CLOSED_TICKS, UNUSED_TICKS
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import END, KEY, STAMP_BITS, STATE
from gateware.flow.memory import Rows


class Table(wiring.Component):
    """Memories: the sets of the hash table, which hold the keys of flows, and by slot homes and both ends' states.

    The ways that are read at once are in memories of their own. A way of a set is in use if it holds a key, and the home of
    the slot that it names is in use and names it: so a flow is freed by a write to its home.

    Args:
        geometry: how large it is.

    Members:
        row_address, ways; home_address, home; state_address, state: what is read, 2 cycles later. ``live`` says whether the
            flow of this home has not expired at tick ``now``.
        key_write, key_place, key: what is replaced; not to be read then. home_write, home_slot, home_row: likewise, a cycle
            later, as several write. state_write, state_slot, state_row: likewise, of the initiator's end, or the
            responder's.
    """

    row_address: Signal
    ways: data.View
    home_address: Signal
    home: data.View
    live: Signal
    state_address: Signal
    state: data.View
    now: Signal
    key_write: Signal
    key_place: data.View
    key: data.View
    home_write: Signal
    home_slot: Signal
    home_row: data.View
    state_write: Signal
    state_slot: Signal
    state_row: data.View

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "row_address": In(geometry.row_bits),
                "ways": Out(data.ArrayLayout(KEY, geometry.abreast)),
                "home_address": In(geometry.slot_bits),
                "home": Out(geometry.home),
                "live": Out(1),
                "state_address": In(geometry.slot_bits),
                "state": Out(STATE),
                "now": In(STAMP_BITS),
                "key_write": In(1),
                "key_place": In(geometry.place),
                "key": In(KEY),
                "home_write": In(1),
                "home_slot": In(geometry.slot_bits),
                "home_row": In(geometry.home),
                "state_write": In(2),
                "state_slot": In(geometry.slot_bits),
                "state_row": In(END),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low, place = self.geometry.abreast_bits, self.key_place
        for number in range(self.geometry.abreast):
            m.submodules[f"keys_{number}"] = keys = Rows(KEY, self.geometry.sets * self.geometry.rows)
            m.d.comb += [
                keys.address.eq(self.row_address),
                self.ways[number].eq(keys.o),
                keys.write.eq(self.key_write & (place.way[:low] == number)),
                keys.write_address.eq(Cat(place.way[low:], place.set)),
                keys.write_row.eq(self.key),
            ]
        m.submodules.homes = homes = Rows(self.geometry.home, self.geometry.flows)
        age = Signal(STAMP_BITS)
        m.d.comb += [
            homes.address.eq(self.home_address),
            self.home.eq(homes.o),
            age.eq(self.now - self.home.stamp),
            self.live.eq(self.home.used & (age < UNUSED_TICKS) & ~(self.home.closed & (age >= CLOSED_TICKS))),
        ]
        m.d.sync += [
            homes.write.eq(self.home_write),
            homes.write_address.eq(self.home_slot),
            homes.write_row.eq(self.home_row),
        ]
        for number, end in enumerate((self.state.initiator, self.state.responder)):
            m.submodules[f"states_{number}"] = states = Rows(END, self.geometry.flows)
            m.d.comb += [
                states.address.eq(self.state_address),
                end.eq(states.o),
                states.write.eq(self.state_write[number]),
                states.write_address.eq(self.state_slot),
                states.write_row.eq(self.state_row),
            ]
        return m
