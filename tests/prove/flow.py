# SPDX-License-Identifier: Apache-2.0
"""The flow table: each flow that begins has a word of entropy of its own, and nothing leaves of a frame that was dropped."""

from typing import Any

from amaranth import Cat, Mux, Signal
from amaranth.hdl import Value

from custodes.flow_table import MIN_FLOWS, PROBES
from custodes.table import Reason
from gateware.flow import allocator
from gateware.flow.allocator import WAY_CYCLES, Allocator, Seeking
from gateware.flow.geometry import Geometry
from gateware.flow.rewriter import WordRewriter
from gateware.flow.wide import BeatRewriter

from .cut import Cut, drive_inputs
from .harness import Harness, counter

TAG_BITS = 3
"""Of the number of a frame, and of a result; no more are inside."""
MARK = 4
"""Count of a word that only words of the frame with the solver's tag have."""


def words_once(h: Harness) -> None:
    """Any flows that are to begin, one after the other, and anything in the table."""
    cut = Cut(lambda: Allocator(Geometry(MIN_FLOWS)), {}, watched=[allocator])
    dut = h.device(lambda: cut.dut)
    m = h.m
    drive_inputs(h, dut)
    state, number, waited = (cut.signals[f"Allocator.elaborate.{name}"] for name in ("state", "number", "waited"))

    # From start to done what is asked for is held, and nothing else is.
    working, side_before, taken, word = Signal(), Signal(), Signal(), Signal(len(dut.words[0].payload))
    m.d.sync += side_before.eq(dut.side)
    with m.If(dut.start):
        m.d.sync += working.eq(1)
    with m.Elif(dut.done):
        m.d.sync += working.eq(0)
    h.assume(~(dut.start & working))
    h.assume(~working | (dut.side == side_before))

    takes = Cat(words.valid & words.ready for words in dut.words)
    mine = takes.bit_select(dut.side, 1)
    with m.If(dut.start):
        m.d.sync += taken.eq(0)
    with m.Elif(mine):
        m.d.sync += [taken.eq(1), word.eq(Mux(dut.side, dut.words[1].payload, dut.words[0].payload))]

    low = len(dut.slot) - 1
    same = (
        (dut.word.isn_initiator == _big_endian(word, 0, 4))
        & (dut.word.isn_responder == _big_endian(word, 4, 8))
        & (dut.word.port == _big_endian(word, 8, 10))
        & (dut.word.echo_sequence == _big_endian(word, 10, 12))
    )
    probe = (dut.slot[:low] - _big_endian(word, 8, 10)[:low])[:low]
    begins = dut.done & (dut.reason == Reason.FORWARDED)
    h.check(~takes.any() | (mine & working & ~taken))
    h.check(~dut.done | (working & (taken == (dut.reason != Reason.ENTROPY_EMPTY))))
    h.check(~begins | ((probe < PROBES) & (dut.slot[low] == dut.side)))
    h.check(~begins | same)
    h.check(~dut.fault)

    seeks = (state == Seeking.SLOT) | (state == Seeking.WAY)
    h.lemma((state == Seeking.REST) | (working & ~dut.done))
    h.lemma((state != Seeking.REST) | (working == dut.done))
    h.lemma(~seeks | taken)
    h.lemma((state != Seeking.WORD) | ~taken)
    h.lemma(~(working & taken) | ((probe < PROBES) & (dut.slot[low] == dut.side)))
    h.lemma((state != Seeking.SLOT) | (probe == number))
    h.lemma((state != Seeking.WAY) | (waited <= WAY_CYCLES))
    h.lemma(~(working & taken) | same)

    h.cover(begins & (probe == 2) & dut.side)
    h.cover(begins & dut.reused & dut.replaces & (dut.way == 1))
    h.cover(dut.done & (dut.reason == Reason.ENTROPY_EMPTY))


def dropped_words(h: Harness) -> None:
    """Any words and results, of which one drops its frame."""
    dut = h.device(lambda: Cut(WordRewriter, {}).dut)
    tagged = _rewritten(h, dut)
    h.assume(~dut.i.valid | ((dut.i.payload.count == MARK) == tagged))
    _check_dropped(h, dut, dut.o.payload.count == MARK)


def dropped_beats(h: Harness) -> None:
    """Any beats and results, of which one drops its frame."""
    dut = h.device(lambda: Cut(lambda: BeatRewriter(8), {}).dut)
    tagged = _rewritten(h, dut)
    h.assume(~dut.i.valid | (dut.i.payload.error == tagged))
    _check_dropped(h, dut, dut.o.payload.error)


def _rewritten(h: Harness, dut: Any) -> Value:
    """Whether the frame that comes is that with the solver's tag, of which the result says that it is dropped."""
    h.drive(dut.i, dut.o)
    payload = Value.cast(dut.result.payload)
    h.m.d.comb += [
        dut.result.valid.eq(h.free(1, "result_valid")),
        payload.eq(h.free(len(payload), "result")),
        dut.window_scale.eq(h.free(4, "window_scale")),
    ]
    h.assume(h.held(dut.i))
    h.assume(h.held(dut.result))
    tag = h.constant(TAG_BITS, "tag")
    frames = counter(h, dut.i.valid & dut.i.ready & dut.i.payload.last, "frames", TAG_BITS)
    results = counter(h, dut.result.valid & dut.result.ready, "results", TAG_BITS)
    h.assume(~dut.result.valid | (dut.result.payload.forward == (results != tag)))
    return frames == tag


def _check_dropped(h: Harness, dut: Any, marked: Value) -> None:
    """Nothing marked leaves; as many frames leave or are dropped as have results."""
    ends = dut.o.valid & dut.o.ready & dut.o.payload.last
    given = counter(h, dut.result.valid & dut.result.ready, "given")
    left, dropped = counter(h, ends, "left"), counter(h, dut.dropped, "all_dropped")
    h.check(~(dut.o.valid & marked))
    h.check(h.held(dut.o))
    h.check(~dut.dropped | ~dut.result.payload.forward)
    h.check((given - left - dropped)[: len(given)] <= 3)
    h.cover((dropped == 1) & (left == 2) & (given == 3))


def _big_endian(word: Value, start: int, stop: int) -> Value:
    return Cat(word.word_select(at, 8) for at in reversed(range(start, stop)))
