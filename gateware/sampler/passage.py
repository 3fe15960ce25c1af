# SPDX-License-Identifier: Apache-2.0
"""A frame at a time: what it says, whether it passes, and what of it is kept."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.gateway_formats import Record, Tag, Traits
from gateware.control.guarded import guarded
from gateware.sampler.decision import CYCLES, Decision
from gateware.sampler.entry import Entry
from gateware.sampler.flows import Flows
from gateware.sampler.header import Header
from gateware.sampler.layouts import (
    EVENT_BITS,
    MAX_FRAME_WORDS,
    PIECE_LANES,
    WORD_BITS,
)
from gateware.sampler.store import tag_row
from gateware.stream import FrameSignature, beat_layout

HEAD_CYCLES = 3
"""After the last word of interest until it is known what the frame says, and what follows from that alone."""
ROW_CYCLES = 4
"""Until a row can be read that has just been written, or gone to."""
NUMBER_BITS = 2 * WORD_BITS


class Phase(enum.Enum, shape=7):
    """Of a frame. SEC_CM: SAMPLER.MODE.GUARDED"""

    HEAD = 0b0000000
    """Its header is read; or there is none."""
    SEEK = 0b0001111
    DECIDE = 0b0010011
    ENTER = 0b0011100
    """The verdict is there."""
    BODY = 0b0100101
    FLUSH = 0b0101010
    """What the last word has of the payload."""
    ERASE = 0b0110110
    """The frame has less than it says: what has been kept of it is overwritten with zeros."""
    TURN = 0b0111001
    """The pair before is complete."""
    NUMBER_HIGH = 0b1000110
    NUMBER = 0b1001001
    FLOW = 0b1010101
    """Words of the tag of a pair that begins."""
    COMMIT = 0b1011010
    """The last word leaves, or all that has left is taken back."""
    FORGET = 0b1100011
    """The connection has been closed, or is too old."""
    SWEEP = 0b1101100
    """There was a tick, and every connection gets older."""


class Passage(wiring.Component):
    """Frames of both directions, in turn.

    Args:
        flows, slots, slot_bytes: see `Sampler`.

    Members:
        i, server: frames, canonical; with each beat, who sent it.
        o, o_server: words of frames, that cannot be held back, and to whose outlet they go: with the last, in ``error``,
            whether the frame passes.
        live: there is an epoch.
        tick: connections get older, when the frame under way has passed.
        event, number: one cycle for a frame that was dropped: the record's word less `Record.STORE_FULL`.
        write, slot, at, word; tag_write, tag_slot, tag_at, tag_word; free; completes: see `Store`.
        flows: connections.
        fault: the mode is none.

    A frame of n words takes n + 9 cycles, and one of TCP as many more as the search takes longer than the rest of the
    header: with 16 flows at most 39 cycles for one of 60 octets of IPv4. A few are added where a pair begins or is
    complete. Reset: the rest of a frame that was under way is taken as a frame.
    """

    i: stream.Interface
    server: Signal
    o: stream.Interface
    o_server: Signal
    live: Signal
    tick: Signal
    event: Signal
    number: Signal
    write: Signal
    slot: Signal
    at: Signal
    word: Signal
    tag_write: Signal
    tag_slot: Signal
    tag_at: Signal
    tag_word: Signal
    free: stream.Interface
    completes: Signal
    flows: Signal
    fault: Signal

    def __init__(self, flows: int, slots: int, slot_bytes: int) -> None:
        self.sizes = flows, slots, slot_bytes
        slot_words = slot_bytes // PIECE_LANES
        super().__init__(
            {
                "i": In(FrameSignature(PIECE_LANES)),
                "server": In(1),
                "o": Out(FrameSignature(PIECE_LANES)),
                "o_server": Out(1),
                "live": In(1),
                "tick": In(1),
                "event": Out(1),
                "number": Out(EVENT_BITS),
                "write": Out(1),
                "slot": Out(range(slots)),
                "at": Out(range(slot_words)),
                "word": Out(WORD_BITS),
                "tag_write": Out(1),
                "tag_slot": Out(range(slots)),
                "tag_at": Out(2),
                "tag_word": Out(WORD_BITS),
                "free": In(stream.Signature((slots - 1).bit_length())),
                "completes": Out(1),
                "flows": Out(range(flows + 1)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.header = header = Header()
        m.submodules.table = table = Flows(*self.sizes)
        m.submodules.decision = decision = Decision(*self.sizes[1:])
        m.submodules.entry = entry = Entry(*self.sizes[1:])
        beat, verdict, state = self.i.payload, decision.verdict, table.state
        taken, flowing, first, fresh, server = Signal(), Signal(init=1), Signal(init=1), Signal(), Signal()
        held, ended, fails, long = (
            Signal(beat_layout(PIECE_LANES)),
            Signal(),
            Signal(),
            Signal(range(MAX_FRAME_WORDS + 1)),
        )
        pairs, connections = Signal(NUMBER_BITS, init=1), Signal(WORD_BITS, init=1)
        m.d.comb += [
            taken.eq(self.i.valid & flowing),
            self.i.ready.eq(flowing),
            self.o_server.eq(server),
            self.flows.eq(table.count),
            header.server.eq(server),
            header.take.eq(taken),
            header.word.eq(Cat(reversed([beat.data[lane] for lane in range(PIECE_LANES)]))),
            table.seek.eq(header.seek),
            table.key.eq(header.key),
            table.row.eq(verdict.row),
            decision.server.eq(server),
            decision.segment.eq(header.segment),
            decision.found.eq(table.found),
            decision.state.eq(state),
            decision.place.eq(table.free),
            decision.slot.eq(self.free.payload),
            decision.flow.eq(connections),
            entry.verdict.eq(verdict),
            entry.segment.eq(header.segment),
            entry.server.eq(server),
            entry.packet.eq(header.packet),
            entry.keep.eq(held.keep),
            self.write.eq(entry.write),
            self.slot.eq(verdict.slot),
            self.at.eq(entry.at),
            self.word.eq(entry.word),
            # A word follows when the next has come; the last, when it is known whether the frame passes.
            self.o.payload.data.eq(held.data),
            self.o.payload.keep.eq(held.keep),
            self.o.payload.last.eq(held.last),
        ]
        m.d.sync += fresh.eq(taken)
        with m.If(taken):
            m.d.sync += [held.eq(beat), ended.eq(beat.last), first.eq(0), long.eq(long + (long != MAX_FRAME_WORDS))]
            m.d.sync += fails.eq(fails | (long == MAX_FRAME_WORDS))
            with m.If(first):
                m.d.sync += server.eq(self.server)
        with m.If(taken & beat.last):
            m.d.sync += flowing.eq(0)

        phase, fault = guarded(Phase)
        m.d.comb += self.fault.eq(fault)
        pause, place, sweeps, ticked = Signal(range(8)), Signal(range(self.sizes[0])), Signal(), Signal()
        # Of a pair that is complete.
        trait = Signal(Traits)
        traits = Cat(Const(0, 2), state.words) | Mux(state.oversize, Traits.OVERSIZE.value, 0) | Value.cast(trait)
        begins, sweep = Signal(), Signal()
        m.d.comb += table.place.eq(place)
        with m.If(self.tick):
            m.d.sync += ticked.eq(1)
        with m.If(pause.any()):
            m.d.sync += pause.eq(pause - 1)
        with m.Switch(phase):
            with m.Case(Phase.HEAD):
                with m.If(taken & (beat.last | header.enough)):
                    m.d.sync += [flowing.eq(0), pause.eq(HEAD_CYCLES), phase.eq(Phase.SEEK)]
                with m.Elif(first & ~taken & ticked):
                    m.d.comb += sweep.eq(1)
            with m.Case(Phase.SEEK):
                m.d.sync += [decision.live.eq(self.live), decision.vacant.eq(self.free.valid)]
                with m.If(~pause.any() & ~table.busy):
                    m.d.sync += [pause.eq(CYCLES - 2), phase.eq(Phase.DECIDE)]
            with m.Case(Phase.DECIDE), m.If(~pause.any()):
                m.d.sync += phase.eq(Phase.ENTER)
            with m.Case(Phase.ENTER):
                m.d.comb += entry.begin.eq(1)
                m.d.sync += [flowing.eq(~ended), phase.eq(Phase.BODY)]
            with m.Case(Phase.BODY):
                m.d.comb += entry.fresh.eq(fresh)
                with m.If(ended):
                    m.d.comb += header.flush.eq(1)
                    m.d.sync += phase.eq(Mux(verdict.appends, Phase.FLUSH, Phase.COMMIT))
            with m.Case(Phase.FLUSH):
                m.d.comb += [entry.fresh.eq(1), entry.flush.eq(1)]
                with m.If(entry.short | fails):
                    m.d.sync += [fails.eq(1), pause.eq(1), phase.eq(Phase.ERASE)]
                with m.Elif(verdict.turns):
                    m.d.sync += phase.eq(Phase.TURN)
                with m.Else():
                    m.d.sync += phase.eq(Mux(verdict.starts, Phase.NUMBER_HIGH, Phase.COMMIT))
            with m.Case(Phase.ERASE):
                m.d.comb += entry.erase.eq(pause.any())
                with m.If(~pause.any() & ~entry.erasing):
                    m.d.sync += phase.eq(Phase.COMMIT)
            with m.Case(Phase.TURN):
                m.d.comb += [trait.eq(Traits.NEXT), self.completes.eq(1)]
                m.d.sync += phase.eq(Phase.NUMBER_HIGH)
            with m.Case(Phase.NUMBER_HIGH):
                m.d.sync += phase.eq(Phase.NUMBER)
            with m.Case(Phase.NUMBER):
                m.d.sync += phase.eq(Phase.FLOW)
            with m.Case(Phase.FLOW):
                m.d.sync += [pairs.eq(pairs + 1), phase.eq(Phase.COMMIT)]
                with m.If(verdict.starts):
                    m.d.sync += connections.eq(connections + 1)
            with m.Case(Phase.COMMIT):
                passes = verdict.passes & ~fails
                m.d.comb += [
                    # SEC_CM: SAMPLER.WHOLE_FRAMES
                    self.o.payload.error.eq(~passes),
                    self.free.ready.eq(passes & (verdict.starts | verdict.turns)),
                    table.write.eq(verdict.writes & ~fails),
                    table.young.eq(verdict.writes & passes),
                    self.event.eq(~passes),
                    self.number.eq(Mux(fails, Record.REFUSED - Record.STORE_FULL, verdict.event)),
                ]
                with m.If(passes & verdict.closes):
                    m.d.sync += [pause.eq(ROW_CYCLES), phase.eq(Phase.FORGET)]
                with m.Else():
                    m.d.comb += [begins.eq(~ticked), sweep.eq(ticked)]
            with m.Case(Phase.FORGET):
                m.d.comb += trait.eq(Mux(sweeps, Traits.AGED, Traits.CLOSED))
                with m.If(~pause.any()):
                    m.d.comb += [self.completes.eq(1), table.forget.eq(1)]
                    m.d.sync += [place.eq(place + 1), pause.eq(ROW_CYCLES), phase.eq(Phase.SWEEP)]
                    with m.If(~sweeps | place.all()):
                        m.d.comb += begins.eq(1)
            with m.Case(Phase.SWEEP):
                m.d.comb += table.go.eq(pause == ROW_CYCLES)
                with m.If(~pause.any()):
                    m.d.sync += [place.eq(place + 1), pause.eq(ROW_CYCLES)]
                    with m.If(table.active & table.old):
                        m.d.sync += [place.eq(place), pause.eq(0), phase.eq(Phase.FORGET)]
                    with m.Else():
                        m.d.comb += [table.older.eq(table.active), begins.eq(place.all())]
        with m.If(begins):
            m.d.comb += header.begin.eq(1)
            m.d.sync += [
                *(flowing.eq(1), first.eq(1), ended.eq(0), fails.eq(0), long.eq(0)),
                *(sweeps.eq(0), phase.eq(Phase.HEAD)),
            ]
        with m.If(sweep):
            m.d.sync += [flowing.eq(0), ticked.eq(0), sweeps.eq(1), place.eq(0), pause.eq(ROW_CYCLES)]
            m.d.sync += phase.eq(Phase.SWEEP)
        m.d.comb += [
            self.o.valid.eq((fresh & ~held.last) | (phase == Phase.COMMIT)),
            self.tag_slot.eq(verdict.slot),
            self.tag_write.eq(self.completes),
        ]
        with m.Switch(phase):
            for its, row, value in (
                (Phase.NUMBER_HIGH, Tag.NUMBER_HIGH, pairs[WORD_BITS:]),
                (Phase.NUMBER, Tag.NUMBER, pairs[:WORD_BITS]),
                (Phase.FLOW, Tag.FLOW, verdict.row.flow),
            ):
                with m.Case(its):
                    m.d.comb += [self.tag_at.eq(tag_row(row)), self.tag_word.eq(value), self.tag_write.eq(1)]
            with m.Default():
                m.d.comb += [
                    self.tag_at.eq(tag_row(Tag.TRAITS)),
                    self.tag_word.eq(traits),
                    self.tag_slot.eq(state.slot),
                ]
        return m
