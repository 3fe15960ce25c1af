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


def _sum(x: Value, y: Value, z: Value) -> Value:
    """Of three, with one carry chain."""
    carries = (x & y) | (z & (x | y))
    return ((x ^ y ^ z) + (carries << 1))[:WORD_BITS]


class Sha256(wiring.Component):
    """Digests blocks of 512 bits, which come padded.

    Members:
        i: 16 words per block, see `block_word`; waited for where they do not come.
        clear: in the next cycle nothing is left of message and state, and the state is that of no message; a block under way
            is forgotten. No word is taken meanwhile.
        busy: a block is under way.
        state: while not busy, the state after the last block, or after reset or `clear` that before a message, as in FIPS
            180-4, 5.3.3: the digest of a message that ended with it. Its first word is the most significant one, so it is a
            number that reads as the digest is written.

    A block takes ``BLOCK_CYCLES`` from its first word to the first one of the next, and ``busy`` falls four cycles later if
    none comes. A word that begins a message takes the place of the state, even of one that is still being made: who wants
    that waits for ``busy`` to fall. Constant time: no path depends on the data. Reset does what `clear` does. Standard: FIPS
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
        # The word that is next; the last round comes after all of them.
        number = Signal(range(ROUNDS + 1))
        begins, follows, given, ends = Signal(init=1), Signal(), Signal(init=1), Signal()
        takes = Signal()
        m.d.comb += [takes.eq(~given | self.i.valid), self.i.ready.eq(given & ~self.clear)]
        with m.If(takes):
            m.d.sync += [
                number.eq(Mux(ends, 0, number + 1)),
                begins.eq(ends),
                follows.eq(begins),
                given.eq(ends | (given & (number != BLOCK_WORDS - 1))),
                ends.eq(number == ROUNDS - 1),
            ]
        # A cycle later the word is in a register, whatever came before it, and another one later its round is done.
        comes, goes, starts = Signal(), Signal(), Signal()
        kinds, kind = (Signal(data.StructLayout({"begins": 1, "follows": 1}), name=name) for name in ("kinds", "kind"))
        m.d.sync += [
            comes.eq(takes),
            goes.eq(comes),
            starts.eq(begins & self.i.valid & self.i.payload.first),
            kinds.begins.eq(begins),
            kinds.follows.eq(follows),
            kind.eq(kinds),
        ]
        added = self._schedule(m, number, given, comes)

        # A round takes two cycles: a to c are one behind e to g. d and h are nowhere but in what a round adds.
        working = [Signal(WORD_BITS, name=f"working_{name}", init=INITIAL["abcdefgh".index(name)]) for name in "abcefg"]
        a, b, c, e, f, g = working
        # What the last rounds make is added to the state as it comes by in a, e and f, in four cycles: d and h, c and g, the
        # others but a, a. Of each two words of the state the sum takes the place of one, and that the place of the other,
        # which has been added. The first round of the next block may be in the third of these cycles.
        adds, early, late = Signal(4), Signal(), Signal()
        state = [Signal(WORD_BITS, name=f"state_{at}", init=initial) for at, initial in enumerate(INITIAL)]
        sum_a, sum_e, sum_f = (Signal(WORD_BITS, name=f"sum_{name}") for name in "aef")
        m.d.sync += [
            adds.eq(Cat(ends, adds[0], adds[1:3] & ~starts.replicate(2))),
            early.eq(ends | adds[0]),
            late.eq(adds[1:3].any() & ~starts),
        ]
        m.d.comb += [
            self.busy.eq(~begins | comes | goes | late),
            self.state.eq(Cat(reversed(state))),
            sum_a.eq(a + Mux(late, state[1], state[3])),
            sum_e.eq(e + state[4]),
            sum_f.eq(f + Mux(adds[2], state[5], state[7])),
        ]
        with m.If(early):
            m.d.sync += [state[3].eq(state[2]), state[2].eq(sum_a), state[7].eq(state[6]), state[6].eq(sum_f)]
        with m.If(late):
            m.d.sync += [state[1].eq(state[0]), state[0].eq(sum_a)]
        with m.If(adds[2]):
            m.d.sync += [state[4].eq(sum_e), state[5].eq(sum_f)]

        # What a round adds: d and h with its word and constant, and the two of the next.
        with_h, with_d_h, change = (Signal(WORD_BITS, name=name) for name in ("with_h", "with_d_h", "change"))
        d_h = Signal(WORD_BITS, init=(INITIAL[3] + INITIAL[7]) % 2**WORD_BITS)
        # Those of the state are not in their places yet where the block ends.
        of_state = adds[1] | kind.begins
        next_d = Mux(of_state, state[2], Mux(kind.follows, b, a))
        next_h = Mux(of_state, state[6], f)
        of_e = (_turned(e, 6, 11, 25), _choose(e, f, g))
        of_a = (_turned(a, 2, 13, 22), _majority(a, b, c))
        with m.If(goes):
            m.d.sync += [
                with_h.eq(Mux(kind.begins, state[7], g) + added),
                with_d_h.eq(d_h + added),
                d_h.eq(next_d + next_h),
                change.eq(_sum(with_h, *of_e)),
            ]
        turns_a, turns_e = Signal(), Signal()
        m.d.sync += [turns_a.eq(comes & ~kinds.begins & ~kinds.follows), turns_e.eq(comes & ~kinds.begins)]
        with m.If(adds[2]):
            continued = (_sum(change, *of_a), sum_a, state[2], sum_e, sum_f, state[6])
            m.d.sync += [old.eq(new) for old, new in zip(working, continued, strict=True)]
        with m.Else():
            with m.If(adds[3]):
                m.d.sync += a.eq(sum_a)
            with m.Elif(turns_a):
                m.d.sync += [a.eq(_sum(change, *of_a)), b.eq(a), c.eq(b)]
            with m.If(turns_e):
                m.d.sync += [e.eq(_sum(with_d_h, *of_e)), f.eq(e), g.eq(f)]
        # What begins a message has the same values as what nothing is left in: no logic but a reset. It comes a cycle before
        # the first round, from a register.
        with m.If(starts | self.clear):
            m.d.sync += [value.eq(value.init) for value in (*state, *working, d_h)]
        with m.If(self.clear):
            m.d.sync += [
                value.eq(value.init)
                for value in (
                    *(number, begins, follows, given, ends, comes, goes, starts),
                    *(adds, early, late, turns_a, turns_e, with_h, with_d_h, change),
                )
            ]
            m.d.sync += [kinds.eq(0), kind.eq(0)]
        return m

    def _schedule(self, m: Module, number: Value, given: Value, comes: Value) -> Value:
        """What a round adds of its own, word and constant, two cycles after the word was next. The word is given, or made
        from those before it: FIPS 180-4, 6.2.2, step 1."""
        m.submodules.constants = constants = Memory(shape=WORD_BITS, depth=ROUNDS, init=CONSTANTS, attrs=_LOGIC)
        found, constant = constants.read_port(domain="comb"), Signal(WORD_BITS, init=CONSTANTS[0])
        window = [Signal(WORD_BITS, name=f"window_{at}") for at in range(BLOCK_WORDS - 3)]
        part, made, word, added = (Signal(WORD_BITS, name=name) for name in ("part", "made", "word", "added"))
        m.d.comb += found.addr.eq(number)
        m.d.sync += [word.eq(Mux(given, self.i.payload.word, made)), constant.eq(found.data), added.eq(word + constant)]
        with m.If(comes):
            # Of the word after the next two three of four terms, and of the next the fourth, which is younger.
            m.d.sync += [
                Cat(window).eq(Cat(window[1:], word)),
                part.eq(window[0] + _shifted(window[1], 7, 18, 3) + window[9]),
                made.eq(part + _shifted(word, 17, 19, 10)),
            ]
        with m.If(self.clear):
            m.d.sync += [value.eq(value.init) for value in (*window, part, made, word, constant, added)]
        return added
