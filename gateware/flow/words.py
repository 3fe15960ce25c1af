# SPDX-License-Identifier: Apache-2.0
"""Frames of one lane as words in which headers are aligned, and back."""

from amaranth import Cat, Const, Module, Mux, Signal
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
        rest, left, last = Signal(32), Signal(range(5)), Signal()
        first = Signal(init=1)
        m.d.comb += [
            self.o.valid.eq(left != 0),
            o.data[0].eq(rest[24:]),
            o.keep.eq(1),
            o.last.eq(last & (left == 1)),
            self.i.ready.eq((left == 0) | ((left == 1) & self.o.ready)),
        ]
        with m.If(self.o.ready & self.o.valid):
            m.d.sync += [rest.eq(Cat(Const(0, 8), rest)), left.eq(left - 1)]
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                rest.eq(Mux(first, i.data << 8 * BEFORE, i.data)),
                left.eq(Mux(first, i.count - BEFORE, i.count)),
                last.eq(i.last),
                first.eq(i.last),
            ]
        return m
