# SPDX-License-Identifier: Apache-2.0
"""The SHA-256 of weights, and whether it is the one that was announced."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.entropy.words import turned
from gateware.hash import EngineSignature
from gateware.hash.sha256 import BLOCK_WORDS, STATE_BITS, STATE_WORDS
from gateware.stream import Queue, SkidBuffer
from gateware.upload.weights import OCTET_BITS, OFFSET_BITS, WORD_BITS, hashed_word

WORDS = 32
"""That wait for the engine, which takes a block in a quarter of the time that it needs for it: enough for a block, and for
what comes while one is digested."""
LENGTH_WORDS = 2
ONE = 1 << WORD_BITS - 1


class Digester(wiring.Component):
    """Digests one message, and pads it: FIPS 180-4, 5.1.1.

    Members:
        i: its words.
        ends: all of them have been taken, 2 cycles ago at least; until reset.
        octets: how many it has, once ``ends``.
        expected: its digest, as registers have it: the first byte lowest.
        engine: what digests; asked for when the first word is there, and kept until ``done``.
        done: one cycle, the digest is there. equal: which of its words are as expected.

    Throughput: 16 words in 65 cycles. ``done`` comes up to 146 cycles after the last word. Reset: nothing of a message is
    left here.
    """

    i: stream.Interface
    ends: Signal
    octets: Signal
    expected: Signal
    done: Signal
    equal: Signal
    engine: Any

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(hashed_word())),
                "ends": In(1),
                "octets": In(OFFSET_BITS),
                "expected": In(STATE_BITS),
                "done": Out(1),
                "equal": Out(STATE_WORDS),
                "engine": Out(EngineSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Queue(hashed_word(), WORDS, registers=1)
        m.submodules.slice = slice_ = SkidBuffer(hashed_word())
        engine = self.engine
        wiring.connect(m, wiring.flipped(self.i), slice_.i)
        wiring.connect(m, slice_.o, words.i)
        # Where in a block the next word is, whether any word was given, and whether the bit that follows the message.
        place, begun, marked = Signal(range(BLOCK_WORDS)), Signal(), Signal()
        offered, word, empty = Signal(), Signal(WORD_BITS), Signal()
        moves = offered & engine.i.ready
        length = Cat(Const(0, 3), self.octets, Const(0, LENGTH_WORDS * WORD_BITS - OFFSET_BITS - 3))
        m.d.comb += [
            engine.use.eq(words.o.valid | begun),
            engine.i.valid.eq(offered),
            engine.i.payload.word.eq(word),
            engine.i.payload.first.eq(~begun),
        ]
        m.d.sync += empty.eq((words.level == 0) & ~words.o.valid & ~words.i.valid & slice_.i.ready)
        with m.If(moves):
            m.d.sync += [place.eq(place + 1), begun.eq(1)]
        with m.FSM():
            with m.State("WORDS"):
                m.d.comb += [
                    offered.eq(words.o.valid),
                    word.eq(_marked(words.o.payload)),
                    words.o.ready.eq(engine.i.ready),
                ]
                with m.If(moves):
                    m.d.sync += marked.eq(words.o.payload.octets != WORD_BITS // OCTET_BITS)
                with m.Elif(self.ends & empty):
                    m.next = "ONE"
            with m.State("ONE"):
                m.d.comb += [offered.eq(~marked), word.eq(ONE)]
                with m.If(marked | moves):
                    m.next = "ZEROS"
            with m.State("ZEROS"):
                with m.If(place == BLOCK_WORDS - LENGTH_WORDS):
                    m.next = "HIGH"
                with m.Else():
                    m.d.comb += offered.eq(1)
            with m.State("HIGH"):
                m.d.comb += [offered.eq(1), word.eq(length[WORD_BITS:])]
                with m.If(moves):
                    m.next = "LOW"
            with m.State("LOW"):
                m.d.comb += [offered.eq(1), word.eq(length[:WORD_BITS])]
                with m.If(moves):
                    m.next = "DIGEST"
            with m.State("DIGEST"), m.If(~engine.busy):
                m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.comb += self.done.eq(1)
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += engine.use.eq(0)
        m.d.sync += [
            self.equal[at].eq(
                turned(engine.state.word_select(STATE_WORDS - 1 - at, WORD_BITS))
                == self.expected.word_select(at, WORD_BITS)
            )
            for at in range(STATE_WORDS)
        ]
        return m


def _marked(hashed: Any) -> Value:
    """The word; behind its last octet, if that is not its fourth, a bit that is set, and zeros."""
    word, octets = hashed.word, hashed.octets
    found: Value = word
    for count in range(1, WORD_BITS // OCTET_BITS):
        kept = word[WORD_BITS - OCTET_BITS * count :]
        mark = Const(ONE >> OCTET_BITS * count, WORD_BITS - OCTET_BITS * count)
        found = Mux(octets == count, Cat(mark, kept), found)
    return found
