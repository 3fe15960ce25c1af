# SPDX-License-Identifier: Apache-2.0
"""Puts translated words in the place of a frame's own."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FlowKind
from gateware.flow.layouts import MAX_EDGES, VERDICT, WORD, Place
from gateware.flow.parser import TCP_WORDS, WINDOW_SCALE
from gateware.pick import among, gated

LINK_WORDS, IPV4_WORDS, IPV6_WORDS, ERROR_WORDS = 4, 5, 10, 2
SYN_WORDS = 3
"""Of options that a SYN can have."""
FAR = 48
"""More words than there are before the last that can change."""


def transport_word(result: data.View) -> Value:
    """At which word of the frame its transport header begins."""
    return LINK_WORDS + IPV4_WORDS + Mux(result.ipv6, IPV6_WORDS - IPV4_WORDS, 0) + result.tagged


def quoted_word(result: data.View) -> Value:
    """At which word after that one begins the transport header that an ICMP error quotes."""
    return ERROR_WORDS + Mux(result.ipv6, IPV6_WORDS, IPV4_WORDS)


EDITS = data.StructLayout(
    {
        "first": 1,
        "second": 1,
        "third": 1,
        "window": 1,
        "checksum_high": 1,
        "checksum_low": 1,
        "scale": 1,
        "edge": 1,
    }
)
"""What is put in the place of a word, or of half of it: at most one of these."""


def choose_edits(m: Module, result: data.View, number: Value, quoted: Value, edits: data.View) -> None:
    """Drives ``edits`` for the word that has this number, modulo 64, from the first of the transport header on, and of that
    which an ICMP error quotes. Whether one of TCP options is the window scale is seen when it is edited."""
    tcp, udp, echo = (result.kind == kind for kind in (FlowKind.TCP, FlowKind.UDP, FlowKind.ECHO))
    with m.If(result.error):
        m.d.comb += [
            edits.checksum_low.eq(number == 0),
            edits.first.eq(quoted == echo),
            edits.second.eq(tcp & (quoted == 1)),
        ]
    with m.Else():
        m.d.comb += [
            edits.first.eq(((tcp | udp) & (number == 0)) | (echo & (number == 1))),
            edits.second.eq(tcp & (number == 1)),
            edits.third.eq(tcp & (number == 2)),
            edits.window.eq(tcp & (number == 3)),
            edits.checksum_high.eq(tcp & (number == 4)),
            edits.checksum_low.eq((echo & (number == 0)) | (udp & (number == 1))),
            edits.scale.eq(tcp & result.scaled & among(number, range(TCP_WORDS, TCP_WORDS + SYN_WORDS))),
            edits.edge.eq(
                tcp & Cat((number == at + TCP_WORDS) & (result.edges >= at) for at in range(1, MAX_EDGES + 1)).any()
            ),
        ]


class WordRewriter(wiring.Component):
    """Lets a frame go as it was decided, word by word, or throws it away.

    Members:
        i: words of frames.
        result: one per frame, held until its last word. place, replacement: of its words, read without delay.
        window_scale: that leaves, where one is offered.
        o: words of frames.
        dropped: a frame has been thrown away.

    Latency 3 cycles, and of the first word 2 after its result; one word in 2 cycles. Ready comes from registers.
    """

    i: stream.Interface
    result: stream.Interface
    place: Any
    replacement: Signal
    window_scale: Signal
    o: stream.Interface
    dropped: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(WORD)),
                "result": In(stream.Signature(VERDICT)),
                "place": Out(Place),
                "replacement": In(32),
                "window_scale": In(4),
                "o": Out(stream.Signature(WORD)),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        result = self.result.payload
        word, full = Signal(WORD, reset_less=True), Signal()
        at, number = Signal(range(FAR + 1)), Signal(range(FAR + 1))
        room, leaves, settled = Signal(), Signal(), Signal()
        # What is to be done with a word is found out in the cycle before it is done: words have four.
        wanted, whole = Signal(EDITS), Signal()
        high, low, scale, edge = Signal(), Signal(), Signal(), Signal()
        begins, quotes, known = Signal(6), Signal(6), Signal()
        m.d.sync += [
            begins.eq(transport_word(result)),
            quotes.eq(transport_word(result) + quoted_word(result)),
            known.eq(self.result.valid & ~self.result.ready),
        ]
        choose_edits(m, result, (number - begins)[:6], (number - quotes)[:6], wanted)
        places = {
            Place.SECOND: wanted.second,
            Place.THIRD: wanted.third,
            Place.WINDOW: wanted.window,
            Place.CHECKSUM: wanted.checksum_high | wanted.checksum_low,
            Place.DELTA: wanted.edge,
        }
        m.d.sync += [
            Value.cast(self.place).eq(gated((gate, place.value) for place, gate in places.items())),
            high.eq(whole | wanted.checksum_high),
            low.eq(whole | wanted.checksum_low | wanted.window),
            scale.eq(wanted.scale),
            edge.eq(wanted.edge),
            settled.eq(full & known & ~leaves),
        ]
        m.d.comb += [
            whole.eq(wanted.first | wanted.second | wanted.third | wanted.edge),
            # A word waits for the next to leave: so what comes behind is held back by nothing but this register.
            room.eq(~self.o.valid),
            # SEC_CM: FLOW.VERDICT_FIRST
            leaves.eq(settled & (room | ~result.forward)),
            self.i.ready.eq(~full | leaves),
            self.result.ready.eq(leaves & word.last),
            self.dropped.eq(self.result.ready & ~result.forward),
        ]
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), word.eq(self.i.payload), number.eq(at)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += at.eq(Mux(self.i.payload.last, 0, at + (at != FAR)))
        replaced = Mux(edge, word.data - self.replacement, self.replacement)
        is_scale = scale & (word.data[16:] == WINDOW_SCALE)
        own = Cat(Mux(is_scale, self.window_scale, word.data[:4]), word.data[4:])
        with m.If(room):
            m.d.sync += [
                self.o.valid.eq(settled & result.forward),
                self.o.payload.eq(word),
                self.o.payload.data.eq(Cat(Mux(low, replaced[:16], own[:16]), Mux(high, replaced[16:], own[16:]))),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
