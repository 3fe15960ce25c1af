# SPDX-License-Identifier: Apache-2.0
"""Results of the engine, until the frames that they are of have left."""

from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.flow.layouts import RESULTS, VERDICT, Place
from gateware.session.memories import DISTRIBUTED

WORDS = data.ArrayLayout(32, len(Place))


class Results(wiring.Component):
    """Two results: one that is in use, and the next.

    Members:
        i: results. o: their verdicts.
        place, word: one of the words of the verdict that is there, read without delay.

    Latency 2 cycles; there is one between two results.
    """

    i: Any
    o: stream.Interface
    place: Any
    word: Signal

    def __init__(self) -> None:
        super().__init__({"i": In(RESULTS), "o": Out(stream.Signature(VERDICT)), "place": In(Place), "word": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        _pass_verdicts(m, self.i, self.o)
        m.submodules.words = words = Memory(
            shape=32, depth=2 << len(Value.cast(self.place)), init=[], attrs=DISTRIBUTED
        )
        write, read = words.write_port(), words.read_port(domain="comb")
        comes, leaves = Signal(), Signal()
        with m.If(self.i.valid):
            m.d.sync += comes.eq(~comes)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += leaves.eq(~leaves)
        m.d.comb += [
            write.en.eq(self.i.write),
            write.addr.eq(Cat(self.i.place, comes)),
            write.data.eq(self.i.word),
            read.addr.eq(Cat(self.place, leaves)),
            self.word.eq(read.data),
        ]
        return m


class WholeResults(wiring.Component):
    """Two results of which all words are there at once: one that is in use, and the next.

    Members:
        i: results. o: their verdicts.
        words: of the verdict that is there, by their `Place`.

    Latency 2 cycles; there is one between two results.
    """

    i: Any
    o: stream.Interface
    words: data.View

    def __init__(self) -> None:
        super().__init__({"i": In(RESULTS), "o": Out(stream.Signature(VERDICT)), "words": Out(WORDS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        following, words = Signal(WORDS, reset_less=True), Signal(WORDS, reset_less=True)
        takes = _pass_verdicts(m, self.i, self.o)
        with m.If(self.i.write):
            m.d.sync += following[Value.cast(self.i.place)].eq(self.i.word)
        with m.If(takes):
            m.d.sync += words.eq(following)
        m.d.comb += self.words.eq(words)
        return m


def _pass_verdicts(m: Module, i: Any, o: stream.Interface) -> Value:
    """Whether the next verdict takes the place of that which is there."""
    waits, following = Signal(), Signal(VERDICT, reset_less=True)
    m.d.comb += i.room.eq(~((waits & o.valid) | (i.valid & (waits | o.valid))))
    with m.If(~o.valid):
        m.d.sync += [o.valid.eq(waits), o.payload.eq(following), waits.eq(0)]
    with m.Elif(o.ready):
        m.d.sync += o.valid.eq(0)
    with m.If(i.valid):
        m.d.sync += [following.eq(i.verdict), waits.eq(1)]
    return ~o.valid
