# SPDX-License-Identifier: Apache-2.0
"""Frames of one lane as words in which headers are aligned, and back."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.flow.layouts import WORD
from gateware.stream import FrameSignature

BEFORE = 2
"""So many bytes of the first word are none of the frame's."""


class Assembler(wiring.Component):
    """Makes words of bytes.

    Members:
        i: frames of one lane.
        o: their words.

    Latency 1 cycle after the byte that completes a word; one byte per cycle. Ready goes straight through.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(FrameSignature(1)), "o": Out(stream.Signature(WORD))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = self.i.payload, self.o.payload
        place = Signal(range(4), init=BEFORE)
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full | self.o.ready), self.o.valid.eq(full)]
        with m.If(self.i.ready):
            m.d.sync += full.eq(self.i.valid & (i.last | (place == 3)))
            with m.If(self.i.valid):
                m.d.sync += [o.last.eq(i.last), o.count.eq(place + 1), place.eq(Mux(i.last, BEFORE, place + 1))]
                with m.Switch(place):
                    for at in range(4):
                        with m.Case(at):
                            m.d.sync += o.data[24 - 8 * at : 32 - 8 * at].eq(i.data[0])
        return m


class Disassembler(wiring.Component):
    """Makes bytes of words.

    Members:
        i: words.
        o: frames of one lane.

    Latency 1 cycle; one byte per cycle. Ready goes straight through.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(WORD)), "o": Out(FrameSignature(1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = self.i.payload, self.o.payload
        word, full, at = Signal(WORD), Signal(), Signal(range(4), init=BEFORE)
        ends = Signal()
        m.d.comb += [
            self.o.valid.eq(full),
            ends.eq(at + 1 == word.count),
            o.data[0].eq(Cat(word.data.word_select(3 - number, 8) for number in range(4)).word_select(at, 8)),
            o.keep.eq(1),
            o.last.eq(word.last & ends),
            self.i.ready.eq(~full | (ends & self.o.ready)),
        ]
        with m.If(full & self.o.ready):
            m.d.sync += at.eq(Mux(ends, Mux(word.last, BEFORE, 0), at + 1))
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), word.eq(i)]
        return m
