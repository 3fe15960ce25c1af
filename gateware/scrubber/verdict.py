# SPDX-License-Identifier: Apache-2.0
"""Puts together what the parser found out about a frame: drop or forward, and what to write into it."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.table import Reason
from gateware.scrubber.bytesum import sum_layout
from gateware.scrubber.layouts import (
    ALTERED,
    LOOKUP,
    OPTIONS,
    POLICY,
    TRANSPORT,
    VERDICT,
    NeighbourKind,
    Network,
    Transport,
)
from gateware.scrubber.payload import END, TAIL
from gateware.scrubber.sums import Pipeline, Term, add_at_once, add_in_turn, byte_pair, pair

VERDICT_SPACING_CYCLES = {1: 40, 8: 2, 64: 1}
"""For each lane count, how far apart frames are decided on at least. With one lane, a frame has the adders for itself."""
PROTOCOLS = {Transport.TCP: 6, Transport.UDP: 17, Transport.ICMPV6: 58}


def findings(lanes: int) -> data.StructLayout:
    """All that is known of one frame; ``vlan``: the VLAN is admitted; ``section_sums``: of the canonical transport header
    and of a quoted IPv4 header in it."""
    return data.StructLayout(
        {
            "transport": TRANSPORT,
            "options": OPTIONS,
            "lookup": LOOKUP,
            "tail": TAIL,
            "end": END,
            "vlan": 1,
            "section_sums": data.StructLayout({"canonical": sum_layout(lanes), "quoted": sum_layout(lanes)}),
            **{f"{what}_sum": sum_layout(lanes) for what in ("header", "address", "all", "payload")},
        }
    )


class Verdict(wiring.Component):
    """Decides, without back-pressure, on one frame in `VERDICT_SPACING_CYCLES`: in a pipeline of 10 stages; with one lane,
    every frame has the adders for itself.

    Members:
        valid, i: the findings; with one lane they stay until the next ones.
        o_valid, o: the `VERDICT`, 10 cycles later, or 30 with one lane, with ``reason`` and ``altered``, which is zero in a
            dropped frame.
    """

    valid: Signal
    i: data.View
    policy: data.View
    o_valid: Signal
    o: data.View
    reason: Signal
    altered: data.View

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "i": In(findings(lanes)),
                "policy": In(POLICY),
                "o_valid": Out(1),
                "o": Out(VERDICT),
                "reason": Out(Reason),
                "altered": Out(ALTERED),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, t, n = self.i, self.i.transport, self.i.transport.network
        tcp, udp = t.network.transport == Transport.TCP, t.network.transport == Transport.UDP
        icmp, ipv4 = t.network.transport == Transport.ICMP, n.ethernet.network == Network.IPV4
        found = i.options

        # Stage 1: failures that need no sum, and what goes into the sums.
        bits = (self.lanes - 1).bit_length()
        has_sack = found.sack_blocks != 0
        mss = Mux(found.clamped, self.policy.mss, found.mss)
        payload = Mux(t.trim, 0, t.payload)
        protocol = Signal(8)
        for kind, number in PROTOCOLS.items():
            with m.If(n.transport == kind):
                m.d.comb += protocol.eq(number)
        failures = self._failures(i)
        altered = Signal(ALTERED)
        m.d.comb += [
            altered.eq(n.altered),
            altered.padding.eq(i.tail.padding),
            altered.tcp_mss.eq(found.clamped),
            altered.tcp_timestamps.eq(found.timestamps),
            altered.tcp_options.eq(found.other),
            altered.tcp_layout.eq(tcp & (found.words != t.options)),
            altered.icmp_payload.eq(t.blank & i.payload_sum.as_value().any()),
        ]
        verdict = Signal(VERDICT)
        m.d.comb += [
            verdict.ids.eq(i.lookup.ids),
            verdict.network.eq(n.ethernet.network),
            verdict.transport.eq(n.transport),
            verdict.tagged.eq(n.ethernet.tagged),
            verdict.neighbour.eq(t.neighbour),
            verdict.no_ack.eq(t.no_ack),
            verdict.section.eq(t.section),
            verdict.words.eq(found.words),
            verdict.has_mss.eq(found.has_mss),
            verdict.has_sack_permitted.eq(found.has_sack_permitted),
            verdict.has_window_scale.eq(found.has_window_scale),
            verdict.mss.eq(mss),
            verdict.window_scale.eq(found.window_scale),
            verdict.sack_blocks.eq(found.sack_blocks),
            verdict.sack_start.eq(found.sack_start),
            verdict.has_sack.eq(has_sack),
            verdict.sack_first.eq(found.sack_start >> bits),
            verdict.sack_begins.eq(verdict.sack_first == 0),
            verdict.sack_ends.eq(verdict.sack_last == 0),
            verdict.quotes.eq(icmp & t.error),
            verdict.sack_last.eq((found.sack_start >> bits) + (((found.sack_blocks << 3) - 1) >> bits)),
        ]
        stage = Pipeline(m)
        # What both the length field and the pseudo-header have of the transport layer: its header and payload, options
        # left out.
        fixed_part: Value = t.section + payload
        if self.lanes == 1:
            fixed_part = stage("fixed_part", fixed_part)
        pseudo = [[(1, protocol)], pair(i.address_sum, ~icmp)]
        sums: dict[str, list[list[Term]]] = {
            "header": [pair(i.header_sum)],
            "ip": [
                pair(i.address_sum),
                [(1, Const(0x4500 + 0x4000 + 20)), (1, Cat(Mux(icmp, 1, protocol), self.policy.ttl))],
                [(1, fixed_part)],
                [(1, found.words)],
            ],
            "quoted": [pair(i.section_sums.quoted)],
            "in": [pair(i.all_sum), [(~icmp, Mux(udp, t.payload + 8, n.length))], *pseudo],
            "out": [
                pair(i.section_sums.canonical),
                [(1, t.ack_sum)],
                pair(i.payload_sum, ~(t.trim | t.blank)),
                [(found.has_mss, Cat(mss, Const(0x0204, 16)))],
                [(tcp, Cat(Const(0, 12), (found.words + 20)[2:6]))],
                self._fixed_words(found, has_sack),
                byte_pair(found.sack_high, found.sack_low, has_sack),
                [(~icmp, fixed_part)],
                [(1, found.words)],
                *pseudo,
            ],
        }
        kept = [
            fixed_part,
            found.words,
            ipv4,
            udp,
            n.transport != Transport.NONE,
            t.unchecked,
            failures,
            altered.as_value(),
            verdict.as_value(),
        ]
        if self.lanes > 1:
            added, (valid, *kept) = add_at_once(m, sums, [self.valid, *kept])
            carry = stage
        else:
            # What is only carried along stays where it is.
            out = {"out": sums.pop("out")}
            added, valid = add_in_turn(m, self.valid, [sums, out])
            carry = _stay
        header, ip, quoted, total_in, total_out = (added[name] for name in ("header", "ip", "quoted", "in", "out"))
        fixed_part, words, is_ipv4, is_udp, is_checked, unchecked, failures, altered, carried = kept
        length = fixed_part + words + Mux(is_ipv4, 20, 0)

        flags = [failures[number] for number in range(len(Reason))]
        flags[Reason.IP_CHECKSUM] = is_ipv4 & (header != 0xFFFF)
        flags[Reason.TRANSPORT_CHECKSUM] = is_checked & ((total_in != 0xFFFF) | (is_udp & unchecked))
        failed = stage("failed", Cat(*flags))
        checksum, ip, quoted = stage("checksum", ~total_out), carry("last_ip", ~ip), carry("last_quoted", ~quoted)
        valid = stage("last_valid", valid)
        is_udp, length = carry("last_is_udp", is_udp), carry("last_length", length)
        carried, altered = carry("carried", carried), carry("last_altered", altered)
        lowest = Signal(Reason)
        for reason in reversed(Reason):
            with m.If(failed[reason]):
                m.d.comb += lowest.eq(reason)
        drop, lowest = stage("drop", failed.any()), stage("lowest", lowest)
        m.d.sync += [
            self.o_valid.eq(stage("decided", valid)),
            self.o.eq(carry("decided_carried", carried)),
            self.o.length.eq(carry("decided_length", length)),
            self.o.ip_checksum.eq(carry("decided_ip", ip)),
            self.o.quoted_checksum.eq(carry("decided_quoted", quoted)),
            self.o.checksum.eq(stage("decided_checksum", Mux(is_udp & (checksum == 0), 0xFFFF, checksum))),
            self.o.drop.eq(drop),
            self.reason.eq(lowest),
            self.altered.eq(Mux(drop, 0, carry("decided_altered", altered))),
        ]
        return m

    @staticmethod
    def _fixed_words(found: data.View, has_sack: Value) -> list[Term]:
        """The words of rebuilt options but for MSS and SACK edges."""
        return [
            (found.has_sack_permitted, Const(0x0101 + 0x0402)),
            (found.has_window_scale, Const(0x0103 + 0x0300) + found.window_scale),
            (has_sack, Const(0x0101 + 0x0502) + (found.sack_blocks << 3)),
        ]

    def _failures(self, i: data.View) -> Value:
        """A bit per reason, those that need a checksum left out. Checks of an inner layer may read what is left over from
        another frame where an outer one has failed: the outer reason is the lower number and is the one reported."""
        t, n, e, found = i.transport, i.transport.network, i.transport.network.ethernet, i.lookup
        arp = e.network == Network.ARP
        ip = (e.network == Network.IPV4) | (e.network == Network.IPV6)
        icmpv6 = n.transport == Transport.ICMPV6
        bound = found.source.ingress & (found.source.station == found.source_mac.station)
        own_target = found.destination.ingress & (found.destination.station == found.source_mac.station)
        known_target = found.destination.egress
        arp_target = Mux(
            n.request,
            n.gratuitous | known_target,
            known_target & (found.destination.station == found.destination_mac.station),
        )
        # RFC 4861 sections 4.1, 4.3, 4.4 and 7.1; an unspecified source is that of duplicate address detection.
        nd, unspecified = t.nd, n.unspecified
        placed = Mux(
            nd.kind == NeighbourKind.ROUTER_SOLICITATION,
            nd.to_routers,
            Mux(
                nd.kind == NeighbourKind.ADVERTISEMENT,
                nd.from_target & ~unspecified & (~t.group | nd.to_nodes),
                Mux(t.group, nd.to_solicited, nd.to_target & ~unspecified),
            ),
        )
        nd_bound = Mux(unspecified, ~t.target | own_target, bound & (~t.target | known_target))
        nd_good = placed & ~nd.fields & (~nd.given | nd.owned) & nd_bound
        flags: dict[Reason, ValueLike] = {
            Reason.INGRESS_ERROR: i.end.error,
            Reason.OVERSIZE: i.end.oversize,
            Reason.ETHERNET_SHORT: e.short,
            Reason.LLC: e.llc,
            Reason.ETHERTYPE: e.ethertype,
            Reason.VLAN: ~i.vlan,
            Reason.ARP_FIELDS: arp & n.arp_fields,
            Reason.IP_HEADER: n.ip_header,
            Reason.IP_LENGTH: n.ip_short | (ip & i.tail.too_short),
            Reason.FRAGMENT: n.fragment,
            Reason.PROTOCOL: n.protocol,
            Reason.MAC_SOURCE: t.lookup & ~found.source_mac.ingress,
            Reason.MAC_DESTINATION: t.lookup & ~found.destination_mac.egress & ~t.link_group,
            Reason.ADDRESS_SOURCE: t.lookup
            & Mux(arp, ~n.probe & ~bound, ~found.source.ingress & ~(icmpv6 & unspecified)),
            Reason.ADDRESS_DESTINATION: t.lookup
            & Mux(arp, Mux(n.probe, ~own_target, ~arp_target), ~found.destination.egress & ~(icmpv6 & t.group)),
            Reason.TRANSPORT_LENGTH: t.transport_length,
            Reason.ICMP_TYPE: t.icmp_type,
            Reason.ND_FIELDS: t.neighbour & ~nd_good,
            Reason.TCP_FLAGS: t.tcp_flags,
            Reason.TCP_AUTHENTICATED: i.options.authenticated,
            Reason.TCP_OPTION: i.options.malformed,
            Reason.UDP_PORT: t.udp_port,
            Reason.ICMP_QUOTE: t.error & (t.quote | ~found.quoted),
        }
        return Cat(*(Value.cast(flags.get(reason, 0))[0] for reason in Reason))


def _stay(_: str, value: ValueLike) -> Value:
    return Value.cast(value)
