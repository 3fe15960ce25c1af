# SPDX-License-Identifier: Apache-2.0
"""The engine of the Translator: one flow table, which serves both directions in turn."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.table import SCRUBBED, Reason
from gateware.flow.allocator import WORD_BITS, Allocator
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import HEADER, POLICY, RESULTS, STAMP_BITS, Place
from gateware.flow.lookup import Lookup
from gateware.flow.numbers import Numbers
from gateware.flow.outcome import LATENCY_CYCLES, Outcome
from gateware.flow.sweep import ROUND_TICKS, Sweep
from gateware.flow.table import Table
from gateware.flow.under_way import Doing, UnderWay

STATE_CYCLES = 2
"""Until a state has been read of the flow that was found in the cycle before."""
WAITING_BITS = 8
"""Of the number of ticks that have come and not been taken."""
JUDGE_CYCLES = LATENCY_CYCLES - 3
"""Until there is the outcome, in the cycle after, of what was started 2 cycles before it is waited for."""


class Engine(wiring.Component):
    """Takes the headers of both directions in turn, one at a time, and says what becomes of each frame.

    Args:
        geometry: of the table.

    Members:
        header: of the frames from each side, in order.
        words, live: words of entropy for flows that each side begins, and whether there will be any.
        policy: held stable while frames are inside.
        hold: no other frame is taken.
        tick: every flow is a tick older, from the next frame on. ``clear``: every flow is freed, from the next frame on.
        edge_side, edge_bank, edge_number, edge: a SACK edge that a side's parser has kept, read without delay.
        result: one per frame, in order; a frame is taken if there is room for it.
        judged, reason, altered: the same for the counters, for one cycle, of the side whose bit is set.
        in_use: slots of flows that each side began, those included that have expired and are not swept yet.
        ticks: since reset.
        full, empty: for one cycle: a frame was dropped for want of a place, or of a word.
        fault: a mode register holds no mode, and will until a reset.

    A frame takes 29 cycles if all 8 ways of a set are looked at at once, 34 if 2 are; one that is not translated 4; one
    that begins a flow 11 to 84 more and the time that a word takes, SACK one per edge. After reset, and to ``clear``, a
    cycle per slot passes before the next frame.
    """

    header: list[stream.Interface]
    words: list[stream.Interface]
    live: Signal
    policy: data.View
    hold: Signal
    tick: Signal
    clear: Signal
    edge_side: Signal
    edge_bank: Signal
    edge_number: Signal
    edge: Signal
    result: list[Any]
    judged: Signal
    reason: Signal
    altered: Signal
    in_use: list[Signal]
    ticks: Signal
    full: Signal
    empty: Signal
    fault: Signal

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "header": In(stream.Signature(HEADER)).array(2),
                "words": In(stream.Signature(WORD_BITS)).array(2),
                "live": In(2),
                "policy": In(POLICY),
                "hold": In(1),
                "tick": In(1),
                "clear": In(1),
                "edge_side": Out(1),
                "edge_bank": Out(1),
                "edge_number": Out(3),
                "edge": In(32),
                "result": Out(RESULTS).array(2),
                "judged": Out(2),
                "reason": Out(Reason),
                "altered": Out(len(SCRUBBED)),
                "in_use": Out(geometry.slot_bits).array(2),
                "ticks": Out(32),
                "full": Out(1),
                "empty": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        geometry = self.geometry
        m.submodules.table = table = Table(geometry)
        m.submodules.lookup = lookup = Lookup(geometry)
        m.submodules.allocator = allocator = Allocator(geometry)
        m.submodules.numbers = numbers = Numbers()
        m.submodules.outcome = outcome = Outcome(geometry)
        m.submodules.sweep = sweep = Sweep(geometry)
        frame = UnderWay(geometry)
        header = frame.header
        m.d.comb += [
            lookup.header.eq(header),
            lookup.side.eq(frame.side),
            allocator.side.eq(frame.side),
            allocator.set.eq(lookup.set),
            allocator.replaces.eq(frame.replaces),
            allocator.replaced.eq(frame.replaced),
            allocator.held.eq(lookup.held),
            allocator.held_way.eq(lookup.held_way),
            allocator.live.eq(self.live),
            numbers.header.eq(header),
            numbers.payload.eq(frame.payload),
            numbers.end.eq(frame.end),
            numbers.own.eq(frame.own),
            numbers.peer.eq(frame.peer),
            numbers.begun.eq(frame.flow.begun),
            numbers.closed.eq(frame.flow.closed),
            numbers.window_scale.eq(self.policy.window_scale),
            numbers.edge.eq(self.edge),
            outcome.header.eq(header),
            outcome.flow.eq(frame.flow),
            outcome.sequence.eq(numbers.sequence),
            outcome.acknowledgement.eq(numbers.acknowledgement),
            outcome.window.eq(numbers.window),
            outcome.edge_sum.eq(numbers.edge_sum),
            outcome.edge_delta.eq(frame.peer.delta),
            outcome.policy.eq(self.policy),
            self.edge_side.eq(frame.side),
            self.edge_bank.eq(header.bank),
            self.edge_number.eq(numbers.edge_number),
            self.fault.eq(frame.fault | allocator.fault | sweep.fault),
        ]
        for words, taken in zip(self.words, allocator.words, strict=True):
            wiring.connect(m, wiring.flipped(words), taken)
        self._measure(m, frame)
        self._control(m, frame, table, lookup, allocator, numbers, outcome, sweep)
        m.d.comb += outcome.before.eq(self._read(m, frame, table, lookup, allocator, sweep))
        self._write(m, frame, table, numbers, sweep)
        self._count(m, frame, table, allocator, sweep)
        self._time(m, frame, table, sweep)
        return m

    @staticmethod
    def _measure(m: Module, frame: UnderWay) -> None:
        """The sequence number that follows the frame: payload, SYN and FIN count. It is there before the flow is."""
        header, added, payload = frame.header, Signal(16), Signal(16)
        m.d.comb += payload.eq(header.length - (header.offset << 2))
        m.d.sync += [
            added.eq(Mux(frame.is_tcp, payload + header.syn + header.fin, 0)),
            frame.payload.eq(payload != 0),
            frame.end.eq(header.sequence + added),
        ]

    def _control(
        self,
        m: Module,
        frame: UnderWay,
        table: Table,
        lookup: Lookup,
        allocator: Allocator,
        numbers: Numbers,
        outcome: Outcome,
        sweep: Sweep,
    ) -> None:
        doing, waited, state = frame.doing, frame.waited, table.state
        m.d.sync += [lookup.start.eq(0), allocator.start.eq(0), numbers.start.eq(0), frame.begun.eq(0)]
        for number, result in enumerate(self.result):
            m.d.sync += result.valid.eq(0)
            m.d.comb += [
                result.write.eq(result.valid | (outcome.write & (frame.side == number))),
                result.place.eq(Mux(result.valid, Place.CHECKSUM, outcome.place)),
                result.word.eq(Mux(result.valid, outcome.checksum.replicate(2), outcome.word)),
                result.verdict.eq(outcome.verdict),
                result.verdict.forward.eq(frame.reason == Reason.FORWARDED),
            ]
        m.d.comb += outcome.start.eq(lookup.start)
        m.d.sync += [self.judged.eq(0), self.full.eq(0), self.empty.eq(0), waited.eq(waited + 1)]

        def judge(verdict: Value | Reason) -> None:
            m.d.sync += [doing.eq(Doing.JUDGE), frame.reason.eq(verdict), waited.eq(0)]

        with m.Switch(doing):
            with m.Case(Doing.REST):
                m.d.sync += frame.replaces.eq(0)
                with m.If(~sweep.clearing & ~sweep.clear & ~frame.held & ~self.hold):
                    self._choose(m, frame)
            with m.Case(Doing.TAKE):
                self._take(m, frame, lookup)
            with m.Case(Doing.LOOKUP):
                m.d.sync += frame.flow.eq(lookup.found)
                with m.If(frame.header.bad):
                    judge(Reason.FLOW_UNKNOWN)
                with m.Elif(~frame.translated):
                    judge(Reason.FORWARDED)
                with m.Elif(lookup.done):
                    m.d.sync += waited.eq(0)
                    with m.If(lookup.hit):
                        m.d.sync += doing.eq(Doing.READ)
                    with m.Elif(frame.may_begin):
                        m.d.sync += [doing.eq(Doing.PLACE), allocator.start.eq(1)]
                    with m.Else():
                        judge(Reason.FLOW_UNKNOWN)
            with m.Case(Doing.READ):
                m.d.sync += [
                    frame.replaced.eq(frame.flow.slot),
                    frame.own.eq(Mux(frame.flow.begun, state.initiator.as_value(), state.responder.as_value())),
                    frame.peer.eq(Mux(frame.flow.begun, state.responder.as_value(), state.initiator.as_value())),
                ]
                with m.If(waited == STATE_CYCLES):
                    m.d.sync += [numbers.start.eq(1), doing.eq(Doing.NUMBERS)]
            with m.Case(Doing.NUMBERS), m.If(numbers.done):
                with m.If(numbers.replaces):
                    m.d.sync += [doing.eq(Doing.PLACE), allocator.start.eq(1), frame.replaces.eq(1)]
                with m.Elif(numbers.good):
                    m.d.sync += doing.eq(Doing.KEEP)
                    m.d.comb += outcome.start.eq(1)
                with m.Else():
                    judge(Reason.FLOW_STATE)
            with m.Case(Doing.PLACE):
                self._begin(m, frame, lookup, allocator)
                with m.If(allocator.done):
                    with m.If(allocator.reason == Reason.FORWARDED):
                        m.d.sync += [frame.begun.eq(1), numbers.start.eq(1), doing.eq(Doing.NUMBERS)]
                    with m.Else():
                        judge(allocator.reason)
            with m.Case(Doing.KEEP):
                judge(Reason.FORWARDED)
            with m.Case(Doing.JUDGE):
                forward = frame.reason == Reason.FORWARDED
                with m.If((waited == JUDGE_CYCLES) | ~frame.translated | ~forward):
                    m.d.sync += doing.eq(Doing.REST)
                    self._judge(m, frame, outcome, forward)

    def _choose(self, m: Module, frame: UnderWay) -> None:
        """The side whose turn it is, if it has a header and room for what becomes of the frame; else the other."""
        can, chosen = Signal(2), Signal()
        m.d.comb += [
            can.eq(Cat(i.valid & o.room for i, o in zip(self.header, self.result, strict=True))),
            chosen.eq(Mux(frame.side, ~can[0], can[1])),
        ]
        with m.If(can.any()):
            m.d.sync += [frame.side.eq(chosen), frame.doing.eq(Doing.TAKE)]

    def _take(self, m: Module, frame: UnderWay, lookup: Lookup) -> None:
        """The next header, of the side that was chosen."""
        m.d.sync += frame.doing.eq(Doing.LOOKUP)
        for number, i in enumerate(self.header):
            with m.If(frame.side == number):
                m.d.comb += i.ready.eq(1)
                m.d.sync += [
                    frame.header.eq(i.payload),
                    # Nobody would wait for the end of another lookup.
                    lookup.start.eq((i.payload.kind != 0) & ~i.payload.bad),
                ]

    def _begin(self, m: Module, frame: UnderWay, lookup: Lookup, allocator: Allocator) -> None:
        """The new flow, of which nothing has been seen yet: it is there when the allocator is done."""
        low, word, flow = self.geometry.low_bits, allocator.word, frame.flow
        m.d.sync += [
            flow.begun.eq(1),
            flow.closed.eq(0),
            flow.slot.eq(allocator.slot),
            flow.place.way.eq(allocator.way),
            flow.place.set.eq(lookup.set),
            flow.initiator_port.eq(frame.header.source_port),
            flow.field.eq(Cat(allocator.slot[:low], word.port[low:15])),
            flow.mapped.eq(frame.is_echo | (frame.header.source_port >= self.policy.ephemeral_from)),
            frame.own.eq(0),
            frame.own.delta.eq(Mux(frame.is_echo, word.echo_sequence, word.isn_initiator)),
            frame.peer.eq(0),
            frame.peer.delta.eq(word.isn_responder),
        ]

    def _judge(self, m: Module, frame: UnderWay, outcome: Outcome, forward: Value) -> None:
        for number, result in enumerate(self.result):
            with m.If(frame.side == number):
                m.d.sync += [result.valid.eq(1), self.judged[number].eq(1)]
        m.d.sync += [
            self.reason.eq(frame.reason),
            self.altered.eq(Mux(frame.translated & forward, outcome.altered, 0)),
            self.full.eq(frame.reason == Reason.FLOW_FULL),
            self.empty.eq(frame.reason == Reason.ENTROPY_EMPTY),
        ]

    @staticmethod
    def _read(m: Module, frame: UnderWay, table: Table, lookup: Lookup, allocator: Allocator, sweep: Sweep) -> Value:
        """Who reads the table. Nobody does in the first cycle of what is done, but for the lookup; whether that does."""
        looks, places = Signal(), Signal()
        m.d.sync += [
            looks.eq((frame.doing == Doing.TAKE) | (frame.doing == Doing.LOOKUP)),
            places.eq(frame.doing == Doing.PLACE),
        ]
        m.d.comb += [
            table.row_address.eq(lookup.row_address),
            table.home_address.eq(sweep.slot),
            table.state_address.eq(frame.flow.slot),
            lookup.live.eq(table.live),
            allocator.home_live.eq(table.live),
            sweep.live.eq(table.live),
            sweep.mine.eq((frame.doing == Doing.JUDGE) | (frame.doing == Doing.REST)),
            *(unit.ways.eq(table.ways) for unit in (lookup, allocator)),
            *(unit.home.eq(table.home) for unit in (lookup, allocator, sweep)),
        ]
        with m.If(looks):
            m.d.comb += table.home_address.eq(lookup.home_address)
        with m.If(places):
            m.d.comb += [table.row_address.eq(allocator.row_address), table.home_address.eq(allocator.home_address)]
        return looks

    def _write(self, m: Module, frame: UnderWay, table: Table, numbers: Numbers, sweep: Sweep) -> None:
        """What changes in the table: a new flow's key, the home of one that it replaces, what is kept of a flow."""
        flow, header = frame.flow, frame.header
        # First the receiver's end is written, then the sender's.
        keeps, kept = Signal(), Signal()
        m.d.sync += kept.eq(keeps)
        m.d.comb += [
            table.key_write.eq(frame.begun),
            table.key_place.eq(flow.place),
            table.key.kind.eq(header.kind),
            table.key.initiator.eq(header.ids.source),
            table.key.responder.eq(header.ids.destination),
            table.key.initiator_port.eq(header.source_port),
            table.key.responder_port.eq(header.destination_port),
            table.key.side.eq(frame.side),
            table.key.field.eq(flow.field),
            table.key.mapped.eq(flow.mapped),
            keeps.eq((frame.doing == Doing.KEEP) & ~header.error),
            table.home_write.eq(sweep.write),
            table.home_slot.eq(sweep.slot),
            table.state_write.eq(Mux(flow.begun, Cat(kept, keeps), Cat(keeps, kept))),
            table.state_slot.eq(flow.slot),
            table.state_row.eq(Mux(kept, numbers.own_after.as_value(), numbers.peer_after.as_value())),
        ]
        with m.If(frame.begun & frame.replaces):
            m.d.comb += [table.home_write.eq(1), table.home_slot.eq(frame.replaced)]
        with m.If(keeps):
            m.d.comb += [
                table.home_write.eq(1),
                table.home_slot.eq(flow.slot),
                table.home_row.used.eq(1),
                table.home_row.closed.eq(numbers.closed_after),
                table.home_row.stamp.eq(table.now),
                table.home_row.place.eq(flow.place),
            ]

    def _count(self, m: Module, frame: UnderWay, table: Table, allocator: Allocator, sweep: Sweep) -> None:
        """Slots in use: a flow takes one that was not, but for the one that it replaces."""
        for side, count in enumerate(self.in_use):
            more, less = Signal(name=f"more_{side}"), Signal(name=f"less_{side}")
            m.d.sync += [
                more.eq(frame.begun & (frame.side == side) & ~allocator.reused),
                less.eq(frame.begun & (frame.side == side) & frame.replaces & (frame.replaced != frame.flow.slot)),
                count.eq(count + more - less),
            ]
            with m.If(sweep.freed & (sweep.slot[-1] == side)):
                m.d.sync += less.eq(1)
            with m.If(sweep.clearing):
                m.d.sync += count.eq(0)

    def _time(self, m: Module, frame: UnderWay, table: Table, sweep: Sweep) -> None:
        """Ticks and clearing wait until no frame is under way, and frames for ticks; of which, after many in a row, the next
        wait for the sweep."""
        now, ticks, clears = Signal(STAMP_BITS), Signal(WAITING_BITS), Signal()
        passes, since = Signal(), Signal(range(ROUND_TICKS + 1))
        m.d.comb += [
            table.now.eq(now),
            frame.held.eq(ticks != 0),
            passes.eq((frame.doing == Doing.REST) & frame.held & (since != ROUND_TICKS)),
            sweep.clear.eq((frame.doing == Doing.REST) & clears & ~sweep.clearing),
        ]
        m.d.sync += [ticks.eq(ticks + self.tick - passes), clears.eq((clears | self.clear) & ~sweep.clear)]
        with m.If(passes):
            m.d.sync += [now.eq(now + 1), self.ticks.eq(self.ticks + 1), since.eq(since + 1)]
        with m.If(sweep.round | sweep.clearing):
            m.d.sync += since.eq(passes)
