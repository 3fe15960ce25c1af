# SPDX-License-Identifier: Apache-2.0
"""Finds a place for a new flow."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FLOW_WAYS, PROBES
from custodes.table import Reason
from gateware.control.guarded import guarded
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import CREATION, KEY
from gateware.pick import gated

WORD_BITS = 128
SLOT_CYCLES, WAY_CYCLES = 3, 5
"""Until a home has been looked at: of a slot, and of a way, of which the key is read first."""


class Seeking(enum.Enum, shape=5):
    """What is under way. SEC_CM: FLOW.MODE.GUARDED"""

    REST = 0b00000
    WORD = 0b00111
    SLOT = 0b11001
    WAY = 0b11110


class Allocator(wiring.Component):
    """Takes a word of entropy, then the first free slot of those that it says, then a free way of the flow's set.

    Args:
        geometry: of the table.

    Members:
        start, side, set: for a flow that this side begins, whose name belongs into this set; held until ``done``.
        replaces, replaced: the slot of a flow that counts as free.
        held, held_way: a way of the set that is free or the replaced flow's, if one is known.
        words, live: words of entropy for each side, and whether there will be any.
        row_address, ways; home_address, home, home_live: of the `Table`, which is nobody else's until ``done``.
        done: for one cycle, with ``reason``: FORWARDED, ENTROPY_EMPTY or FLOW_FULL.
        slot, way, word: of the flow, held until the next ``start``; ``reused``: the slot's home says that it is in use.
        fault: a mode register holds no mode. Nothing is ever ``done`` then.

    Latency at least 6 cycles, at most 84 and the time that the word takes. One word is taken for each ``start``, unless it
    is ENTROPY_EMPTY.
    """

    start: Signal
    side: Signal
    set: Signal
    replaces: Signal
    replaced: Signal
    held: Signal
    held_way: Signal
    words: list[stream.Interface]
    live: Signal
    row_address: Signal
    ways: data.View
    home_address: Signal
    home: data.View
    home_live: Signal
    done: Signal
    reason: Signal
    slot: Signal
    way: Signal
    word: data.View
    reused: Signal
    fault: Signal

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "start": In(1),
                "side": In(1),
                "set": In(geometry.set_bits),
                "replaces": In(1),
                "replaced": In(geometry.slot_bits),
                "held": In(1),
                "held_way": In(range(FLOW_WAYS)),
                "words": In(stream.Signature(WORD_BITS)).array(2),
                "live": In(2),
                "row_address": Out(geometry.row_bits),
                "ways": In(data.ArrayLayout(KEY, geometry.abreast)),
                "home_address": Out(geometry.slot_bits),
                "home": In(geometry.home),
                "home_live": In(1),
                "done": Out(1),
                "reason": Out(Reason),
                "slot": Out(geometry.slot_bits),
                "way": Out(range(FLOW_WAYS)),
                "word": Out(CREATION),
                "reused": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state, fault = guarded(Seeking)
        number, waited = Signal(range(FLOW_WAYS)), Signal(range(WAY_CYCLES + 1))
        low = self.geometry.abreast_bits
        key, key_slot = Signal(KEY), Signal(self.geometry.slot_bits)
        slot_free, way_free = Signal(), Signal()
        m.d.comb += [
            self.fault.eq(fault),
            self.row_address.eq(Cat(number[low:], self.set)),
            key_slot.eq(Cat(key.field[: self.geometry.low_bits], key.side)),
            self.home_address.eq(Mux(state == Seeking.WAY, key_slot, self.slot)),
        ]
        m.d.sync += [
            slot_free.eq(~self.home_live | (self.replaces & (self.slot == self.replaced))),
            way_free.eq(
                (key.kind == 0) | ~self.home_live | (self.home.place.way != number) | (self.home.place.set != self.set)
            ),
        ]
        m.d.sync += [self.done.eq(0), waited.eq(waited + 1)]
        m.d.comb += key.eq(gated((number[:low] == at, self.ways[at].as_value()) for at in range(self.geometry.abreast)))
        with m.Switch(state):
            with m.Case(Seeking.REST), m.If(self.start):
                m.d.sync += state.eq(Seeking.WORD)
            with m.Case(Seeking.WORD):
                self._take_word(m, state, number, waited)
            with m.Case(Seeking.SLOT), m.If(waited == SLOT_CYCLES):
                m.d.sync += waited.eq(0)
                with m.If(slot_free):
                    m.d.sync += [self.reused.eq(self.home.used), self.way.eq(self.held_way), number.eq(0)]
                    with m.If(self.held):
                        self._finish(m, state, Reason.FORWARDED)
                    with m.Else():
                        m.d.sync += state.eq(Seeking.WAY)
                with m.Elif(number == PROBES - 1):
                    self._finish(m, state, Reason.FLOW_FULL)
                with m.Else():
                    m.d.sync += [number.eq(number + 1), self.slot[:-1].eq(self.slot[:-1] + 1)]
            with m.Case(Seeking.WAY), m.If(waited == WAY_CYCLES):
                m.d.sync += [waited.eq(0), self.way.eq(number), number.eq(number + 1)]
                with m.If(way_free):
                    self._finish(m, state, Reason.FORWARDED)
                with m.Elif(number == FLOW_WAYS - 1):
                    self._finish(m, state, Reason.FLOW_FULL)
        return m

    def _finish(self, m: Module, state: Any, reason: Reason) -> None:
        m.d.sync += [self.done.eq(1), self.reason.eq(reason), state.eq(Seeking.REST)]

    def _take_word(self, m: Module, state: Any, number: Signal, waited: Signal) -> None:
        live, valid, payload = Signal(), Signal(), Signal(WORD_BITS)
        m.d.comb += [
            live.eq(self.live.bit_select(self.side, 1)),
            valid.eq(Mux(self.side, self.words[1].valid, self.words[0].valid)),
            payload.eq(Mux(self.side, self.words[1].payload, self.words[0].payload)),
        ]
        with m.If(~live):
            self._finish(m, state, Reason.ENTROPY_EMPTY)
        # SEC_CM: FLOW.WORD_ONCE
        with m.Elif(valid):
            m.d.comb += [words.ready.eq(self.side == side) for side, words in enumerate(self.words)]
            m.d.sync += [
                self.word.isn_initiator.eq(_big_endian(payload, 0, 4)),
                self.word.isn_responder.eq(_big_endian(payload, 4, 8)),
                self.word.port.eq(_big_endian(payload, 8, 10)),
                self.word.echo_sequence.eq(_big_endian(payload, 10, 12)),
                self.slot.eq(Cat(_big_endian(payload, 8, 10)[: self.geometry.low_bits], self.side)),
                state.eq(Seeking.SLOT),
                number.eq(0),
                waited.eq(0),
            ]


def _big_endian(word: Value, start: int, stop: int) -> Value:
    """The number that these bytes are, of which the first is in the word's lowest bits."""
    return Cat(word.word_select(at, 8) for at in reversed(range(start, stop)))
