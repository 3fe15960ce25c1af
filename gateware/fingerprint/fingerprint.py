# SPDX-License-Identifier: Apache-2.0
"""The records of one direction: `custodes.fingerprint`."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.fingerprint import DIGEST_BYTES, RECORD_WORDS, WORD_BYTES
from custodes.table import Port
from gateware.fingerprint.absorber import Absorber, TapInterface, tap_signature
from gateware.fingerprint.heads import ABOUT_AT, ENTERED_AT, HEAD_WORDS, LEFT_AT, USED_AT
from gateware.fingerprint.ledger import SLOTS, WORD_BITS, Ledger
from gateware.hash import Sha256
from gateware.hash.sha256 import BLOCK_WORDS

STORE_BYTES = 4096
DIGEST_WORDS = DIGEST_BYTES // WORD_BYTES
DIGEST_AT = RECORD_WORDS
"""In a slot of the ledger, behind the record: what the chain takes in besides."""
LINK_WORDS = DIGEST_WORDS + HEAD_WORDS + DIGEST_WORDS
"""Of the message that the chain is the digest of."""
PADDED_WORDS = -(-(LINK_WORDS + 3) // BLOCK_WORDS) * BLOCK_WORDS
"""The same with a bit that is set, and the length in two words: FIPS 180-4, 5.1.1."""


class Fingerprint(wiring.Component):
    """Chains what passes into records. It never holds back what it looks at.

    Args:
        lanes: bytes per beat.
        direction: the port at which the frames have entered.
        store_bytes: of frames that wait to be digested, a power of two above 2 * `MAX_FRAME_BYTES`.

    Members:
        tap: what leaves.
        entered: for one cycle, that a frame has entered.
        close: for one cycle, that a record ends; at least `MIN_BEAT_CYCLES` apart, where the store is not larger than usual.
        head_write, head_place, head: the words of the record's head, see `Heads`; those that it does not know are added.
        words: for the record, as they are when their place comes.
        room: a frame of up to `MAX_FRAME_BYTES` that begins now is not too much.
        count, index, value, take: records, see `Ledger`.
        overflow: for one cycle, that a frame has left that is in no record's chain.
        lost: for one cycle, that a record was not kept.

    What is sustained: frames of n bytes every max((n + 2) * 65 / 64, n + 5) cycles, whatever the lanes. Faster ones wait in
    the store. A record is there some 350 cycles after all that was to be digested. Reset: a new chain begins; reset what is
    tapped, too.
    """

    tap: TapInterface
    entered: Signal
    close: Signal
    head_write: Signal
    head_place: Signal
    head: Signal
    words: Signal
    room: Signal
    count: Signal
    index: Signal
    value: Signal
    take: Signal
    overflow: Signal
    lost: Signal

    def __init__(self, lanes: int, direction: Port, store_bytes: int = STORE_BYTES) -> None:
        self.lanes = lanes
        self.direction = direction
        self.store_bytes = store_bytes
        super().__init__(
            {
                "tap": In(tap_signature(lanes)),
                "entered": In(1),
                "close": In(1),
                "head_write": In(1),
                "head_place": In(range(HEAD_WORDS)),
                "head": In(WORD_BITS),
                "words": In(32),
                "room": Out(1),
                "count": Out(range(SLOTS)),
                "index": In(range(RECORD_WORDS)),
                "value": Out(WORD_BITS),
                "take": In(1),
                "overflow": Out(1),
                "lost": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.absorber = absorber = Absorber(self.lanes, self.store_bytes)
        m.submodules.engine = engine = Sha256()
        m.submodules.ledger = ledger = Ledger()
        wiring.connect(m, wiring.flipped(self.tap), absorber.tap)
        m.d.comb += [
            absorber.close.eq(self.close),
            self.room.eq(absorber.room),
            self.overflow.eq(absorber.dropped),
            self.count.eq(ledger.count),
            ledger.index.eq(self.index),
            self.value.eq(ledger.value),
            ledger.take.eq(self.take),
        ]
        chained, lost = Signal(), Signal()
        head, overflowed = self._head(m, absorber, lost)

        step, ends = Signal(range(PADDED_WORDS)), Signal()
        link, before = Signal(WORD_BITS, reset_less=True), Signal(init=1)
        source = Signal.like(ledger.source, init=HEAD_WORDS)
        state = engine.state.word_select(~step[:3], WORD_BITS)
        m.d.comb += [
            self.lost.eq(ledger.keep & ledger.full),
            ledger.source.eq(source),
            ledger.before.eq(before),
            engine.i.payload.word.eq(link),
            engine.i.payload.first.eq(step == 0),
        ]
        with m.FSM():
            with m.State("ABSORB"):
                m.d.comb += [
                    engine.i.valid.eq(absorber.o.valid),
                    engine.i.payload.eq(absorber.o.payload),
                    absorber.o.ready.eq(engine.i.ready),
                    # The record before this one has been made: so long is a beat.
                    ledger.place.eq(self.head_place),
                    ledger.i.eq(head),
                    ledger.write.eq(self.head_write),
                ]
                with m.If(absorber.closing & ~engine.busy):
                    m.next = "DIGEST"
            with m.State("DIGEST"):
                m.d.comb += [
                    ledger.place.eq(DIGEST_AT + step),
                    ledger.i.eq(Mux(overflowed, 0, state)),
                    ledger.write.eq(1),
                    ends.eq(step == DIGEST_WORDS - 1),
                ]
                m.d.sync += step.eq(Mux(ends, 0, step + 1))
                with m.If(ends):
                    m.next = "FETCH"
            # The chain before, the head, the digest; then the padding. While a word waits, the next is read.
            with m.State("FETCH"):
                m.next = "READ"
            with m.State("READ"):
                m.d.sync += source.eq(source + 1)
                with m.If(step == DIGEST_WORDS - 1):
                    m.d.sync += [source.eq(0), before.eq(0)]
                with m.If(step == DIGEST_WORDS + HEAD_WORDS - 1):
                    m.d.sync += source.eq(DIGEST_AT)
                with m.If(step < LINK_WORDS):
                    m.d.sync += link.eq(Mux(before & ~chained, 0, ledger.o))
                with m.Elif(step == LINK_WORDS):
                    m.d.sync += link.eq(1 << WORD_BITS - 1)
                with m.Else():
                    m.d.sync += link.eq(Mux(step == PADDED_WORDS - 1, LINK_WORDS * WORD_BITS, 0))
                m.next = "LINK"
            with m.State("LINK"):
                m.d.comb += [engine.i.valid.eq(1), ends.eq(step == PADDED_WORDS - 1)]
                with m.If(engine.i.ready):
                    m.d.sync += step.eq(Mux(ends, 0, step + 1))
                    m.next = "READ"
                    with m.If(ends):
                        m.d.sync += [source.eq(HEAD_WORDS), before.eq(1)]
                        m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~engine.busy):
                m.next = "CHAIN"
            with m.State("CHAIN"):
                m.d.comb += [
                    ledger.place.eq(HEAD_WORDS + step),
                    ledger.i.eq(state),
                    ledger.write.eq(1),
                    ends.eq(step == DIGEST_WORDS - 1),
                ]
                m.d.sync += step.eq(Mux(ends, 0, step + 1))
                with m.If(ends):
                    m.next = "KEEP"
            with m.State("KEEP"):
                m.d.comb += [ledger.keep.eq(1), absorber.closed.eq(1)]
                m.d.sync += [chained.eq(1), lost.eq(ledger.full)]
                m.next = "ABSORB"
        return m

    def _head(self, m: Module, absorber: Absorber, lost: Signal) -> tuple[Signal, Signal]:
        """The word that is next of a record's head, and whether the record is one with an overflow."""
        head, about = Signal(WORD_BITS), Signal(WORD_BITS)
        entered, left, closes_later = Signal(2), Signal(), Signal()
        frames_in, frames_out, overflowing, overflowed = Signal(32), Signal(32), Signal(), Signal()
        closes = absorber.closes
        # The number of frames that have left is written a cycle later than the other, and begins a cycle later.
        m.d.sync += [
            entered.eq(Cat(self.entered, entered)),
            left.eq(absorber.ended),
            closes_later.eq(closes),
            frames_in.eq(Mux(closes, 0, frames_in) + entered[-1]),
            frames_out.eq(Mux(closes_later, 0, frames_out) + left),
            overflowing.eq((overflowing & ~closes) | absorber.dropped),
        ]
        with m.If(closes):
            m.d.sync += overflowed.eq(overflowing)
        m.d.comb += about.eq(self.direction << 24 | Cat(overflowed, lost) << 16)
        with m.Switch(self.head_place):
            for place, word in {
                ABOUT_AT: about,
                ENTERED_AT: frames_in,
                LEFT_AT: frames_out,
                USED_AT: self.words,
            }.items():
                with m.Case(place):
                    m.d.comb += head.eq(word)
            with m.Default():
                m.d.comb += head.eq(self.head)
        return head, overflowed
