# SPDX-License-Identifier: Apache-2.0
"""The flow table: all that is kept of flows, in block RAM."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import CLOSED_TICKS, FLOW_WAYS, UNUSED_TICKS
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import KEY, STAMP_BITS, STATE
from gateware.flow.memory import Rows


class Table(wiring.Component):
    """Three memories: the sets of the hash table, which hold the keys of flows, and by slot the homes and the states.

    A way of a set is in use if it holds a key, and the home of the slot that it names is in use and names it: so a flow is
    freed by a write to its home.

    Args:
        geometry: how large it is.

    Members:
        set_address, ways; home_address, home; state_address, state: what is read, 2 cycles later. ``live`` says whether the
            flow of this home has not expired at tick ``now``.
        key_write, key_place, key; home_write, home_slot, home_row; state_write, state_slot, state_row: what is replaced, a
            cycle later; not to be read then.
    """

    set_address: Signal
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
                "set_address": In(geometry.set_bits),
                "ways": Out(data.ArrayLayout(KEY, FLOW_WAYS)),
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
                "state_write": In(1),
                "state_slot": In(geometry.slot_bits),
                "state_row": In(STATE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        key_write, key_place, key = Signal(), Signal(self.geometry.place), Signal(KEY, reset_less=True)
        m.d.sync += [key_write.eq(self.key_write), key_place.eq(self.key_place), key.eq(self.key)]
        for way in range(FLOW_WAYS):
            m.submodules[f"keys_{way}"] = keys = Rows(KEY, self.geometry.sets)
            m.d.comb += [
                keys.address.eq(self.set_address),
                self.ways[way].eq(keys.o),
                keys.write.eq(key_write & (key_place.way == way)),
                keys.write_address.eq(key_place.set),
                keys.write_row.eq(key),
            ]
        m.submodules.homes = homes = Rows(self.geometry.home, self.geometry.flows)
        m.submodules.states = states = Rows(STATE, self.geometry.flows)
        age = Signal(STAMP_BITS)
        m.d.comb += [
            homes.address.eq(self.home_address),
            self.home.eq(homes.o),
            age.eq(self.now - self.home.stamp),
            self.live.eq(self.home.used & (age < UNUSED_TICKS) & ~(self.home.closed & (age >= CLOSED_TICKS))),
            states.address.eq(self.state_address),
            self.state.eq(states.o),
        ]
        for rows, write, slot, row in (
            (homes, self.home_write, self.home_slot, self.home_row),
            (states, self.state_write, self.state_slot, self.state_row),
        ):
            m.d.sync += [rows.write.eq(write), rows.write_address.eq(slot), rows.write_row.eq(row)]
        return m
