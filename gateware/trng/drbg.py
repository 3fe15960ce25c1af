# SPDX-License-Identifier: Apache-2.0
"""Random bits from a seed: Hash_DRBG with SHA-256. SP 800-90A Rev. 1, 10.1.1."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.hash import EngineSignature
from gateware.hash.sha256 import STATE_WORDS, WORD_BITS
from gateware.session.memories import DISTRIBUTED
from gateware.trng.message import BYTE_BITS, NUMBER_BYTES, WORD_BYTES, Job, MessageSender, messages

DIGEST_BYTES = STATE_WORDS * WORD_BYTES
NUMBER_DEPTH = 64
SEED_WORDS, RESEED_WORDS = 16, 8
"""Whole digests of the conditioner. The standard asks for 12 and 8: 256 bits of entropy, and a nonce of 128."""
REQUEST_BLOCKS = 4
MAX_REQUESTS = 1 << 16


class Step(enum.Enum, shape=7):
    """What the generator does. SEC_CM: NOISE.MODE.GUARDED"""

    WIPE = 0b0110001
    """Overwrites what it has."""
    SEED = 0b1010010
    """Waits for a seed."""
    SEND = 0b1100011
    """Has a message sent."""
    DIGEST = 0b1100100
    """Waits for its digest."""
    DERIVE = 0b1010101
    """Puts it where C is."""
    COPY = 0b0110110
    """Makes V what is there."""
    KEEP = 0b0000111
    """Puts it where random words are."""
    ADD = 0b1111000
    """Adds to V."""
    READY = 0b1001001
    """Waits for words to be taken."""


class Addend(enum.Enum, shape=6):
    """What is added to V. SEC_CM: NOISE.MODE.GUARDED"""

    ONE = 0b000111
    """For the next block of a request."""
    BACK = 0b011001
    """As many as the request had blocks, taken away."""
    DIGEST = 0b011110
    CONSTANT = 0b101010
    REQUESTS = 0b110100


class HashDrbg(wiring.Component):
    """Makes random words from a seed, which it wants first and then again and again.

    Args:
        seed_words, reseed_words: of the first seed, nonce included, and of each other.
        request_blocks: 8 words each, that are made at once; the state is replaced after them.
        max_requests: that are made from one seed.

    Members:
        seed: words of entropy; taken while ``reseed_needed``.
        o: random words. None is offered before the state that it was made from has been replaced, and each is overwritten
            when it is taken: what is inside tells nothing of what came out.
        reseed: a new seed is to be had before anything else is made; what has been made stays on offer.
        reseed_needed: a seed is waited for.
        engine: the hash engine, which is asked for per message.
        clear: forgets everything. ``o`` offers nothing in the next cycle, and all is overwritten ``wipe_cycles`` after it
            is 0 again.
        fault: a mode that does not exist. From the next cycle on everything is as after `clear`.

    Constant time: no path depends on seed or state. Reset does what `clear` does. Standard: SP 800-90A Rev. 1, 10.1.1,
    without personalization, additional input and prediction resistance. The specification is
    `custodes.model.hash_drbg.HashDrbg`.
    """

    seed: stream.Interface
    o: stream.Interface
    reseed: Signal
    reseed_needed: Signal
    engine: Any
    clear: Signal
    fault: Signal

    def __init__(
        self,
        seed_words: int = SEED_WORDS,
        reseed_words: int = RESEED_WORDS,
        request_blocks: int = REQUEST_BLOCKS,
        max_requests: int = MAX_REQUESTS,
    ) -> None:
        self.seed_words = {Job.INSTANTIATE: seed_words, Job.RESEED: reseed_words}
        self.messages = messages(seed_words, reseed_words)
        self.request_blocks = request_blocks
        self.words = request_blocks * STATE_WORDS
        self.max_requests = max_requests
        self.wipe_cycles = max(NUMBER_DEPTH, seed_words, reseed_words, self.words)
        super().__init__(
            {
                "seed": In(stream.Signature(WORD_BITS)),
                "o": Out(stream.Signature(WORD_BITS)),
                "reseed": In(1),
                "reseed_needed": Out(1),
                "engine": Out(EngineSignature()),
                "clear": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step, step_fault = guarded(Step)
        job, job_fault = guarded(Job)
        addend, addend_fault = guarded(Addend)
        m.submodules.sender = sender = MessageSender(self.messages)
        # In what is being worked on; which of the two digests of Hash_df; which block of a request.
        index, second, block = Signal(range(self.wipe_cycles)), Signal(), Signal(range(self.request_blocks))
        requests, due = Signal(range(self.max_requests + 2)), Signal()
        left, forget, engine = Signal(range(self.words + 1)), Signal(), self.engine
        m.d.comb += [
            self.fault.eq(step_fault | job_fault | addend_fault | sender.fault),
            forget.eq(self.clear | self.fault),
            self.reseed_needed.eq(step == Step.SEED),
            self.seed.ready.eq(self.reseed_needed & ~forget),
            sender.start.eq(step == Step.SEND),
            sender.job.eq(job),
            sender.second.eq(second),
            sender.clear.eq(forget),
        ]
        wiring.connect(m, sender.o, wiring.flipped(engine.i))
        with m.Switch(step):
            with m.Case(Step.SEND, Step.DIGEST, Step.DERIVE, Step.KEEP):
                m.d.comb += engine.use.eq(1)
            with m.Case(Step.ADD):
                m.d.comb += engine.use.eq(addend == Addend.DIGEST)
        word = self._numbers(m, step, index, second, addend, requests, sender)
        self._material(m, step, index, sender)
        self._words(m, step, index, block, left, word)

        def after(count: int, then: Step, *more: Any) -> None:
            """The step takes so many cycles."""
            m.d.sync += index.eq(index + 1)
            with m.If(index == count - 1):
                m.d.sync += [index.eq(0), step.eq(then), *more]

        with m.Switch(step):
            with m.Case(Step.WIPE):
                after(self.wipe_cycles, Step.SEED)
            with m.Case(Step.SEED), m.If(self.seed.valid):
                with m.If(job == Job.RESEED):
                    after(self.seed_words[Job.RESEED], Step.SEND)
                with m.Else():
                    after(self.seed_words[Job.INSTANTIATE], Step.SEND)
            with m.Case(Step.SEND):
                m.d.sync += step.eq(Step.DIGEST)
            with m.Case(Step.DIGEST), m.If(~sender.busy & engine.mine & ~engine.busy), m.Switch(job):
                with m.Case(Job.GIVE):
                    m.d.sync += step.eq(Step.KEEP)
                with m.Case(Job.ADVANCE):
                    m.d.sync += [addend.eq(Addend.DIGEST), step.eq(Step.ADD)]
                with m.Default():
                    m.d.sync += step.eq(Step.DERIVE)
            with m.Case(Step.DERIVE):
                with m.If(~second):
                    after(DIGEST_BYTES, Step.SEND, second.eq(1))
                with m.Elif(job == Job.CONSTANT):
                    after(NUMBER_BYTES - DIGEST_BYTES, Step.READY, second.eq(0), requests.eq(1))
                with m.Else():
                    after(NUMBER_BYTES - DIGEST_BYTES, Step.COPY, second.eq(0))
            with m.Case(Step.COPY):
                after(NUMBER_BYTES, Step.SEND, job.eq(Job.CONSTANT))
            with m.Case(Step.KEEP):
                after(STATE_WORDS, Step.ADD, addend.eq(Addend.ONE))
            with m.Case(Step.ADD), m.Switch(addend):
                with m.Case(Addend.ONE):
                    with m.If(block == self.request_blocks - 1):
                        after(NUMBER_BYTES, Step.ADD, addend.eq(Addend.BACK))
                    with m.Else():
                        after(NUMBER_BYTES, Step.SEND, block.eq(block + 1))
                with m.Case(Addend.BACK):
                    after(NUMBER_BYTES, Step.SEND, job.eq(Job.ADVANCE))
                with m.Case(Addend.DIGEST):
                    after(NUMBER_BYTES, Step.ADD, addend.eq(Addend.CONSTANT))
                with m.Case(Addend.CONSTANT):
                    after(NUMBER_BYTES, Step.ADD, addend.eq(Addend.REQUESTS))
                with m.Default():
                    after(NUMBER_BYTES, Step.READY, requests.eq(requests + 1), left.eq(self.words))
            with m.Case(Step.READY):
                with m.If(due | (requests > self.max_requests)):
                    m.d.sync += [due.eq(0), job.eq(Job.RESEED), step.eq(Step.SEED)]
                with m.Elif(left == 0):
                    m.d.sync += [block.eq(0), job.eq(Job.GIVE), step.eq(Step.SEND)]
            with m.Default():
                m.d.sync += step.eq(Step.WIPE)
        with m.If(self.reseed):
            m.d.sync += due.eq(1)
        with m.If(forget):
            m.d.sync += [step.eq(Step.WIPE), job.eq(Job.INSTANTIATE), addend.eq(Addend.ONE)]
            m.d.sync += [value.eq(0) for value in (index, second, block, requests, due, left)]
        return m

    def _numbers(
        self, m: Module, step: Value, index: Value, second: Value, addend: Value, requests: Value, sender: MessageSender
    ) -> Value:
        """V and C, their most significant bytes first; V is sent and added to, from its end, C is made. Returns the word of
        the digest that ``index`` means."""
        m.submodules.value = value_memory = Memory(shape=BYTE_BITS, depth=NUMBER_DEPTH, init=[], attrs=DISTRIBUTED)
        m.submodules.constant = constant_memory = Memory(
            shape=BYTE_BITS, depth=NUMBER_DEPTH, init=[], attrs=DISTRIBUTED
        )
        value, constant = value_memory.read_port(domain="comb"), constant_memory.read_port(domain="comb")
        value_write, constant_write = value_memory.write_port(), constant_memory.write_port()
        at, carry = Signal(range(NUMBER_DEPTH)), Signal()
        word, digest, added = Signal(WORD_BITS), Signal(BYTE_BITS), Signal(BYTE_BITS)
        total = value.data + added + carry
        # Of the digest, too, the first byte is the most significant.
        place = Mux(step == Step.ADD, index[:5], ~index[:5])
        m.d.comb += [
            word.eq(self.engine.state.word_select(Mux(step == Step.KEEP, ~index[:3], place[2:]), WORD_BITS)),
            digest.eq(word.word_select(place[:2], BYTE_BITS)),
            at.eq(index),
            value.addr.eq(at),
            constant.addr.eq(at),
            value_write.addr.eq(at),
            constant_write.addr.eq(at),
            sender.value.eq(value.data),
        ]
        with m.Switch(step):
            with m.Case(Step.WIPE):
                m.d.comb += [value_write.en.eq(1), constant_write.en.eq(1)]
            with m.Case(Step.DERIVE):
                m.d.comb += [at.eq(Cat(index[:5], second)), constant_write.en.eq(1), constant_write.data.eq(digest)]
            with m.Case(Step.COPY):
                m.d.comb += [value_write.en.eq(1), value_write.data.eq(constant.data)]
            with m.Case(Step.ADD):
                m.d.comb += [at.eq(NUMBER_BYTES - 1 - index), value_write.en.eq(1), value_write.data.eq(total)]
                m.d.sync += carry.eq(Mux(index == NUMBER_BYTES - 1, 0, total[BYTE_BITS]))
            with m.Default():
                m.d.comb += at.eq(sender.address)
        with m.Switch(addend):
            with m.Case(Addend.ONE):
                m.d.comb += added.eq(index == 0)
            with m.Case(Addend.BACK):
                m.d.comb += added.eq(Mux(index == 0, (1 << BYTE_BITS) - self.request_blocks, (1 << BYTE_BITS) - 1))
            with m.Case(Addend.DIGEST):
                m.d.comb += added.eq(Mux(index < DIGEST_BYTES, digest, 0))
            with m.Case(Addend.CONSTANT):
                m.d.comb += added.eq(constant.data)
            with m.Default():
                m.d.comb += added.eq(requests.word_select(index, BYTE_BITS))
        with m.If(self.clear | self.fault):
            m.d.sync += carry.eq(0)
        return word

    def _material(self, m: Module, step: Value, index: Value, sender: MessageSender) -> None:
        """The seed, which is sent twice, and overwritten then."""
        depth = max(self.seed_words.values())
        m.submodules.material = memory = Memory(shape=WORD_BITS, depth=depth, init=[], attrs=DISTRIBUTED)
        read, write = memory.read_port(domain="comb"), memory.write_port()
        m.d.comb += [
            read.addr.eq(sender.address[2:]),
            sender.material.eq(read.data),
            write.addr.eq(index),
            write.data.eq(Mux(step == Step.SEED, self.seed.payload, 0)),
        ]
        with m.Switch(step):
            with m.Case(Step.WIPE, Step.COPY):
                m.d.comb += write.en.eq(1)
            with m.Case(Step.SEED):
                m.d.comb += write.en.eq(self.seed.valid & self.seed.ready)

    def _words(self, m: Module, step: Value, index: Value, block: Value, left: Signal, word: Value) -> None:
        """The random words that have been made; how many are left on offer."""
        m.submodules.words = memory = Memory(shape=WORD_BITS, depth=self.words, init=[], attrs=DISTRIBUTED)
        read, write = memory.read_port(domain="comb"), memory.write_port()
        at = Signal(range(self.words))
        m.d.comb += [
            self.o.valid.eq(left != 0),
            self.o.payload.eq(read.data),
            read.addr.eq(at),
            write.addr.eq(at),
        ]
        with m.Switch(step):
            with m.Case(Step.WIPE):
                m.d.comb += [write.addr.eq(index), write.en.eq(1)]
            with m.Case(Step.KEEP):
                m.d.comb += [write.addr.eq(Cat(index[:3], block)), write.data.eq(word), write.en.eq(1)]
            with m.Default(), m.If(self.o.valid & self.o.ready):
                m.d.comb += write.en.eq(1)
                m.d.sync += [left.eq(left - 1), at.eq(Mux(left == 1, 0, at + 1))]
        with m.If(self.clear | self.fault):
            m.d.sync += at.eq(0)
