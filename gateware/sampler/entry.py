# SPDX-License-Identifier: Apache-2.0
"""The words of a segment in a transcript."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import WORD_BYTES
from gateware.sampler.decision import ENTRY_WORDS, verdict_layout
from gateware.sampler.layouts import LENGTH_BITS, PIECE_LANES, WORD_BITS, segment_layout

OUTPUT_BIT = WORD_BITS - 1


class Entry(wiring.Component):
    """Writes an entry while its frame passes.

    Args:
        slots, slot_bytes: see `Sampler`.

    Members:
        verdict, segment, server: of the frame, from ``begin`` on; ``appends`` that there is an entry at all.
        begin: the first word is written; the second in the cycle after it.
        fresh, packet: words of the packet from the end of a TCP header without options on, the first 2 cycles after
            ``begin`` at the earliest. ``flush``: it is only half of one.
        keep: of the frame's last word, a cycle earlier than ``flush``.
        short: in the cycle of ``flush``, that the frame has fewer octets than it says.
        erase: in one cycle that zeros are to be written instead; from then on ``erasing``.
        write, at, word: of the slot.
    """

    verdict: data.View
    segment: data.View
    server: Signal
    begin: Signal
    fresh: Signal
    flush: Signal
    packet: Signal
    keep: Signal
    short: Signal
    erase: Signal
    erasing: Signal
    write: Signal
    at: Signal
    word: Signal

    def __init__(self, slots: int, slot_bytes: int) -> None:
        super().__init__(
            {
                "verdict": In(verdict_layout(slots, slot_bytes)),
                "segment": In(segment_layout()),
                "server": In(1),
                "begin": In(1),
                "fresh": In(1),
                "flush": In(1),
                "packet": In(WORD_BITS),
                "keep": In(PIECE_LANES),
                "short": Out(1),
                "erase": In(1),
                "erasing": Out(1),
                "write": Out(1),
                "at": Out(range(slot_bytes // WORD_BYTES)),
                "word": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        verdict, segment = self.verdict, self.segment
        second, at, left, skip = Signal(), Signal.like(self.at), Signal.like(verdict.needs), Signal(4)
        # Octets of the packet that have not come; fewer than none where a frame has zeros behind it.
        rest, final, ends = Signal(signed(LENGTH_BITS + 1)), Signal(2), Signal()
        # Octets of the last word that are not in the word of the packet with which it came, or one too few in that.
        spare = self.keep[1] + self.keep[2] + self.keep[3] - 1
        m.d.sync += self.short.eq(rest > spare + Mux(self.fresh, WORD_BYTES, 0))
        m.d.comb += [
            self.at.eq(Mux(self.begin, verdict.base, at)),
            ends.eq(left == 1),
            # The first octet is the highest.
            self.word.eq(
                Cat(
                    Mux(ends & final.any() & (final < PIECE_LANES - lane), 0, self.packet[8 * lane : 8 * lane + 8])
                    for lane in range(PIECE_LANES)
                )
            ),
        ]
        m.d.sync += [second.eq(self.begin & verdict.appends), final.eq(segment.length[:2])]
        with m.If(self.begin):
            m.d.comb += [self.word.eq(segment.length | (self.server << OUTPUT_BIT)), self.write.eq(verdict.appends)]
            m.d.sync += [
                left.eq(Mux(verdict.appends, verdict.needs - ENTRY_WORDS, 0)),
                skip.eq(segment.skip),
                rest.eq(segment.rest),
            ]
        with m.Elif(second):
            m.d.comb += [self.word.eq(segment.sequence), self.write.eq(1)]
        with m.Elif(self.erasing):
            m.d.comb += [self.word.eq(0), self.write.eq(1)]
            m.d.sync += [left.eq(left - 1), self.erasing.eq(~ends)]
        with m.Elif(self.fresh):
            with m.If(skip.any()):
                m.d.sync += skip.eq(skip - 1)
            with m.Elif(left.any()):
                m.d.comb += self.write.eq(1)
                m.d.sync += left.eq(left - 1)
            with m.If(~self.flush):
                m.d.sync += rest.eq(rest - WORD_BYTES)
        with m.If(self.write):
            m.d.sync += at.eq(self.at + 1)
        with m.If(self.erase):
            m.d.sync += [at.eq(verdict.base), left.eq(verdict.needs), self.erasing.eq(1)]
        return m
