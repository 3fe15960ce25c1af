# SPDX-License-Identifier: Apache-2.0
"""What a Hash_DRBG digests, byte by byte."""

from typing import NamedTuple

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import guarded
from gateware.hash import block_word
from gateware.hash.sha256 import BLOCK_WORDS, WORD_BITS

BYTE_BITS = 8
WORD_BYTES = WORD_BITS // BYTE_BITS
BLOCK_BYTES = BLOCK_WORDS * WORD_BYTES
NUMBER_BYTES = 55
"""``seedlen``: of V and C, the two numbers of the state."""
PREFIX_BYTES = 5
"""Of Hash_df: which digest it is, and how many bits are wanted."""
LENGTH_BYTES = 8
"""At the end of a message, behind a byte 0x80 and zeros: FIPS 180-4, 5.1.1."""


class Job(enum.Enum, shape=6):
    """What a message is digested for. SEC_CM: NOISE.MODE.GUARDED"""

    INSTANTIATE = 0b000111
    RESEED = 0b011001
    CONSTANT = 0b011110
    """For C, of a new V."""
    GIVE = 0b101010
    """For random words."""
    ADVANCE = 0b110100
    """For a V after them."""


class Part(enum.Enum, shape=6):
    """Of a message, in this order. SEC_CM: NOISE.MODE.GUARDED"""

    NONE = 0b000111
    PREFIX = 0b011001
    DOMAIN = 0b011110
    VALUE = 0b101010
    MATERIAL = 0b110100
    PAD = 0b101101


class Message(NamedTuple):
    """Whether it is for Hash_df, the byte before V if there is one, whether V is in it, and how many words of seed."""

    derives: bool
    domain: int | None
    value: bool
    words: int

    @property
    def sizes(self) -> dict[Part, int]:
        """Bytes of each part that it has."""
        sizes = {
            Part.PREFIX: PREFIX_BYTES * self.derives,
            Part.DOMAIN: int(self.domain is not None),
            Part.VALUE: NUMBER_BYTES * self.value,
            Part.MATERIAL: WORD_BYTES * self.words,
        }
        size = sum(sizes.values())
        sizes[Part.PAD] = LENGTH_BYTES + 1 + -(size + 1 + LENGTH_BYTES) % BLOCK_BYTES
        return {part: size for part, size in sizes.items() if size}

    @property
    def bits(self) -> int:
        return BYTE_BITS * sum(size for part, size in self.sizes.items() if part != Part.PAD)


def messages(seed_words: int, reseed_words: int) -> dict[Job, Message]:
    """SP 800-90A Rev. 1, 10.1.1.2 to 10.1.1.4 and 10.3.1."""
    return {
        Job.INSTANTIATE: Message(True, None, False, seed_words),
        Job.RESEED: Message(True, 1, True, reseed_words),
        Job.CONSTANT: Message(True, 0, True, 0),
        Job.GIVE: Message(False, None, True, 0),
        Job.ADVANCE: Message(False, 3, True, 0),
    }


class MessageSender(wiring.Component):
    """Sends a message to the hash engine, padded.

    Args:
        messages: one per job.

    Members:
        start, job, second: send the message of a job, for the first or the second digest of Hash_df; ``job`` and ``second``
            hold while ``busy``.
        address, value, material: a byte of V or of the seed, the first at 0, and in the same cycle the byte of V and the
            word of the seed in which it is.
        o: words of blocks.
        busy: not all of them are taken; from the cycle after ``start`` on.
        clear: forgets the message.
        fault: a part that does not exist; the message ends there.

    A byte per cycle, and one cycle more per word.
    """

    start: Signal
    job: Signal
    second: Signal
    address: Signal
    value: Signal
    material: Signal
    o: stream.Interface
    busy: Signal
    clear: Signal
    fault: Signal

    def __init__(self, messages: dict[Job, Message]) -> None:
        self.messages = messages
        longest = max(max(message.sizes.values()) for message in messages.values())
        super().__init__(
            {
                "start": In(1),
                "job": In(Job, init=Job.INSTANTIATE),  # pyright: ignore[reportCallIssue] (the stubs know no init)
                "second": In(1),
                "address": Out(range(longest)),
                "value": In(BYTE_BITS),
                "material": In(WORD_BITS),
                "o": Out(stream.Signature(block_word())),
                "busy": Out(1),
                "clear": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        part, fault = guarded(Part)
        word, filled, first = Signal(WORD_BITS), Signal(range(WORD_BYTES + 1)), Signal()
        full, last, index = Signal(), Signal(), self.address
        m.d.comb += [
            full.eq(filled == WORD_BYTES),
            self.o.valid.eq(full),
            self.o.payload.word.eq(word),
            self.o.payload.first.eq(first),
            self.busy.eq((part != Part.NONE) | full),
            self.fault.eq(fault),
        ]
        with m.If(full), m.If(self.o.ready):
            m.d.sync += [filled.eq(0), first.eq(0)]
        with m.Elif(part != Part.NONE):
            m.d.sync += [
                word.eq(Cat(self._byte(m, part), word[:-BYTE_BITS])),
                filled.eq(filled + 1),
                index.eq(Mux(last, 0, index + 1)),
            ]
        with m.Switch(self.job):
            for job, message in self.messages.items():
                with m.Case(job):
                    parts = [*message.sizes, Part.NONE]
                    with m.If(self.start):
                        m.d.sync += [part.eq(parts[0]), first.eq(1)]
                    with m.Switch(part):
                        for at, (this, size) in enumerate(message.sizes.items()):
                            with m.Case(this):
                                m.d.comb += last.eq(index == size - 1)
                                with m.If(last & ~full):
                                    m.d.sync += part.eq(parts[at + 1])
        with m.If(self.clear | fault):
            m.d.sync += [part.eq(Part.NONE), word.eq(0), filled.eq(0), index.eq(0)]
        return m

    def _byte(self, m: Module, part: Value) -> Value:
        """The next of a message."""
        byte, padding = Signal(BYTE_BITS), Signal(BYTE_BITS)
        wanted = (BYTE_BITS * NUMBER_BYTES).to_bytes(PREFIX_BYTES - 1)
        with m.Switch(part):
            with m.Case(Part.PREFIX), m.Switch(self.address):
                with m.Case(0):
                    m.d.comb += byte.eq(self.second + 1)
                for at, content in enumerate(wanted, 1):
                    with m.Case(at):
                        m.d.comb += byte.eq(content)
            with m.Case(Part.DOMAIN), m.Switch(self.job):
                for job, message in self.messages.items():
                    if message.domain is not None:
                        with m.Case(job):
                            m.d.comb += byte.eq(message.domain)
            with m.Case(Part.VALUE):
                m.d.comb += byte.eq(self.value)
            with m.Case(Part.MATERIAL):
                m.d.comb += byte.eq(self.material.word_select(~self.address[:2], BYTE_BITS))
            with m.Case(Part.PAD):
                m.d.comb += byte.eq(padding)
        with m.Switch(self.job):
            for job, message in self.messages.items():
                with m.Case(job), m.Switch(self.address):
                    size = message.sizes[Part.PAD]
                    length = message.bits.to_bytes(LENGTH_BYTES)
                    for at, content in enumerate(b"\x80".ljust(size - LENGTH_BYTES, b"\0") + length):
                        if content:
                            with m.Case(at):
                                m.d.comb += padding.eq(content)
        return byte
