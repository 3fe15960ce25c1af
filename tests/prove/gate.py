# SPDX-License-Identifier: Apache-2.0
"""Plaintext gate: no byte of a frame leaves unless its verdict was good; frames leave whole and in their order."""

from typing import Any

from amaranth import Signal

from gateware.session.gate import Gate
from gateware.stream import beat_layout

from .harness import Harness, counter
from .store import stored_frames


def gate(h: Harness, lanes: int = 2, depth: int = 4) -> None:
    """Any frames, verdicts that come whenever they like, and a store that overflows."""
    dut = h.device(lambda: Gate(lanes, depth))
    h.drive(dut.i, dut.o)
    i = dut.i.payload
    good = h.free(1, "good")
    h.m.d.comb += [dut.verdict.valid.eq(h.free(1, "verdict_valid")), dut.verdict.payload.good.eq(good)]
    h.assume((i.count != 0) & (i.count <= lanes) & (i.last | (i.count == lanes)))
    h.assume(h.held(dut.i))
    h.assume(h.held(dut.verdict))
    beat: Any = Signal(beat_layout(lanes))
    i_moves = dut.i.valid & dut.i.ready
    h.m.d.comb += [
        beat.data.eq(i.data),
        *(beat.keep[lane].eq(lane < i.count) for lane in range(lanes)),
        beat.last.eq(i.last),
        beat.error.eq(i.last & ~good),
    ]
    store = stored_frames(h, i_moves, beat, dut.full, dut.o, depth)

    h.check(~dut.i.valid | (dut.i.ready == (~i.last | dut.verdict.valid)))
    h.check(dut.verdict.ready == (dut.i.valid & i.last))

    bad = counter(h, store.ends & store.beat.error, "bad")
    overflows = counter(h, dut.full, "overflows")
    waits = counter(h, dut.i.valid & ~dut.i.ready, "waits")
    h.cover((bad == 1) & (overflows == 0) & (store.given == 2))
    h.cover((overflows == 1) & (bad == 1) & store.o_moves & (store.given == 4) & (store.before == 0))
    h.cover(dut.full & ~store.beat.error & (store.before > depth))  # a good frame longer than the store
    h.cover(store.given == 2 * depth + 1)  # every pointer has wrapped
    h.cover((waits == 3) & (store.given == 3) & dut.o.payload.last & dut.o.valid)
    h.cover(dut.o.valid & (store.given == store.tag) & (store.tag == depth - 1) & (dut.o.payload.data[0] == 0xA5))
