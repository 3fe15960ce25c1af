# SPDX-License-Identifier: Apache-2.0
"""Internet checksums of headers of which some words have changed (RFC 1624)."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.sums import fold

LATENCY_CYCLES = 4
MAX_WORDS = 6
"""That are added before, and as many after."""
SUM_BITS = 20
"""Of a sum of so many words, each of which is two halves."""
NOTHING = (1 << SUM_BITS) % 0xFFFF - 1
"""What a sum begins with: the complement in so many bits of that and a sum is a multiple of 65535 less the sum."""


class ChecksumUpdate(wiring.Component):
    """The checksum after words have been replaced, which come in turn.

    The sum, of which the checksum is the complement, grows by the new words less the old, modulo 65535. It is not 0, as what
    the old are taken from is more than they are: so the checksum is not 65535, but of UDP, where that stands for 0.

    Members:
        start: for one cycle, before the first word.
        add, word: one of up to six words that came, the checksum among them, and then of those that leave.
        turn: for one cycle, between them: 2 cycles after the last that came, and no later than the first that leaves.
        udp: it is one of UDP.
        o: the checksum, 4 cycles after the last word.
    """

    start: Signal
    add: Signal
    word: Signal
    turn: Signal
    udp: Signal
    o: Signal

    def __init__(self) -> None:
        super().__init__({"start": In(1), "add": In(1), "word": In(32), "turn": In(1), "udp": In(1), "o": Out(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        term, total = Signal(17, reset_less=True), Signal(SUM_BITS + 1, reset_less=True)
        m.d.sync += [term.eq(Mux(self.add, fold(self.word), 0)), total.eq(total + term)]
        with m.If(self.turn):
            m.d.sync += total.eq(~total[:SUM_BITS])
        with m.If(self.start):
            m.d.sync += total.eq(NOTHING)
        # Twice what is above 16 bits comes back below.
        folded, inverse = Signal(17, reset_less=True), Signal(16)
        m.d.sync += folded.eq(fold(total))
        m.d.comb += inverse.eq(~fold(folded))
        m.d.sync += self.o.eq(Mux(self.udp & (inverse == 0), 0xFFFF, inverse))
        return m
