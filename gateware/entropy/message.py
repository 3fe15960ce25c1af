# SPDX-License-Identifier: Apache-2.0
"""What a coin digests: a commitment, or the seed of both shares."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.hash import block_word
from gateware.hash.sha256 import BLOCK_WORDS, STATE_WORDS, WORD_BITS

BYTE_BITS = 8
COMMITMENT_PREFIX = b"custodes/coin/v1"
SEED_PREFIX = b"custodes/seed/v1"
EPOCH_BITS = 64
PARTY_BITS = BYTE_BITS
MESSAGE_WORDS = 2 * BLOCK_WORDS
PREFIX_WORDS = len(SEED_PREFIX) * BYTE_BITS // WORD_BITS
FIRST_ROW = PREFIX_WORDS + EPOCH_BITS // WORD_BITS
"""Place in a message where what is in the store begins."""
END = FIRST_ROW + 2 * STATE_WORDS
SEED_BITS = WORD_BITS * END
COMMITMENT_BITS = SEED_BITS + PARTY_BITS
ROWS = 4 * STATE_WORDS


class Message(enum.Enum, shape=1):
    """Which of the two."""

    COMMITMENT = 0
    SEED = 1


class MessageSender(wiring.Component):
    """Sends one of the two messages to the hash engine, padded: two blocks.

    Members:
        run: send it, from the next cycle on; 0 goes back to its begin, and comes as soon as it is ``done``. message, party,
            epoch: which one; they hold from that cycle on until then.
        row, data: the next word of the store, and what it is, big-endian, in the cycle after one in which a word moves or
            none is offered. The store has the shares of prover and verifier, then their salts.
        o: words of blocks.
        done: the last of them is being taken.

    A word per cycle. Standard: FIPS 180-4, 5.1.1.
    """

    run: Signal
    message: Signal
    party: Signal
    epoch: Signal
    row: Signal
    data: Signal
    o: stream.Interface
    done: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "run": In(1),
                "message": In(Message),
                "party": In(1),
                "epoch": In(EPOCH_BITS),
                "row": Out(range(ROWS)),
                "data": In(WORD_BITS),
                "o": Out(stream.Signature(block_word())),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        at, carry, sends = Signal(range(MESSAGE_WORDS)), Signal(BYTE_BITS), Signal()
        # In what is in the store, of the word after this one.
        place = Signal(range(2 * STATE_WORDS), init=(1 - FIRST_ROW) % (2 * STATE_WORDS))
        commits, second = self.message == Message.COMMITMENT, place[3]
        moves = self.o.valid & self.o.ready
        m.d.sync += sends.eq(self.run & ~self.done)
        m.d.comb += [
            self.row.eq(Mux(commits, Cat(place[:3], self.party, second), place)),
            self.o.valid.eq(sends),
            self.o.payload.first.eq(at == 0),
            self.done.eq(moves & (at == MESSAGE_WORDS - 1)),
        ]
        prefix, body, ends = self._body(m, at)
        # The party is one byte, so that all behind it in a commitment is one byte off.
        shifted = Mux(commits, Cat(body[BYTE_BITS:], carry), body)
        length = Mux(commits, COMMITMENT_BITS, SEED_BITS)
        m.d.comb += self.o.payload.word.eq(Mux(at < PREFIX_WORDS, prefix, Mux(ends, length, shifted)))
        with m.If(~self.run):
            m.d.sync += [at.eq(0), place.eq(place.init), carry.eq(0)]
        with m.Elif(moves):
            m.d.sync += [at.eq(at + 1), place.eq(place + 1), carry.eq(body[:BYTE_BITS])]
        return m

    def _body(self, m: Module, at: Signal) -> tuple[Signal, Signal, Value]:
        """The prefix; what follows it as if it were aligned, which begins with the party; whether the length is next."""
        prefix, body = Signal(WORD_BITS), Signal(WORD_BITS)
        with m.Switch(at):
            for word in range(PREFIX_WORDS):
                place = slice(4 * word, 4 * word + 4)
                commitment, seed = (int.from_bytes(text[place]) for text in (COMMITMENT_PREFIX, SEED_PREFIX))
                with m.Case(word):
                    m.d.comb += prefix.eq(Mux(self.message == Message.COMMITMENT, commitment, seed))
                    if word == PREFIX_WORDS - 1:
                        m.d.comb += body.eq(self.party)
            with m.Case(PREFIX_WORDS):
                m.d.comb += body.eq(self.epoch[WORD_BITS:])
            with m.Case(PREFIX_WORDS + 1):
                m.d.comb += body.eq(self.epoch[:WORD_BITS])
            with m.Case(*range(FIRST_ROW, END)):
                m.d.comb += body.eq(self.data)
            with m.Case(END):
                m.d.comb += body.eq(Const(1 << WORD_BITS - 1, WORD_BITS))
        return prefix, body, at == MESSAGE_WORDS - 1
