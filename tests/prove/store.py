# SPDX-License-Identifier: Apache-2.0
"""What is shown of every unit that keeps frames until their last beat says whether they leave."""

from dataclasses import dataclass
from typing import Any

from amaranth import Mux, Signal
from amaranth.hdl import Value

from .harness import COUNT_BITS, Harness, counter

VERDICT_CYCLES = 2


@dataclass(frozen=True)
class Store:
    """Where its scoreboard is. ``beat`` came in 2 cycles ago, ``before`` are those of its frame before it; it ``ends`` one.

    ``committed`` and ``given``: how many beats of whole frames have come in and gone out. ``tag``: which one is followed.
    """

    ends: Value
    beat: Any
    before: Signal
    committed: Signal
    given: Signal
    tag: Signal
    o_moves: Value


def stored_frames(h: Harness, valid: Value, i: Any, overflow: Value, o: Any, depth: int) -> Store:
    """Beats ``i`` go into the store, where a frame is dropped if its last says ``error`` or with ``overflow``.

    Nothing of a frame leaves before it has ended and unless it is good, whatever is in the store by then; all of it does
    otherwise, in order, and is not late. A verdict is due exactly 2 cycles after a frame's last beat, so the scoreboard
    looks at the input then. ``overflow`` comes only and always when there is no room.
    """
    m = h.m
    tag = h.constant(COUNT_BITS, "tag")
    width = len(i.as_value())
    valid1, valid2, beat1 = Signal(), Signal(), Signal(width)
    beat2: Any = Signal(i.shape())
    m.d.sync += [valid1.eq(valid), beat1.eq(i), valid2.eq(valid1), beat2.as_value().eq(beat1)]
    last1 = beat1[-2]
    ends, dropped = Signal(), Signal()
    committed, committed_now = Signal(COUNT_BITS), Signal(COUNT_BITS)
    before1, before2 = Signal(COUNT_BITS), Signal(COUNT_BITS)  # beats of the same frame before the one in each stage
    m.d.comb += [
        ends.eq(valid2 & beat2.last),
        dropped.eq(beat2.error | overflow),
        committed_now.eq(Mux(ends & ~dropped, committed + before2 + 1, committed)),
    ]
    m.d.sync += committed.eq(committed_now)
    with m.If(valid1):
        m.d.sync += before1.eq(Mux(last1, 0, before1 + 1))
    with m.If(valid2):
        m.d.sync += before2.eq(Mux(beat2.last, 0, before2 + 1))
    position2 = Signal(COUNT_BITS)
    m.d.comb += position2.eq(committed + before2)
    seen = Signal(width)
    with m.If(valid2 & (position2 == tag)):
        m.d.sync += seen.eq(beat2)

    o_moves = o.valid & o.ready
    given = counter(h, o_moves, "given")
    # What the store may and must find full when a beat is written: two beats can be on their way out of it.
    load = Signal(COUNT_BITS)
    m.d.comb += load.eq(committed_now + before1 - given)
    may, must, ended1 = Signal(), Signal(), Signal()
    m.d.sync += ended1.eq(valid1 & last1)
    may_now, must_now = Signal(), Signal()
    m.d.comb += [
        may_now.eq((may & ~ended1) | (valid1 & (load >= depth))),
        must_now.eq((must & ~ended1) | (valid1 & (load >= depth + 2))),
    ]
    m.d.sync += [may.eq(may_now), must.eq(must_now)]
    committed_before = Signal(COUNT_BITS)
    m.d.sync += committed_before.eq(committed)

    h.check(h.held(o))
    h.check(h.well_formed(o))
    h.check(~o.valid | (given < committed))  # nothing of a frame that is not committed
    h.check(o.valid | (given >= committed_before))  # nothing is lost, and nothing is late
    h.check(~(o.valid & (given == tag)) | (o.payload.as_value()[:-1] == seen[:-1]))
    h.check(~o.valid | ~o.payload.error)
    h.check(~overflow | (ends & may))
    h.check(~(ends & must) | overflow)
    return Store(ends, beat2, before2, committed, given, tag, o_moves)
