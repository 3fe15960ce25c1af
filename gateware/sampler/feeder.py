# SPDX-License-Identifier: Apache-2.0
"""SHA-256 of messages that come in words."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.hash import EngineSignature
from gateware.hash.sha256 import BLOCK_WORDS, STATE_BITS, WORD_BITS
from gateware.stream import Queue

LENGTH_AT = BLOCK_WORDS - 1
COUNT_BITS = 16
"""Of the words of a message."""
MESSAGE_WORD = data.StructLayout({"word": WORD_BITS, "last": 1})


class Feeder(wiring.Component):
    """Pads messages.

    Members:
        i: words of a message, fewer than 2^16; they wait in a queue of a block, so that a word in four cycles is enough.
        digest, ready: of the last message, until the next begins.
        needed: a message is under way, or its digest is still to be read: the engine is asked for, and kept.
        engine: what digests.

    A block takes 65 cycles. Standard: FIPS 180-4, 5.1.1. Reset forgets a message that is under way here;
    the engine is to be cleared with it.
    """

    i: stream.Interface
    digest: Signal
    ready: Signal
    needed: Signal
    engine: Any

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(MESSAGE_WORD)),
                "digest": Out(STATE_BITS),
                "ready": Out(1),
                "needed": In(1),
                "engine": Out(EngineSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Queue(MESSAGE_WORD, BLOCK_WORDS, registers=1)
        engine = self.engine
        wiring.connect(m, wiring.flipped(self.i), words.i)
        # The words of a message; then a bit that is set, zeros, and the length, in its block or the next.
        under_way, first, pads, marked, due = Signal(), Signal(init=1), Signal(), Signal(), Signal()
        place, count = Signal(range(BLOCK_WORDS)), Signal(COUNT_BITS)
        ends = due & (place == LENGTH_AT)
        m.d.comb += [
            engine.use.eq(self.needed),
            engine.i.valid.eq(words.o.valid | pads),
            engine.i.payload.first.eq(first),
            words.o.ready.eq(engine.i.ready & ~pads),
            self.digest.eq(engine.state),
            self.ready.eq(~under_way & ~engine.busy),
        ]
        with m.If(~pads):
            m.d.comb += engine.i.payload.word.eq(words.o.payload.word)
        with m.Elif(~marked):
            m.d.comb += engine.i.payload.word.eq(1 << WORD_BITS - 1)
        with m.Elif(ends):
            m.d.comb += engine.i.payload.word.eq(count * WORD_BITS)
        with m.If(engine.i.valid & engine.i.ready):
            # The length has two words: the mark is before both.
            m.d.sync += [place.eq(place + 1), first.eq(ends), due.eq(pads & marked & (place == LENGTH_AT - 1))]
            with m.If(pads):
                m.d.sync += [marked.eq(1), pads.eq(~ends)]
            with m.Else():
                m.d.sync += [count.eq(Mux(first, 1, count + 1)), pads.eq(words.o.payload.last), marked.eq(0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += under_way.eq(1)
        with m.Elif(ends & engine.i.ready):
            m.d.sync += under_way.eq(0)
        return m
