# SPDX-License-Identifier: Apache-2.0
"""Plaintext gate, for ever: what leaves is frames whose verdict was good, and nothing else.

Shown are two things: no more leaves than good frames have brought in, and of these any beat, when those before it have
left, leaves as it came. When a verdict is good is shown in `verdicts`; that nothing is late is shown for some steps only, in
`gate`.

The store has 16 places here, which takes seconds. With as many as in `Opener`, 4096 of 1 lane or 512 of 8 or 64, the same
has been shown with Yices, in minutes; that is not done every time. Of the store's memory one place is kept, whichever it is.
Its pointers are named, so that the induction starts where the store can be.
"""

from typing import Any

from amaranth import Cat, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import memory

from gateware.session.gate import Gate
from gateware.stream import fifo

from .cut import Cut, OneRow
from .gate import drive_gate
from .harness import Harness, counter

DEPTH = 16
FIFO = "FrameFIFO.elaborate"


class Arrivals:
    """Beats that the gate has taken, one and two cycles ago, and how many beats of good frames have not left.

    A frame's end is told two cycles after its last beat: by then ``full`` says whether there was room.

    Members:
        valid, beat, before: what was taken a cycle ago, and how many beats of its frame before it, up to ``depth`` + 1.
        ends, good: a frame has come to its end two cycles ago, and it is to leave.
        length: how many beats that one has.
        inside, inside_now: beats of good frames that have not left, without and with it.
    """

    beat: Any

    def __init__(self, h: Harness, i_moves: Value, beat: Any, full: Value, o_moves: Value, depth: int) -> None:
        m, most = h.m, depth + 1
        self.valid, self.beat, self.before = Signal(), Signal(beat.shape()), Signal(range(most + 1))
        then: Any = Signal(beat.shape())
        then_valid, then_before = Signal(), Signal(range(most + 1))
        self.ends, self.good, self.length = Signal(), Signal(), Signal(range(most + 2))
        self.inside, self.inside_now = Signal(range(2 * depth)), Signal(range(2 * depth))
        m.d.sync += [self.valid.eq(i_moves), self.beat.eq(beat), then_valid.eq(self.valid), then.eq(self.beat)]

        def after(before: Signal, last: Value) -> Value:
            return Mux(last, 0, Mux(before == most, most, before + 1))

        with m.If(self.valid):
            m.d.sync += self.before.eq(after(self.before, self.beat.last))
        with m.If(then_valid):
            m.d.sync += then_before.eq(after(then_before, then.last))
        m.d.comb += [
            self.ends.eq(then_valid & then.last),
            self.good.eq(self.ends & ~then.error & ~full),
            self.length.eq(then_before + 1),
            self.inside_now.eq(self.inside + Mux(self.good, self.length, 0)),
        ]
        m.d.sync += self.inside.eq(self.inside_now - o_moves)
        h.check(~full | self.ends)
        h.check(~self.good | (self.length <= depth))
        h.lemma((self.before <= most) & (then_before <= most))
        h.lemma(self.before == Mux(then_valid, after(then_before, then.last), then_before))


class Marked:
    """One beat, which the solver picks when it is written where the kept place is.

    Members:
        valid, beat: there is one, and it has not been dropped; as it came.
        good: its frame is to leave.
        offset: how many beats of its frame are before it.
        position: once it is ``good``: so many beats leave until it has.
    """

    def __init__(self, h: Harness, arrivals: Arrivals, here: Value, o_moves: Value, depth: int) -> None:
        m = h.m
        waits, leaves = Signal(), Signal()
        held = Signal.like(arrivals.inside)
        self.valid, self.good, self.beat = Signal(), Signal(), Signal(arrivals.beat.shape())
        self.offset, self.position = Signal.like(arrivals.before), Signal.like(arrivals.inside)
        m.d.comb += [
            self.good.eq(held.any() | (waits & arrivals.good)),
            self.position.eq(Mux(held.any(), held, arrivals.inside + self.offset + 1)),
            self.valid.eq(self.good | (waits & ~arrivals.ends)),
            leaves.eq(self.good & o_moves & (self.position == 1)),
        ]
        fits = arrivals.before < depth  # no frame leaves that has more
        with m.If(~self.valid & arrivals.valid & fits & here & h.free(1, "mark")):
            m.d.sync += [waits.eq(1), self.beat.eq(arrivals.beat), self.offset.eq(arrivals.before), held.eq(0)]
        with m.Elif(self.good):
            m.d.sync += [waits.eq(0), held.eq(self.position - o_moves)]
        with m.Elif(arrivals.ends):
            m.d.sync += waits.eq(0)
        h.lemma(~(waits & held.any()))
        self.leaves = leaves


def gate_for_ever(h: Harness, lanes: int) -> None:
    """Any frames, of any length, and verdicts that come whenever they like."""
    depth = DEPTH
    cut = Cut(lambda: Gate(lanes, depth), {memory: {"Memory": OneRow}}, watched=[fifo])
    dut = h.device(lambda: cut.dut)
    i_moves, beat = drive_gate(h, dut)
    i, o = dut.i.payload, dut.o
    o_moves = o.valid & o.ready
    kept = cut.made["Memory"][0]
    h.m.d.comb += [
        kept.tag.eq(h.constant(range(depth), "place")),
        kept.others.eq(h.free(len(kept.others), "others")),
    ]

    def inner(name: str) -> Any:
        return cut.signals[f"{FIFO}.{name}"]

    head, committed, tail = inner("head"), inner("committed"), inner("tail")
    arrivals = Arrivals(h, i_moves, beat, dut.full, o_moves, depth)
    marked = Marked(h, arrivals, tail[:-1] == kept.tag, o_moves, depth)

    h.check(~(i_moves & i.last) | dut.verdict.valid)
    h.check(dut.verdict.ready == (dut.i.valid & i.last))
    h.check(~o.valid | arrivals.inside.any())
    h.check(~o.valid | ~o.payload.error)
    h.check(~(o.valid & marked.good & (marked.position == 1)) | _same(o.payload, marked.beat))

    # Where the induction starts from.
    stages = inner("row_valid") + inner("o_valid")
    wraps = len(head)
    used, whole = (tail - head)[:wraps], (committed - head)[:wraps]
    h.lemma((whole <= used) & (used <= depth))
    h.lemma(arrivals.inside_now == whole + stages)
    h.lemma(~arrivals.good | (arrivals.length <= whole))
    h.lemma(inner("beat_valid") == arrivals.valid)
    h.lemma(~arrivals.valid | (inner("beat").as_value() == arrivals.beat.as_value()))
    h.lemma(inner("dropping") | ((tail - committed)[:wraps] == arrivals.before))
    h.lemma(~inner("dropping") | arrivals.before.any())
    in_memory = marked.position - 1 - stages
    place = Mux(marked.good, head + in_memory, committed + marked.offset)[: wraps - 1]
    written = Mux(marked.good, marked.position > stages, ~inner("dropping"))
    h.lemma(~(marked.valid & written) | ((place == kept.tag) & _same(kept.row, marked.beat)))
    h.lemma(~marked.good | (marked.position.any() & (marked.position <= arrivals.inside_now)))
    h.lemma(~marked.valid | marked.good | (marked.offset < arrivals.before))
    in_row = inner("row_valid") & (marked.position == stages)
    h.lemma(~(marked.good & in_row) | _same(inner("row"), marked.beat))
    in_o = inner("o_valid") & (marked.position == 1)
    h.lemma(~(marked.good & in_o) | _same(inner("o_beat"), marked.beat))

    bad = counter(h, arrivals.ends & ~arrivals.good, "bad")
    h.cover((bad == 2) & marked.leaves & marked.offset.any())
    h.cover(o.valid & (bad == 1) & (arrivals.inside == 3) & o.payload.last)
    h.cover(marked.valid & ~marked.good & arrivals.inside.any() & ~o.ready)


def _same(stored: Any, beat: Any) -> Value:
    """Whether that is the beat, as far as it matters: in the store it has no ``error``, and its first lane is kept."""
    keep = Cat(1, Value.cast(stored.keep))[-len(beat.keep) :]
    return (
        (Value.cast(stored.data) == Value.cast(beat.data))
        & (keep == Value.cast(beat.keep))
        & (stored.last == beat.last)
    )
