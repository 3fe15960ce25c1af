# SPDX-License-Identifier: Apache-2.0
"""What becomes of a frame's numbers, and of those that are kept of its flow: the rules of `custodes.model.connection`."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import ECHO_NEXT, ECHO_SPAN, LEAP_SPAN, SEQUENCE_SPAN, FlowKind
from gateware.flow.layouts import END, HEADER
from gateware.scrubber.sums import fold

SPAN_BITS, LEAP_BITS, ECHO_BITS, NEXT_BITS = (
    span.bit_length() - 1 for span in (SEQUENCE_SPAN, LEAP_SPAN, ECHO_SPAN, ECHO_NEXT)
)
"""A difference is within a span if its bits from there on are 0."""
LATENCY_CYCLES = 3
EDGE_CYCLES = 4
"""After the last SACK edge has been asked for, until the acknowledgement that follows it has been looked at."""
EDGE_SUM_BITS = 20


class Numbers(wiring.Component):
    """Checks and translates.

    Members:
        start: the following are there, and held until the next ``start``; header and window_scale have been before.
        header, payload, end: of the frame: whether it has a payload, and the sequence number that follows it.
        own, peer, begun, closed: of its flow: the sender's end and the receiver's, and whether the sender began it.
        window_scale: that leaves.
        edge_number, edge: of the frame's SACK edges, read without delay.
        done: the following are there, as long.
        good: the frame is forwarded. ``replaces``: it begins another flow in the place of this one.
        sequence, acknowledgement, window: as they leave, where the frame has them.
        own_after, peer_after: what to keep of the flow. ``closed_after`` too, a cycle later.
        edge_sum: what the translation of SACK edges adds to the sum that the checksum is of.

    Latency 3 cycles, with SACK 5 and the number of edges. Arithmetic is modulo 2^32; what is compared is a difference.
    """

    start: Signal
    header: data.View
    payload: Signal
    end: Signal
    own: data.View
    peer: data.View
    begun: Signal
    closed: Signal
    window_scale: Signal
    edge_number: Signal
    edge: Signal
    done: Signal
    good: Signal
    replaces: Signal
    sequence: Signal
    acknowledgement: Signal
    window: Signal
    own_after: data.View
    peer_after: data.View
    closed_after: Signal
    edge_sum: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "header": In(HEADER),
                "payload": In(1),
                "end": In(32),
                "own": In(END),
                "peer": In(END),
                "begun": In(1),
                "closed": In(1),
                "window_scale": In(4),
                "edge_number": Out(3),
                "edge": In(32),
                "done": Out(1),
                "good": Out(1),
                "replaces": Out(1),
                "sequence": Out(32),
                "acknowledgement": Out(32),
                "window": Out(16),
                "own_after": Out(END),
                "peer_after": Out(END),
                "closed_after": Out(1),
                "edge_sum": Out(EDGE_SUM_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header, own, peer = self.header, self.own, self.peer
        is_echo, is_tcp = header.kind == FlowKind.ECHO, header.kind == FlowKind.TCP
        passed = Signal(LATENCY_CYCLES - 1)
        m.d.sync += passed.eq(Cat(self.start, passed))

        # First cycle: sums and differences.
        shifted, delta = Signal(32, reset_less=True), Signal(32, reset_less=True)
        begins, ahead = Signal(32, reset_less=True), Signal(32, reset_less=True)
        begins_now, opens = Signal(), Signal()
        m.d.comb += begins_now.eq(~own.seen & (header.syn | is_echo))
        m.d.sync += [
            opens.eq(begins_now),
            shifted.eq(Mux(own.seen, header.sequence + own.delta, Mux(begins_now, own.delta, 0))),
            delta.eq(own.delta - header.sequence),
            begins.eq(header.sequence - own.highest),
            ahead.eq(self.end - own.highest),
        ]
        # Second cycle: what they say.
        near, rises, repeats, continues = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            near.eq(begins[SPAN_BITS:].all() | (begins == 0) | (self.payload & (begins[LEAP_BITS:] == 0))),
            rises.eq(ahead[SPAN_BITS:] == 0),
            repeats.eq(ahead == 0),
            continues.eq(ahead[NEXT_BITS:16] == 0),
        ]
        # Third cycle: whether it is forwarded.
        known, behind, edges_done, edges_good = self._acknowledged(m)
        acknowledges, sent, answers = Signal(), Signal(), Signal()
        sequence_good, offer_good, tcp_good, echo_good = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            acknowledges.eq(header.ack | header.error),
            sent.eq(peer.seen & (behind[SPAN_BITS:] == 0)),
            answers.eq(behind[ECHO_BITS:16] == 0),
            offer_good.eq(~(header.syn & header.ack & header.scaled & ~peer.offered)),
            tcp_good.eq((sequence_good | header.error) & offer_good & (sent | ~acknowledges)),
            echo_good.eq(Mux(header.reply, answers, continues | ~own.seen)),
        ]
        with m.If(header.syn):
            m.d.comb += sequence_good.eq(~own.seen | repeats)
        with m.Else():
            m.d.comb += sequence_good.eq(Mux(own.seen, near, header.rst & header.ack))
        numbers_good, restarts, reached, rises_to = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            rises_to.eq(Mux(own.seen & is_tcp, rises & ~header.syn & ~header.rst, opens | (is_echo & ~header.reply))),
            numbers_good.eq(Mux(is_tcp, tcp_good, echo_good | ~is_echo)),
            restarts.eq(
                Mux(
                    is_echo,
                    self.begun & ~header.reply & own.seen & ~continues,
                    is_tcp
                    & ~header.error
                    & self.begun
                    & header.syn
                    & ~header.ack
                    & own.seen
                    & ~repeats
                    & (self.closed | ~peer.seen),
                )
            ),
            reached.eq(header.ack & (behind == 0)),
        ]
        waiting = Signal()
        with m.If(passed[-1]):
            m.d.sync += waiting.eq(1)
        with m.If(self.done):
            m.d.sync += waiting.eq(0)
        m.d.comb += [
            self.done.eq(waiting & edges_done),
            self.good.eq(numbers_good & edges_good),
            self.replaces.eq(restarts),
        ]

        after, peer_after = self.own_after, self.peer_after
        m.d.comb += [
            self.sequence.eq(shifted),
            self.acknowledgement.eq(known),
            self.window.eq(self._window(m)),
            after.eq(own),
            after.delta.eq(Mux(opens, delta, own.delta)),
            after.seen.eq(own.seen | opens),
            after.fin.eq(own.fin | header.fin),
            peer_after.eq(peer),
            peer_after.fin_acknowledged.eq(peer.fin_acknowledged | (reached & peer.fin)),
        ]
        m.d.sync += self.closed_after.eq(
            is_tcp & (self.closed | header.rst | (own.fin_acknowledged & peer_after.fin_acknowledged))
        )
        with m.If(rises_to):
            m.d.comb += after.highest.eq(self.end)
        with m.If(header.syn):
            m.d.comb += [after.scale.eq(header.scale), after.offered.eq(header.scaled)]
        return m

    def _window(self, m: Module) -> Value:
        """A power of two, or 0, with the scale that leaves in place of the sender's."""
        header, own, peer = self.header, self.own, self.peer
        exponent, power, stays = Signal(4), Signal(4), Signal()
        scaled, window = Signal(6), Signal(16)
        with m.Switch(header.window):
            for bit in range(16):
                with m.Case("-" * (15 - bit) + "1" + "0" * bit):
                    m.d.comb += exponent.eq(bit)
        # What is below 0 has its highest bit set, what is above 15 the one below.
        m.d.sync += [
            power.eq(exponent),
            scaled.eq(power + (own.scale - self.window_scale)),
            stays.eq(header.syn | (header.window == 0) | ~own.offered | ~peer.offered),
        ]
        with m.If(stays):
            m.d.comb += window.eq(header.window)
        with m.Elif(scaled[5]):
            m.d.comb += window.eq(1)
        with m.Elif(scaled[4]):
            m.d.comb += window.eq(1 << 15)
        with m.Else():
            m.d.comb += window.eq(Const(1, 16) << scaled[:4])
        return window

    def _acknowledged(self, m: Module) -> tuple[Value, Value, Value, Value]:
        """SACK edges go by, one per cycle, and then what is acknowledged, which stays: as the peer knows it, and how far
        behind the peer that is; whether all edges have gone by, and are good."""
        header, peer = self.header, self.peer
        asked, delays = Signal(range(8)), Signal(EDGE_CYCLES)
        going, right = Signal(), Signal(EDGE_CYCLES - 1)
        number, before, known, width, behind = (
            Signal(bits, reset_less=True, name=name)
            for name, bits in (("number", 32), ("before", 32), ("known", 33), ("width", 32), ("behind", 32))
        )
        taken, good = Signal(17, reset_less=True), Signal()
        m.d.comb += self.edge_number.eq(asked)
        m.d.sync += [
            delays.eq(Cat(going, delays)),
            right.eq(Cat(asked[0], right)),
            number.eq(Mux(going, self.edge, header.acknowledgement)),
            before.eq(number),
            known.eq(Cat(number, Const(0, 1)) - peer.delta),
            width.eq(number - before),
            behind.eq(peer.highest - known[:32]),
            taken.eq(fold(~peer.delta)),
        ]
        wide = Signal()
        m.d.sync += wide.eq((width == 0) | (width[SPAN_BITS:] != 0))
        with m.If(going):
            m.d.sync += [asked.eq(asked + 1), going.eq(asked + 1 != header.edges)]
        with m.If(delays[1]):
            m.d.sync += self.edge_sum.eq(self.edge_sum + taken + known[32])
        with m.If(delays[2] & ((behind[SPAN_BITS:] != 0) | (right[2] & wide))):
            m.d.sync += good.eq(0)
        with m.If(self.start):
            m.d.sync += [asked.eq(0), going.eq(header.edges != 0), good.eq(1), self.edge_sum.eq(0)]
        return known[:32], behind, ~going & ~delays.any(), good
