# SPDX-License-Identifier: Apache-2.0
"""SHA-256, a round per cycle."""

from math import isqrt
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

WORD_BITS = 32
STATE_WORDS = 8
STATE_BITS = WORD_BITS * STATE_WORDS
BLOCK_WORDS = 16
ROUNDS = 64
BLOCK_CYCLES = ROUNDS + 1
_LOGIC: dict[str, Any] = {"rom_style": "logic"}
"""A block RAM would be nearly empty, and late."""


def _cube_root(number: int) -> int:
    """Rounded down."""
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle)
    return low


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


CONSTANTS = [_cube_root(prime << 3 * WORD_BITS) % (1 << WORD_BITS) for prime in _primes(ROUNDS)]
"""FIPS 180-4, 4.2.2: of the cube roots of the first primes the first bits after the point."""
INITIAL = [isqrt(prime << 2 * WORD_BITS) % (1 << WORD_BITS) for prime in _primes(STATE_WORDS)]
"""FIPS 180-4, 5.3.3: the same of square roots."""


def block_word() -> data.StructLayout:
    """``word``: 32 bits of a block, the first byte the most significant. ``first``: with the first word of a block, that a
    message begins with it; of no meaning with the others."""
    return data.StructLayout({"word": WORD_BITS, "first": 1})


def _choose(e: Value, f: Value, g: Value) -> Value:
    return g ^ (e & (f ^ g))


def _majority(a: Value, b: Value, c: Value) -> Value:
    return (a & b) | (c & (a | b))


def _turned(word: Value, *turns: int) -> Value:
    x, y, z = (word.rotate_right(turn) for turn in turns)
    return x ^ y ^ z


def _shifted(word: Value, first: int, second: int, shift: int) -> Value:
    return word.rotate_right(first) ^ word.rotate_right(second) ^ (word >> shift)


class Sha256(wiring.Component):
    """Digests blocks of 512 bits, which come padded.

    Members:
        i: 16 words per block, see `block_word`; waited for where they do not come.
        clear: in the next cycle nothing is left of message and state, and the state is zero; a block under way is
            forgotten. No word is taken meanwhile.
        busy: a block is under way.
        state: while not busy, the state after the last block, or after reset or `clear` zero: the digest of a message that
            ended with it. Its first word is the most significant one, so it is a number that reads as the digest is written.

    A block takes ``BLOCK_CYCLES`` from its first word to the first one of the next; ``state`` is there one cycle after
    that first word could be taken, and is lost when one is taken that begins a message: whoever wants it waits for ``busy``
    to fall before the next message. Constant time: no path depends on the data. Reset does what `clear` does. Standard: FIPS
    180-4, 6.2.2.
    """

    i: stream.Interface
    clear: Signal
    busy: Signal
    state: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(block_word())),
                "clear": In(1),
                "busy": Out(1),
                "state": Out(STATE_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The word that is next; that of the last round comes after all of them.
        number = Signal(range(ROUNDS + 1))
        # The state is about to be that of before the block and what its rounds made, added.
        adds = Signal()
        before = [Signal(WORD_BITS, name=f"before_{at}") for at in range(STATE_WORDS)]
        working = [Signal(WORD_BITS, name=f"working_{name}") for name in "abcdefg"]
        begins, given, advance = Signal(), Signal(), Signal()
        m.d.comb += [
            begins.eq(number == 0),
            given.eq(number < BLOCK_WORDS),
            self.i.ready.eq(given & ~self.clear),
            advance.eq(~given | self.i.valid),
            self.busy.eq(~begins | adds),
            self.state.eq(Cat(reversed(before))),
        ]
        word = self._schedule(m, given, advance)
        m.submodules.constants = constants = Memory(shape=WORD_BITS, depth=ROUNDS, init=CONSTANTS, attrs=_LOGIC)
        following, constant = constants.read_port(domain="comb"), Signal(WORD_BITS, init=CONSTANTS[0])
        m.d.comb += following.addr.eq(number + 1)
        # h is nowhere but in what a round adds to it, made in the cycle before.
        a, b, c, d, e, f, g = working
        added, change = Signal(WORD_BITS), Signal(WORD_BITS)
        first = Signal()
        m.d.comb += [
            first.eq(begins & self.i.payload.first),
            change.eq(added + _turned(e, 6, 11, 25) + _choose(e, f, g)),
        ]
        h = Mux(begins, Mux(first, INITIAL[7], before[7]), g)
        with m.If(advance):
            m.d.sync += [
                added.eq(h + constant + word),
                constant.eq(Mux(number == ROUNDS, CONSTANTS[0], following.data)),
                number.eq(Mux(number == ROUNDS, 0, number + 1)),
            ]
        with m.If(~begins):
            with m.If(advance):
                m.d.sync += [new.eq(old) for old, new in zip((a, b, c, e, f), (b, c, d, f, g), strict=True)]
                m.d.sync += [
                    a.eq(change + _turned(a, 2, 13, 22) + _majority(a, b, c)),
                    e.eq(d + change),
                ]
            # Before the others, since the first round after it needs it a cycle earlier.
            with m.If(number == ROUNDS):
                m.d.sync += [before[7].eq(before[7] + g), adds.eq(1)]
        with m.Elif(adds | self.i.valid):
            sums = [Mux(adds, (old + new)[:WORD_BITS], old) for old, new in zip(before, working, strict=False)]
            chosen = [Mux(first & self.i.valid, begun, new) for begun, new in zip(INITIAL, sums, strict=False)]
            m.d.sync += [Cat(working).eq(Cat(chosen)), Cat(before[:7]).eq(Cat(chosen)), adds.eq(0)]
            with m.If(first & self.i.valid):
                m.d.sync += before[7].eq(INITIAL[7])
        with m.If(self.clear):
            kept = [*before, *working, added]
            m.d.sync += [*(value.eq(0) for value in kept), number.eq(0), adds.eq(0), constant.eq(CONSTANTS[0])]
        return m

    def _schedule(self, m: Module, given: Value, advance: Value) -> Value:
        """The word of the round: it is given, or made from those before it. FIPS 180-4, 6.2.2, step 1."""
        window = [Signal(WORD_BITS, name=f"window_{at}") for at in range(BLOCK_WORDS - 2)]
        part, made, word = Signal(WORD_BITS), Signal(WORD_BITS), Signal(WORD_BITS)
        m.d.comb += word.eq(Mux(given, self.i.payload.word, made))
        with m.If(advance):
            # Of the word after the next three of four terms, and of the next the fourth, which is younger.
            m.d.sync += [
                Cat(window).eq(Cat(window[1:], word)),
                part.eq(window[0] + _shifted(window[1], 7, 18, 3) + window[9]),
                made.eq(part + _shifted(window[-1], 17, 19, 10)),
            ]
        with m.If(self.clear):
            m.d.sync += [*(value.eq(0) for value in window), part.eq(0), made.eq(0)]
        return word

