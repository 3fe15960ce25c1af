# SPDX-License-Identifier: Apache-2.0
"""Many raw samples become 256 bits of full entropy: SP 800-90B, 3.1.5, with SHA-256, a vetted function."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.hash import EngineSignature
from gateware.hash.sha256 import BLOCK_WORDS, STATE_WORDS, WORD_BITS
from gateware.session.memories import NO_BYPASS

LENGTH_BITS = 64
"""Of the length at a message's end: FIPS 180-4, 5.1.1."""


class Step(enum.Enum, shape=6):
    """What the conditioner does. SEC_CM: NOISE.MODE.GUARDED"""

    WIPE = 0b000111
    COLLECT = 0b011001
    DIGEST = 0b011110
    KEEP = 0b101010
    GIVE = 0b110100


class Conditioner(wiring.Component):
    """Collects samples, and gives their SHA-256.

    Args:
        samples: for one digest, a multiple of 32.

    Members:
        sample, sample_valid: samples; taken while ``takes``, else ignored.
        takes: no sample that comes is lost.
        engine: the hash engine; asked for when all samples are there, and let go before anything is given.
        o: the 8 words of the digest, the most significant one first.
        clear: forgets samples and digest: all is overwritten ``wipe_cycles`` after it is 0 again.
        fault: a mode that does not exist, which is as `clear`.

    The message is the samples, 32 in a big-endian word, of which the first sample is the lowest bit. Memory is overwritten
    after reset, after `clear`, and once a digest is given, which takes ``wipe_cycles`` each; meanwhile no sample is taken.
    Reset does what `clear` does.
    """

    sample: Signal
    sample_valid: Signal
    takes: Signal
    engine: Any
    o: stream.Interface
    clear: Signal
    fault: Signal

    def __init__(self, samples: int) -> None:
        if samples % WORD_BITS or samples < WORD_BITS * STATE_WORDS:
            raise ValueError(f"{samples} samples are not the whole words that make a digest")
        self.words = samples // WORD_BITS
        blocks = -(-(samples + 1 + LENGTH_BITS) // (WORD_BITS * BLOCK_WORDS))
        self.message_words = blocks * BLOCK_WORDS
        self.wipe_cycles = self.words
        super().__init__(
            {
                "sample": In(1),
                "sample_valid": In(1),
                "takes": Out(1),
                "engine": Out(EngineSignature()),
                "o": Out(stream.Signature(WORD_BITS)),
                "clear": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        engine, o = self.engine, self.o
        step, fault = guarded(Step)
        m.d.comb += self.fault.eq(fault)
        m.submodules.words = memory = Memory(shape=WORD_BITS, depth=self.words, init=[], attrs=NO_BYPASS)
        write, read = memory.write_port(), memory.read_port()
        # The word that is next, in every step: what has been read is its contents.
        at, following = Signal(range(self.message_words)), Signal(range(self.message_words))
        collected, bits = Signal(WORD_BITS), Signal(range(WORD_BITS))
        m.d.comb += [following.eq(at), read.addr.eq(following), write.addr.eq(at)]
        m.d.sync += at.eq(following)

        def advance(last: int, then: Step) -> None:
            with m.If(at == last):
                m.d.comb += following.eq(0)
                m.d.sync += step.eq(then)
            with m.Else():
                m.d.comb += following.eq(at + 1)

        with m.Switch(step):
            with m.Case(Step.WIPE):
                m.d.comb += write.en.eq(1)
                advance(self.words - 1, Step.COLLECT)
            with m.Case(Step.COLLECT):
                m.d.comb += [self.takes.eq(1), write.data.eq(Cat(collected[1:], self.sample))]
                with m.If(self.sample_valid):
                    m.d.sync += [collected.eq(write.data), bits.eq(bits + 1)]
                    with m.If(bits == WORD_BITS - 1):
                        m.d.comb += write.en.eq(1)
                        advance(self.words - 1, Step.DIGEST)
            with m.Case(Step.DIGEST):
                m.d.comb += [
                    engine.use.eq(1),
                    engine.i.valid.eq(engine.mine),
                    engine.i.payload.first.eq(at < BLOCK_WORDS),
                    engine.i.payload.word.eq(self._word(at, read.data)),
                ]
                with m.If(engine.i.valid & engine.i.ready):
                    advance(self.message_words - 1, Step.KEEP)
            with m.Case(Step.KEEP):
                m.d.comb += [engine.use.eq(1), write.data.eq(engine.state.word_select(~at[:3], WORD_BITS))]
                with m.If(~engine.busy):
                    m.d.comb += write.en.eq(1)
                    advance(STATE_WORDS - 1, Step.GIVE)
            with m.Case(Step.GIVE):
                m.d.comb += [o.valid.eq(1), o.payload.eq(read.data)]
                with m.If(o.ready):
                    advance(STATE_WORDS - 1, Step.WIPE)
        with m.If(self.clear | fault):
            m.d.sync += [step.eq(Step.WIPE), at.eq(0), collected.eq(0), bits.eq(0)]
        return m

    def _word(self, at: Value, collected: Value) -> Value:
        """Of the padded message: FIPS 180-4, 5.1.1."""
        padding = Mux(at == self.words, 1 << WORD_BITS - 1, 0)
        length = Mux(at == self.message_words - 1, WORD_BITS * self.words, 0)
        return Mux(at < self.words, collected, padding | length)
