# SPDX-License-Identifier: Apache-2.0
"""Moves words between memories, the hash and frames."""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import DIGEST_WORDS, PIECE_BYTES, WORD_BYTES
from gateware.hash.sha256 import STATE_BITS
from gateware.pick import gated
from gateware.sampler.feeder import MESSAGE_WORD
from gateware.sampler.layouts import WORD_BITS
from gateware.sampler.program import KEY_ROWS, LEDGER_WORDS, STACK_AT, Note, Row, Sink, Source, Stack
from gateware.sampler.registers import TURNS

PIECE_WORDS = PIECE_BYTES // WORD_BYTES
COUNT_BITS = 8
SOURCE_BITS, SINK_BITS = 4, 3
LEVELS = 32
"""Of digests in the ledger's stack: pairs in an epoch are counted in 32 bits."""
ROW = data.StructLayout(
    {
        "source": SOURCE_BITS,
        "sink": SINK_BITS,
        "words": COUNT_BITS,
        "at": range(LEDGER_WORDS),
        "to": range(LEDGER_WORDS),
        "last": 1,
        "stack": 2,
        "note": 2,
        "literal": WORD_BITS,
    }
)


class Mover(wiring.Component):
    """Does what rows of the program say, one after the other.

    Args:
        program: the rows.
        slot_words: of a transcript.

    Members:
        go, first, count: so many rows are done from that one on, in order; ``done``: for one cycle, that the last has been.
        top: digests in the stack. ``rows``: it moves.
        place, piece: of the transcript: where the piece that is moved begins, and its words.
        turn, address, ledger; write, write_address, written: see `Registers`.
        source_at: of ``tag``, ``transcript`` and ``key``, which are there 3 cycles later.
        digest, ready, hash: see `Feeder`.
        key_write, key_to: of the key.
        frame, frame_last: words of frames.
        word: what is written.
        noted: for one cycle, that ``word`` is worth a note.
        kept: the digest that was compared is below the threshold, or there is none.

    A word takes 4 cycles, and a row as many more.
    """

    go: Signal
    first: Signal
    count: Signal
    done: Signal
    top: Signal
    place: Signal
    piece: Signal
    turn: Signal
    address: Signal
    ledger: Signal
    write: Signal
    write_address: Signal
    written: Signal
    source_at: Signal
    tag: Signal
    transcript: Signal
    key: Signal
    digest: Signal
    ready: Signal
    hash: stream.Interface
    key_write: Signal
    key_to: Signal
    frame: stream.Interface
    word: Signal
    noted: Signal
    kept: Signal

    def __init__(self, program: Sequence[Row], slot_words: int) -> None:
        self.program = program
        word = In(WORD_BITS)
        super().__init__(
            {
                "go": In(1),
                "first": In(range(len(program))),
                "count": In(range(len(program))),
                "done": Out(1),
                "top": In(range(LEVELS + 1)),
                "place": In(range(slot_words + 1)),
                "piece": In(range(slot_words + 1)),
                "turn": In(range(TURNS)),
                "address": Out(range(LEDGER_WORDS)),
                "ledger": word,
                "write": Out(1),
                "write_address": Out(range(LEDGER_WORDS)),
                "written": In(1),
                "source_at": Out(range(max(slot_words, LEDGER_WORDS))),
                "tag": word,
                "transcript": word,
                "key": word,
                "digest": In(STATE_BITS),
                "ready": In(1),
                "hash": Out(stream.Signature(MESSAGE_WORD)),
                "key_write": Out(1),
                "key_to": Out(range(KEY_ROWS)),
                "frame": Out(stream.Signature(MESSAGE_WORD)),
                "word": Out(WORD_BITS),
                "noted": Out(Note),
                "kept": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row, number, rows = Signal(ROW), Signal.like(self.first), Signal.like(self.count)
        asks, loads, runs, reads = Signal(), Signal(), Signal(), Signal()
        self._fetch(m, row, number)
        left, source_at, sink_at = Signal.like(self.piece), Signal.like(self.source_at), Signal.like(self.address)
        word, valid, final, accepted, after = self.word, Signal(), Signal(), Signal(), Signal()
        last = final & row.last
        level = (self.top - Mux(row.stack == Stack.PAIR, 2, 0))[: (LEVELS - 1).bit_length()]
        base = Mux(row.stack == Stack.NONE, 0, STACK_AT | level * DIGEST_WORDS)
        transcript = row.source == Source.TRANSCRIPT
        m.d.sync += [loads.eq(asks), asks.eq(0), self.done.eq(0)]
        with m.If(self.go):
            m.d.sync += [number.eq(self.first), rows.eq(self.count), asks.eq(1)]
        with m.If(loads):
            in_ledger = row.sink == Sink.LEDGER
            m.d.sync += [
                left.eq(Mux(transcript, self.piece, row.words)),
                source_at.eq(Mux(transcript, self.place, Mux(in_ledger, row.at, row.at | base))),
                sink_at.eq(Mux(in_ledger, row.to | base, row.to)),
                runs.eq(1),
            ]
        digest_word = Signal(WORD_BITS)
        compares = row.sink == Sink.COMPARE
        of_digest = (row.source == Source.DIGEST) | (row.source == Source.SWAPPED)
        # The digest's word is as of a cycle ago.
        ready = Signal()
        waits = (compares | of_digest) & ~ready
        index = Mux(compares, sink_at[:3], source_at[:3])
        m.d.sync += [ready.eq(self.ready), digest_word.eq(self.digest.word_select(~index, WORD_BITS))]
        moves = Signal()
        with m.If(self.turn == 0):
            m.d.sync += reads.eq(runs)
        m.d.comb += moves.eq(reads & (self.turn == TURNS - 1) & ~valid & left.any() & ~waits)
        # Of two registers with an address each the second half of the first is the upper half of its second word.
        head, before = row.source == Source.HEAD, Signal(WORD_BITS)
        halves = Cat(
            self.ledger[WORD_BITS // 2 :], Mux(source_at[0], before[: WORD_BITS // 2], before[WORD_BITS // 2 :])
        )
        of_ledger = (row.source == Source.LEDGER) | ((row.source == Source.ROOT) & self.top.any())
        whole = of_ledger | (head & ~source_at[1])
        with m.If(moves):
            m.d.sync += [
                word.eq(
                    gated(
                        (
                            (row.source == Source.LITERAL, row.literal),
                            (whole, self.ledger),
                            (head & source_at[1], halves),
                            (row.source == Source.TAG, self.tag),
                            (row.source == Source.KEY, self.key),
                            (transcript, self.transcript),
                            (row.source == Source.PLACE, self.place * WORD_BYTES),
                            (row.source == Source.DIGEST, digest_word),
                            (row.source == Source.SWAPPED, _swapped(digest_word)),
                        )
                    )
                ),
                before.eq(self.ledger),
                valid.eq(~head | (source_at[:2] != 1)),
                final.eq(left == 1),
                left.eq(left - 1),
                source_at.eq(source_at + 1),
            ]
        m.d.comb += [
            self.address.eq(source_at),
            self.source_at.eq(source_at),
            self.write_address.eq(sink_at),
            self.key_to.eq(sink_at),
            self.hash.valid.eq(valid & (row.sink == Sink.HASH)),
            self.frame.valid.eq(valid & (row.sink == Sink.FRAME)),
            self.write.eq(valid & (row.sink == Sink.LEDGER)),
            self.key_write.eq(valid & (row.sink == Sink.KEY)),
            accepted.eq(
                (self.hash.valid & self.hash.ready)
                | (self.frame.valid & self.frame.ready)
                | self.written
                | self.key_write
                | (valid & compares)
            ),
            self.noted.eq(Mux(after & final, row.note, Note.NONE)),
        ]
        for port in (self.hash, self.frame):
            m.d.comb += [port.payload.word.eq(word), port.payload.last.eq(last)]
        # What follows from it is done a cycle later: there is no other word before the one after that.
        m.d.sync += after.eq(accepted)
        with m.If(accepted):
            m.d.sync += valid.eq(0)
        with m.If(after):
            m.d.sync += sink_at.eq(sink_at + 1)
            with m.If(final):
                m.d.sync += [runs.eq(0), reads.eq(0), number.eq(number + 1), rows.eq(rows - 1)]
                m.d.sync += [asks.eq(rows != 1), self.done.eq(rows == 1)]
        self._compare(m, valid & compares, sink_at[0], digest_word)
        return m

    def _fetch(self, m: Module, row: data.View, number: Signal) -> None:
        with m.Switch(number):
            for at, it in enumerate(self.program):
                with m.Case(at):
                    m.d.sync += [
                        row.source.eq(it.source),
                        row.sink.eq(it.sink),
                        row.words.eq(it.words),
                        row.at.eq(it.at),
                        row.to.eq(it.to),
                        row.last.eq(it.last),
                        row.stack.eq(it.stack),
                        row.note.eq(it.note),
                        row.literal.eq(it.literal),
                    ]

    def _compare(self, m: Module, valid: Value, second: Value, digest_word: Signal) -> None:
        always, less, same = Signal(), Signal(), Signal()
        below = digest_word < self.word
        with m.If(valid & ~second):
            m.d.sync += [always.eq(self.word.all()), less.eq(below), same.eq(digest_word == self.word)]
        with m.If(valid & second):
            m.d.sync += self.kept.eq((always & self.word.all()) | less | (same & below))


def _swapped(word: Signal) -> Value:
    return Cat(word.word_select(at, 8) for at in reversed(range(WORD_BYTES)))
