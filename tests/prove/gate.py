# SPDX-License-Identifier: Apache-2.0
"""Plaintext gate: no byte of a frame leaves unless its verdict was good; frames leave whole and in their order."""

from typing import Any

from amaranth import Signal
from amaranth.hdl import Value

from gateware.session.gate import Gate
from gateware.stream import beat_layout

from .harness import Harness, counter
from .store import stored_frames


def drive_gate(h: Harness, dut: Gate) -> tuple[Value, Any]:
    """Any frames, and verdicts that come whenever they like; returns whether a beat is taken, and what the store gets."""
    h.drive(dut.i, dut.o)
    i, good, beat = dut.i.payload, h.free(1, "good"), Signal(beat_layout(dut.lanes))
    h.m.d.comb += [
        dut.verdict.valid.eq(h.free(1, "verdict_valid")),
        dut.verdict.payload.good.eq(good),
        beat.data.eq(i.data),
        *(beat.keep[lane].eq(lane < i.count) for lane in range(dut.lanes)),
        beat.last.eq(i.last),
        beat.error.eq(~good),
    ]
    h.assume((i.count != 0) & (i.count <= dut.lanes) & (i.last | (i.count == dut.lanes)))
    return dut.i.valid & dut.i.ready, beat


def gate(h: Harness, lanes: int = 2, depth: int = 4) -> None:
    """Any frames and verdicts, and a store that overflows."""
    dut = h.device(lambda: Gate(lanes, depth))
    i_moves, beat = drive_gate(h, dut)
    i = dut.i.payload
    h.assume(h.held(dut.i))
    h.assume(h.held(dut.verdict))
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
