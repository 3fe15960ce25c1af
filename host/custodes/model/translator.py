# SPDX-License-Identifier: Apache-2.0
"""The translator of the executable specification: canonical frames in, and out as nobody can tell what a station chose for
ports, identifiers and initial sequence numbers.

Sources: RFC 5382, 4787 and 5508 (what addresses and ports may become on the way; addresses stay), RFC 792 and 4443 (echo and
errors), `custodes.model.connection`. Frames are those that `custodes.model.Scrubber` lets out; lengths stay as they are.

For each frame, in this order:

1. What is neither TCP, UDP, ICMP echo nor an ICMP error passes untouched.
2. Its flow is looked up: `FlowTable.find` for TCP and UDP, `FlowTable.find_begun` for echo requests and
   `FlowTable.find_mapped` for echo replies.
3. A SYN without ACK, a UDP datagram and an echo request without flow begin one; anything else is FLOW_UNKNOWN. A SYN of
   the initiator may also replace its flow (`Connection.replaced_by`), as does an echo request whose sequence number is not
   among the `ECHO_NEXT` from the last on.
4. What begins or replaces a flow takes the next word of its side; where there is none, it is ENTROPY_EMPTY. Then it needs a
   place: FLOW_FULL. The word is gone then, and a flow that would have been replaced stays.
5. Numbers are checked and translated: FLOW_STATE. An echo reply must answer one of the `ECHO_SPAN` up to the last.
6. The flow has been used.

An ICMP error is for the station that sent what it quotes, as that left. The quote is looked up as an answer to it would be,
with its ports exchanged, and as an echo reply where it is an echo request; then it is turned back into the numbers of that
station. The quoted number of a TCP segment must have been sent (`End.own`), that of an echo request be one that may be
answered: FLOW_STATE. An error neither begins nor uses a flow.
"""

from __future__ import annotations

from custodes.address_table import address_ids
from custodes.flow_table import ECHO_NEXT, ECHO_SPAN, FLOWS, FlowKind
from custodes.model.canonical import ICMP, ICMPV6, TCP, UDP, Canonical, read_segment, take_apart, write_segment
from custodes.model.entropy import Words
from custodes.model.flow import Ends, Flow, FlowTable
from custodes.model.frame import Drop, Trace
from custodes.model.icmp import ECHO_REPLY, ECHO_REQUEST, ERROR_CODES
from custodes.model.quote import Quote, take_quote
from custodes.model.transport import SYN
from custodes.policy import Policy
from custodes.table import Port, Reason

ERROR_BYTES = 8
"""Of an ICMP error, before what it quotes."""
ECHO_NUMBERS = 1 << 16


class Translator:
    """The translator under one policy, with a flow table of ``flows`` slots.

    Attributes:
        words: those that are used at present.
        table: the flows.
    """

    def __init__(self, policy: Policy, words: Words, flows: int = FLOWS) -> None:
        self.words = words
        self.table = FlowTable(flows, policy.flow.ephemeral_from)
        self._window_scale = policy.flow.window_scale
        self._ids = address_ids(policy)
        self._protocols = {TCP: self._tcp, UDP: self._udp, ICMP: self._icmp, ICMPV6: self._icmp}

    def translate(self, frame: bytes, side: Port, trace: Trace) -> bytes:
        """What leaves of a canonical frame from this side. Raises `Drop`."""
        packet = take_apart(frame)
        body = None if packet is None else self._protocols[packet.protocol](packet, side, trace)
        return frame if packet is None or body is None else packet.with_body(body).sealed()

    def _tcp(self, packet: Canonical, side: Port, trace: Trace) -> bytes:
        body, segment = packet.body, read_segment(packet.body)
        ends = self._ends(packet.addresses, side, _numbers(body[:4]))
        flow = self.table.find(FlowKind.TCP, ends)
        if flow is None and not segment.opens:
            raise Drop(Reason.FLOW_UNKNOWN)
        if flow is None or (segment.opens and flow.initiated(side) and flow.connection.replaced_by(segment)):
            flow = self._begin(FlowKind.TCP, ends, flow)
        translated = flow.connection.translate(segment, flow.initiated(side), self._window_scale)
        self.table.use(flow)
        clean = write_segment(_bytes(*reversed(flow.ports(side.other))) + body[4:], translated)
        if segment.has(SYN):
            trace.alter("tcp_source_port", clean[:4] != body[:4])
            trace.alter("tcp_isn", clean[4:12] != body[4:12])
            trace.alter("tcp_window_scale", translated.scale != segment.scale)
        trace.alter("tcp_window", translated.window != segment.window)
        trace.alter("tcp_sack", translated.edges != segment.edges)
        return clean

    def _udp(self, packet: Canonical, side: Port, trace: Trace) -> bytes:
        ends = self._ends(packet.addresses, side, _numbers(packet.body[:4]))
        flow = self.table.find(FlowKind.UDP, ends) or self._begin(FlowKind.UDP, ends)
        self.table.use(flow)
        return _bytes(*reversed(flow.ports(side.other))) + packet.body[4:]

    def _icmp(self, packet: Canonical, side: Port, trace: Trace) -> bytes | None:
        kind, version = packet.body[0], packet.version
        if kind in ERROR_CODES[version]:
            return packet.body[:ERROR_BYTES] + self._quote(take_quote(packet.body[ERROR_BYTES:], version), side)
        if kind not in (ECHO_REQUEST[version], ECHO_REPLY[version]):
            return None
        identifier, sequence = _numbers(packet.body[4:8])
        if kind == ECHO_REQUEST[version]:
            flow = self._asked(self._ends(packet.addresses, side, (identifier, 0)), sequence)
            clean = _bytes(flow.port, (sequence + flow.echo_delta) % ECHO_NUMBERS)
        else:
            flow = self._answered(self._ends(packet.addresses, side, (0, identifier)))
            clean = _bytes(flow.name.initiator_port, _echo_sequence(flow, sequence))
        self.table.use(flow)
        trace.alter("icmp_id_seq", clean != packet.body[4:8])
        return packet.body[:4] + clean + packet.body[8:]

    def _quote(self, quote: Quote, side: Port) -> bytes:
        """What an ICMP error from this side quotes, in the numbers of the station that sent it."""
        destination, source = self._ids[quote.destination], self._ids[quote.source]
        first, second = _numbers(quote.transport[:4])
        if quote.protocol not in (TCP, UDP):
            identifier, sequence = _numbers(quote.transport[4:8])
            flow = self._answered(Ends(side, destination, source, 0, identifier))
            numbers = _bytes(flow.name.initiator_port, _echo_sequence(flow, sequence))
            return quote.header + quote.transport[:4] + numbers
        kind = FlowKind.TCP if quote.protocol == TCP else FlowKind.UDP
        flow = self.table.find(kind, Ends(side, destination, source, second, first))
        if flow is None:
            raise Drop(Reason.FLOW_UNKNOWN)
        rest = quote.transport[4:]
        if kind is FlowKind.TCP:
            sender = flow.connection.end(flow.initiated(side.other))
            rest = sender.own(int.from_bytes(rest)).to_bytes(4)
        return quote.header + _bytes(*flow.ports(side.other)) + rest

    def _ends(self, addresses: tuple[bytes, bytes], side: Port, ports: tuple[int, int]) -> Ends:
        source, destination = addresses
        return Ends(side, self._ids[source], self._ids[destination], *ports)

    def _begin(self, kind: FlowKind, ends: Ends, replaced: Flow | None = None, sequence: int = 0) -> Flow:
        word = self.words.take(ends.side)
        if word is None:
            raise Drop(Reason.ENTROPY_EMPTY)
        flow = self.table.begin(kind, ends, word, replaced)
        flow.echo_delta = (word.echo_sequence - sequence) % ECHO_NUMBERS
        return flow

    def _asked(self, ends: Ends, sequence: int) -> Flow:
        """The flow of an echo request, which is kept in it."""
        flow = self.table.find_begun(FlowKind.ECHO, ends)
        if flow is None or (sequence - flow.echo_last) % ECHO_NUMBERS >= ECHO_NEXT:
            flow = self._begin(FlowKind.ECHO, ends, flow, sequence)
        flow.echo_last = sequence
        return flow

    def _answered(self, ends: Ends) -> Flow:
        """The flow of an echo reply."""
        flow = self.table.find_mapped(FlowKind.ECHO, ends)
        if flow is None:
            raise Drop(Reason.FLOW_UNKNOWN)
        return flow


def _echo_sequence(flow: Flow, sequence: int) -> int:
    """In the initiator's numbers. Raises `Drop` where that has not been asked, or too long ago."""
    own = (sequence - flow.echo_delta) % ECHO_NUMBERS
    if (flow.echo_last - own) % ECHO_NUMBERS >= ECHO_SPAN:
        raise Drop(Reason.FLOW_STATE)
    return own


def _numbers(data: bytes) -> tuple[int, int]:
    """Two numbers of 16 bits."""
    return int.from_bytes(data[:2]), int.from_bytes(data[2:])


def _bytes(first: int, second: int) -> bytes:
    return first.to_bytes(2) + second.to_bytes(2)
