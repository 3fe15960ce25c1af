# SPDX-License-Identifier: Apache-2.0
"""Looks for weights among what passes. SEC_CM: UPLOAD.ONCE"""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import ETHERTYPE, Kind
from gateware.stream import beat_layout

ETHERTYPE_AT = 12
KIND_AT = ETHERTYPE_AT + 2
SOUGHT = (*zip((ETHERTYPE_AT, ETHERTYPE_AT + 1), ETHERTYPE.to_bytes(2), strict=True), (KIND_AT, int(Kind.UPLOAD)))
"""Where in a frame which octets make it one of weights."""


class Watch(wiring.Component):
    """Says so when the kind of a frame has come by, and it is that of weights; whether the frame is good does not matter.

    Args:
        lanes: bytes per beat.

    Members:
        moves, beat: what passes.
        found: one cycle, 2 cycles after the beat.

    Reset: the next beat begins a frame.
    """

    moves: Signal
    beat: Any
    found: Signal

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        layout: data.StructLayout = beat_layout(lanes)
        super().__init__({"moves": In(1), "beat": In(layout), "found": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, last = self.lanes, KIND_AT // self.lanes
        came, beat = Signal(), Signal(beat_layout(lanes), reset_less=True)
        m.d.sync += [came.eq(self.moves), beat.eq(self.beat), self.found.eq(0)]
        number, matches = Signal(range(last + 2)), Signal(init=1)
        here = Signal(init=1)
        with m.Switch(number):
            for at in sorted({place // lanes for place, _ in SOUGHT}):
                sought = [(place % lanes, octet) for place, octet in SOUGHT if place // lanes == at]
                with m.Case(at):
                    m.d.comb += here.eq(
                        Cat(beat.keep[lane] & (beat.data[lane] == octet) for lane, octet in sought).all()
                    )
        with m.If(came):
            m.d.sync += self.found.eq((number == last) & matches & here)
            with m.If(beat.last):
                m.d.sync += [number.eq(0), matches.eq(1)]
            with m.Else():
                m.d.sync += [number.eq(number + (number != last + 1)), matches.eq(matches & here)]
        return m
