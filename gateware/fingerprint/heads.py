# SPDX-License-Identifier: Apache-2.0
"""What the heads of the records of both directions have in common."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.fingerprint import HEAD_BYTES, MAGIC, WORD_BYTES
from gateware.fingerprint.ledger import WORD_BITS

HEAD_WORDS = HEAD_BYTES // WORD_BYTES
MAGIC_AT, ABOUT_AT, BEAT_AT, EPOCH_AT, ENTERED_AT, LEFT_AT, USED_AT, TICKS_AT = 0, 1, 2, 4, 6, 7, 8, 9
"""Places of the words of a head; of two words the higher one comes first."""
CLOSE_CYCLES = 2
"""After which a beat takes effect."""


class Heads(wiring.Component):
    """Goes through the words of a head after each beat, so that none of them has to be kept until it is written.

    Members:
        close: a beat.
        epoch, ticks: for the records: the epoch as it is `USED_AT` - `ENTERED_AT` cycles after the beat takes effect, the
            ticks a cycle later.
        write: there is a word, in the cycle in which the beat takes effect and in those that follow.
        place: which one; they begin with the one at `ENTERED_AT`, and behind the last comes the first.
        word: what it is, if both directions have it in common; zero else.

    Reset: the next beat has the number 0.
    """

    close: Signal
    epoch: Signal
    ticks: Signal
    write: Signal
    place: Signal
    word: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "close": In(1),
                "epoch": In(64),
                "ticks": In(32),
                "write": Out(1),
                "place": Out(range(HEAD_WORDS)),
                "word": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        closes = Signal(CLOSE_CYCLES)
        place, beat = Signal(range(HEAD_WORDS), init=ENTERED_AT), Signal(64)
        epoch, used = Signal(64, reset_less=True), Signal()
        m.d.sync += [closes.eq(closes << 1 | self.close), used.eq(place == USED_AT - 1)]
        m.d.comb += [self.place.eq(place), self.write.eq(closes[-1] | (place != ENTERED_AT))]
        with m.If(self.write):
            m.d.sync += place.eq(Mux(place == HEAD_WORDS - 1, 0, place + 1))
        words = {
            MAGIC_AT: int.from_bytes(MAGIC),
            BEAT_AT: beat[WORD_BITS:],
            BEAT_AT + 1: beat[:WORD_BITS],
            EPOCH_AT: epoch[WORD_BITS:],
            EPOCH_AT + 1: epoch[:WORD_BITS],
            TICKS_AT: self.ticks,
        }
        with m.Switch(place):
            for at, word in words.items():
                with m.Case(at):
                    m.d.comb += self.word.eq(word)
        # Words of the coin are counted per epoch: both are of one cycle.
        with m.If(used):
            m.d.sync += epoch.eq(self.epoch)
        with m.If(self.write & (place == EPOCH_AT)):
            m.d.sync += beat.eq(beat + 1)
        return m
