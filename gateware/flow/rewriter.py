# SPDX-License-Identifier: Apache-2.0
"""Puts translated words in the place of a frame's own."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FlowKind
from gateware.flow.layouts import RESULT, WORD
from gateware.flow.parser import TCP_WORDS, WINDOW_SCALE
from gateware.pick import gated

LINK_WORDS, IPV4_WORDS, IPV6_WORDS, ERROR_WORDS = 4, 5, 10, 2
SYN_WORDS = 3
"""Of options that a SYN can have."""
FAR = 48
"""More words than there are before the last that can change."""


def transport_word(result: data.View) -> Value:
    """At which word of the frame its transport header begins."""
    return LINK_WORDS + IPV4_WORDS + Mux(result.ipv6, IPV6_WORDS - IPV4_WORDS, 0) + result.tagged


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


def choose_edits(m: Module, result: data.View, number: Value, edits: data.View) -> None:
    """Drives ``edits`` for the word that has this number, modulo 64, from the first of the transport header on. Whether one
    of TCP options is the window scale is seen when it is edited."""
    quoted = Signal(6)
    m.d.comb += quoted.eq(number - Mux(result.ipv6, ERROR_WORDS + IPV6_WORDS, ERROR_WORDS + IPV4_WORDS))
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
            edits.scale.eq(tcp & result.scaled & (number >= TCP_WORDS) & (number < TCP_WORDS + SYN_WORDS)),
            edits.edge.eq(tcp & (number > TCP_WORDS) & (number <= TCP_WORDS + result.edges)),
        ]


def edited_word(edits: data.View, result: data.View, window_scale: Value, word: Value, difference: Value) -> Value:
    """What leaves in the place of ``word``; ``difference`` is the word less the ``delta`` of SACK edges."""
    whole = edits.first | edits.second | edits.third | edits.edge
    high, low = word[16:], word[:16]
    is_scale = edits.scale & (high == WINDOW_SCALE)
    replaced = gated(
        (
            (edits.first, result.first),
            (edits.second, result.second),
            (edits.third, result.third),
            (edits.edge, difference),
        )
    )
    return replaced | Cat(
        gated(
            (
                (edits.window, result.window),
                (edits.checksum_low, result.checksum),
                (~(whole | edits.window | edits.checksum_low), Cat(Mux(is_scale, window_scale, low[:4]), low[4:])),
            )
        ),
        gated(((edits.checksum_high, result.checksum), (~(whole | edits.checksum_high), high))),
    )


class WordRewriter(wiring.Component):
    """Lets a frame go as it was decided, word by word, or throws it away.

    Members:
        i: words of frames.
        result: one per frame, held until its last word.
        window_scale: that leaves, where one is offered.
        o: words of frames.
        dropped: a frame has been thrown away.

    Latency 3 cycles; one word in 2 cycles. Ready goes straight through.
    """

    i: stream.Interface
    result: stream.Interface
    window_scale: Signal
    o: stream.Interface
    dropped: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(WORD)),
                "result": In(stream.Signature(RESULT)),
                "window_scale": In(4),
                "o": Out(stream.Signature(WORD)),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        result = self.result.payload
        word, full = Signal(WORD), Signal()
        at, number = Signal(range(FAR + 1)), Signal(range(FAR + 1))
        room, leaves = Signal(), Signal()
        # What is to be done with a word is found out in the cycle before it is done: words have four.
        wanted, chosen, settled, difference = Signal(EDITS), Signal(EDITS), Signal(), Signal(32)
        choose_edits(m, result, (number - transport_word(result))[:6], wanted)
        m.d.sync += [
            chosen.eq(wanted),
            difference.eq(word.data - result.delta),
            settled.eq(full & self.result.valid & ~leaves),
        ]
        m.d.comb += [
            room.eq(~self.o.valid | self.o.ready),
            # SEC_CM: FLOW.VERDICT_FIRST
            leaves.eq(settled & (room | ~result.forward)),
            self.i.ready.eq(~full | leaves),
            self.result.ready.eq(leaves & word.last),
            self.dropped.eq(self.result.ready & ~result.forward),
        ]
        with m.If(self.i.ready):
            m.d.sync += full.eq(self.i.valid)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(self.i.payload), number.eq(at), at.eq(Mux(self.i.payload.last, 0, at + (at != FAR)))]
        with m.If(room):
            m.d.sync += [
                self.o.valid.eq(settled & result.forward),
                self.o.payload.eq(word),
                self.o.payload.data.eq(edited_word(chosen, result, self.window_scale, word.data, difference)),
            ]
        return m
