# SPDX-License-Identifier: Apache-2.0
"""Whether a frame passes, and what becomes of its connection."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import ENTRY_BYTES, WORD_BYTES, Record
from gateware.sampler.layouts import (
    EVENT_BITS,
    LENGTH_BITS,
    WORD_BITS,
    segment_layout,
    slot_bits,
    state_layout,
    words_bits,
)

CYCLES = 3
"""From the state to the verdict."""
ENTRY_WORDS = ENTRY_BYTES // WORD_BYTES
NEED_BITS = LENGTH_BITS - 1
"""Of the words of an entry."""


def verdict_layout(slots: int, slot_bytes: int) -> data.StructLayout:
    """``passes``, or else ``event``: the record's word less `Record.STORE_FULL`. ``starts``: a connection begins. ``turns``:
    the open pair is complete, as it goes on with another. ``appends``: an entry of so many words as it ``needs`` goes to
    ``slot``, from ``base`` on. ``writes``: ``row`` is what is known from now on. ``closes``: until the frame has passed."""
    return data.StructLayout(
        {
            "passes": 1,
            "event": EVENT_BITS,
            "starts": 1,
            "turns": 1,
            "appends": 1,
            "writes": 1,
            "closes": 1,
            "needs": NEED_BITS,
            "base": words_bits(slot_bytes),
            "slot": slot_bits(slots),
            "row": state_layout(slots, slot_bytes),
        }
    )


def _after(difference: Value) -> Value:
    """The sign of a difference of sequence numbers."""
    return difference.any() & ~difference[-1]


class Decision(wiring.Component):
    """The rules of `custodes.model.sampler`, in `CYCLES` cycles; ``segment`` a cycle earlier than the rest.

    Args:
        slots, slot_bytes: see `state_layout`.

    Members:
        server: who sent the frame. ``segment``: what it says.
        live: there is an epoch.
        found, state: there is such a connection, and what is known of it.
        place: there is room for another. ``vacant``, ``slot``: there is a free slot.
        flow: so manieth would a connection be that begins.
        verdict: see `verdict_layout`.

    Nothing is kept from frame to frame.
    """

    server: Signal
    segment: data.View
    live: Signal
    found: Signal
    state: data.View
    place: Signal
    vacant: Signal
    slot: Signal
    flow: Signal
    verdict: data.View

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slot_words = slot_bytes // WORD_BYTES
        super().__init__(
            {
                "server": In(1),
                "segment": In(segment_layout()),
                "live": In(1),
                "found": In(1),
                "state": In(state_layout(slots, slot_bytes)),
                "place": In(1),
                "vacant": In(1),
                "slot": In(slot_bits(slots)),
                "flow": In(WORD_BITS),
                "verdict": Out(verdict_layout(slots, slot_bytes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        segment, state, verdict, server = self.segment, self.state, self.verdict, self.server
        end, needs, loaded = Signal(WORD_BITS), Signal(NEED_BITS), Signal()
        beyond, behind = Signal(WORD_BITS), Signal(WORD_BITS)
        further, stale, fits = Signal(), Signal(), Signal()
        total = Signal(range(2 * self.slot_words + (1 << NEED_BITS)))
        m.d.sync += [
            end.eq(segment.sequence + segment.length),
            needs.eq(((segment.length + WORD_BYTES - 1) >> 2) + ENTRY_WORDS),
            loaded.eq(segment.length.any()),
            beyond.eq(end - Mux(server, state.out_next, state.in_next)),
            behind.eq(state.from_next - segment.sequence),
            total.eq(state.words + needs),
            further.eq(_after(beyond)),
            stale.eq(_after(behind) & state.from_sent),
            fits.eq(total <= self.slot_words),
        ]
        passes, starts, turns, appends, overflows = (Signal() for _ in range(5))
        event = Signal(Record)
        m.d.comb += event.eq(Record.REFUSED)
        with m.If(segment.plain):
            m.d.comb += passes.eq(1)
        with m.Elif(segment.tcp & ~loaded):
            m.d.comb += passes.eq(1)
        with m.Elif(segment.tcp & self.live):
            with m.If(self.found):
                with m.If(server & stale):
                    m.d.comb += event.eq(Record.STALE)
                with m.Elif(~server & state.answered & further):
                    m.d.comb += [turns.eq(self.vacant), event.eq(Record.STORE_FULL)]
                with m.Else():
                    m.d.comb += [appends.eq(fits), overflows.eq(~fits), event.eq(Record.OVERSIZE)]
            with m.Elif(server):
                m.d.comb += event.eq(Record.UNMATCHED)
            with m.Elif(~self.place):
                m.d.comb += event.eq(Record.FLOWS_FULL)
            with m.Else():
                m.d.comb += [starts.eq(self.vacant), event.eq(Record.STORE_FULL)]
            m.d.comb += passes.eq(starts | turns | appends)
        fresh, row = starts | turns, verdict.row
        adds = appends | fresh
        finished = Mux(starts, 0, state.finished) | Mux(segment.fin, Mux(server, 0b10, 0b01), 0)
        known = segment.tcp & (self.found | starts)
        m.d.sync += [
            verdict.passes.eq(passes),
            verdict.event.eq(Value.cast(event) - Record.STORE_FULL.value),
            verdict.starts.eq(starts),
            verdict.turns.eq(turns),
            verdict.appends.eq(adds),
            verdict.writes.eq(known & (passes | overflows)),
            verdict.closes.eq(known & passes & (segment.rst | (finished == 0b11))),
            verdict.needs.eq(needs),
            verdict.base.eq(Mux(fresh, 0, state.words)),
            verdict.slot.eq(Mux(fresh, self.slot, state.slot)),
            row.in_next.eq(Mux(adds & ~server & (starts | further), end, state.in_next)),
            row.out_next.eq(Mux(adds & server & (~state.sent | further), end, state.out_next)),
            row.from_next.eq(Mux(turns, state.out_next, state.from_next)),
            row.flow.eq(Mux(starts, self.flow, state.flow)),
            row.sent.eq(~starts & (state.sent | (adds & server))),
            row.from_sent.eq(Mux(fresh, ~starts & state.sent, state.from_sent)),
            row.answered.eq(~fresh & (state.answered | (adds & server))),
            row.finished.eq(Mux(passes, finished, state.finished)),
            row.oversize.eq(~fresh & (state.oversize | overflows)),
            row.slot.eq(Mux(fresh, self.slot, state.slot)),
            row.words.eq(Mux(fresh, needs, Mux(appends, total, state.words))),
        ]
        return m
