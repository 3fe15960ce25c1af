# SPDX-License-Identifier: Apache-2.0
"""What a transport header says: RFC 9293 (TCP), RFC 768 (UDP), RFC 792 and 4443 (ICMP), RFC 4861 (ND)."""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data

from gateware.scrubber.icmp_error import code_known, quoted_echo, quoted_udp
from gateware.scrubber.layouts import TRANSPORT, NeighbourKind, Network, Transport
from gateware.scrubber.match import same_bytes
from gateware.scrubber.network import UNFIT
from gateware.scrubber.split import HeaderSplit, captured_value

FIN, SYN, RST, PSH, ACK, URG = range(6)
LEGAL_FLAGS = ((SYN,), (SYN, ACK), (ACK,), (FIN, ACK), (RST,), (RST, ACK))

EARLY = data.StructLayout(
    {
        "header": 6,
        "covered": 11,
        "udp_short": 1,
        "udp_long": 1,
        "lookup": 1,
        "neighbour": 1,
        "target": 1,
        "error": 1,
        "code": 1,
        "group": 1,
        "strays": 1,
        "nd_short": 1,
        "nd_bare": 1,
        "quote": 1,
        "quoted_udp": 1,
    }
)
"""What is worked out along with `HeaderSplit.found` already: the bytes of a TCP header, options included; those that the UDP
length covers, and whether that is too short or too long; whether addresses are looked up; an admitted neighbour discovery
message, whether it is too short for one of its type (``nd_short``), or for an option (``nd_bare``); a solicitation to a
group, which is for its target; an ICMP error, whether it has a ``code`` that is known, whether what it quotes is wrong in
itself, and whether that is UDP; of ICMPv6, whether it is to a ``group``, and to one or from nobody (``strays``)."""


def tcp_header(byte_12: Value) -> Value:
    """The bytes of a TCP header, options included; what is too short to be one counts as the shortest."""
    offset = byte_12[4:]
    return Mux(offset < 5, 20, offset << 2)


def udp_lengths(captured: data.View) -> tuple[Value, Value]:
    """The UDP length, and the bytes that it covers: 2047 where they cannot fit a frame."""
    length = captured_value(captured, (4, 5))
    return length, Mux(length[11:].any(), UNFIT, length[:11])


def anticipate(
    m: Module, captured: data.View, meta: data.View, neighbour: Value, error: Value, fault: tuple[Value, Value]
) -> data.View:
    """The `EARLY` of a frame whose header is about to be split off, without a register; ``fault``: `quote_fault`."""
    early, c, ipv4 = Signal(EARLY), captured, meta.transport == Transport.ICMP
    udp_length, covered = udp_lengths(c)
    wrong, quotes_icmp = fault
    solicits_router = c[0] == 133
    group = (meta.transport == Transport.ICMPV6) & (meta.addresses[16] == 0xFF)
    m.d.comb += [
        early.header.eq(tcp_header(c[12])),
        early.covered.eq(covered),
        early.udp_short.eq(udp_length < 8),
        early.udp_long.eq(udp_length > meta.length),
        early.lookup.eq(Mux(meta.ethernet.network == Network.ARP, ~meta.arp_fields, meta.transport != Transport.NONE)),
        early.neighbour.eq(neighbour),
        early.target.eq(neighbour & (c[0] == 135) & group),
        early.error.eq(error),
        early.code.eq(code_known(c, meta.transport)),
        early.group.eq(group),
        early.strays.eq(group | ((meta.transport == Transport.ICMPV6) & meta.unspecified)),
        early.nd_short.eq(Mux(solicits_router, meta.length < 8, meta.length < 24)),
        early.nd_bare.eq(Mux(solicits_router, meta.length < 16, meta.length < 32)),
        early.quote.eq(wrong | (quotes_icmp & ~quoted_echo(c, ipv4))),
        early.quoted_udp.eq(quoted_udp(c, ipv4)),
    ]
    return early


def compare(
    m: Module,
    split: HeaderSplit,
    source: Sequence[Value],
    destination: Sequence[Value],
    quoted: Value,
    policy: data.View,
) -> dict[str, Value]:
    """What is the same as something else in the header of `HeaderSplit.found`: ``source`` and ``destination`` as a neighbour
    discovery message's target, and the last bytes of both; the frame's destination as the source of a quoted packet;
    ``quoted``, which is `quoted_payload`, as a quoted UDP length; an option at byte 8 or 24 as one with the sender's own
    link-layer address; a UDP port as one of those that are denied."""
    mac, kind = split.meta.ethernet.source_mac, split.captured[0]
    own = [Mux(kind == 136, 2, 1), 1, *(mac[k] for k in range(6))]
    denied = [
        same_bytes(m, split, start, [policy.deny_ports[k][8:], policy.deny_ports[k][:8]])
        for start in (0, 2)
        for k in range(len(policy.deny_ports))
    ]
    return {
        "from_target": same_bytes(m, split, 8, source),
        "to_target": same_bytes(m, split, 8, destination),
        "to_solicited": same_bytes(m, split, 21, destination[13:]),
        "quoted_4": same_bytes(m, split, 20, source[8:12]),
        "quoted_6": same_bytes(m, split, 16, destination),
        "fits_4": same_bytes(m, split, 32, [quoted[8:], quoted[:8]]),
        "fits_6": same_bytes(m, split, 52, [quoted[8:], quoted[:8]]),
        "owned_8": same_bytes(m, split, 8, own),
        "owned_24": same_bytes(m, split, 24, own),
        "denied": Cat(*denied).any(),
    }


def describe(m: Module, found: data.View, early: data.View, same: dict[str, Value], policy: data.View) -> data.View:
    """The `TRANSPORT` of a frame whose header has been split off, without a register.

    Args:
        found: what `HeaderSplit` captured: the first bytes of the transport layer, and the `NETWORK` as ``meta``.
        early: the `EARLY` of the same frame.
        same: what `compare` says of it.
    """
    meta = found.meta
    o = Signal(TRANSPORT)
    arp = meta.ethernet.network == Network.ARP
    mac = meta.ethernet.destination_mac
    m.d.comb += [
        o.network.eq(meta),
        o.lookup.eq(early.lookup),
        o.link_group.eq(
            Mux(arp, meta.request & mac.as_value().all(), early.group & meta.group_mac),
        ),
        o.group.eq(early.group),
    ]
    with m.Switch(meta.transport):
        with m.Case(Transport.TCP):
            _tcp(m, found, o, early.header)
        with m.Case(Transport.UDP):
            _udp(m, found, o, early, policy.deny & same["denied"])
        with m.Case(Transport.ICMP, Transport.ICMPV6):
            _icmp(m, found, o, policy, early, same)
    with m.If(meta.ethernet.network == Network.IPV6):
        m.d.comb += o.network.altered.ipv6_hop_limit.eq(meta.hop_limit != Mux(early.neighbour, 255, policy.ttl))
    c, quotes_ipv4 = found.captured, meta.transport == Transport.ICMP
    for k in range(16):
        quoted = Mux(quotes_ipv4, c[12 + k], c[32 + k])
        m.d.comb += o.target_address[k].eq(Mux(early.error, quoted, c[8 + k]))
    return o


def _tcp(m: Module, found: data.View, o: data.View, header: Value) -> None:
    c, meta, a = found.captured, found.meta, o.network.altered
    offset, flags = c[12][4:], c[13]
    has_data = meta.length > header
    window = captured_value(c, (14, 15))
    some = Cat(flags[FIN], flags[SYN], flags[RST], flags[ACK])
    legal = {sum(1 << (FIN, SYN, RST, ACK).index(flag) for flag in flag_set) for flag_set in LEGAL_FLAGS}
    m.d.comb += [
        o.section.eq(20),
        o.options.eq(header - 20),
        o.payload.eq(meta.length - header),
        o.syn.eq(flags[SYN]),
        o.rst.eq(flags[RST]),
        o.no_ack.eq(~flags[ACK]),
        o.trim.eq(flags[SYN] | flags[RST]),
        o.ack_sum.eq(Mux(flags[ACK], captured_value(c, (8, 9)) + captured_value(c, (10, 11)), 0)),
        o.transport_length.eq((meta.length < 20) | (offset < 5) | (meta.length < header)),
        o.tcp_flags.eq(~Cat(some == value for value in legal).any()),
        a.tcp_ack_unused.eq(~flags[ACK] & Cat(*(c[k] for k in range(8, 12))).any()),
        a.tcp_reserved.eq(c[12][1:4].any()),
        a.tcp_ecn.eq(c[12][0] | flags[6:].any()),
        a.tcp_urgent.eq(flags[URG] | c[18].any() | c[19].any()),
        a.tcp_psh.eq(flags[PSH] != (has_data & ~o.trim)),
        a.tcp_window.eq(Mux(flags[RST], window.any(), (window & (window - 1)).any())),
        a.tcp_payload.eq(has_data & o.trim),
    ]


def _udp(m: Module, found: data.View, o: data.View, early: data.View, denied: Value) -> None:
    c, meta = found.captured, found.meta
    m.d.comb += [
        o.section.eq(8),
        o.payload.eq(early.covered - 8),
        o.unchecked.eq(Cat(c[6], c[7]) == 0),
        o.transport_length.eq((meta.length < 8) | early.udp_short | early.udp_long),
        o.network.altered.udp_surplus.eq(meta.length > early.covered),
        o.udp_port.eq(denied),
    ]


def _icmp(
    m: Module,
    found: data.View,
    o: data.View,
    policy: data.View,
    early: data.View,
    same: dict[str, Value],
) -> None:
    c, meta, a, nd = found.captured, found.meta, o.network.altered, o.nd
    kind = c[0]
    echo, advertises, solicits_router = (Signal(name=name) for name in ("echo", "advertises", "solicits_router"))
    neighbour, icmpv6 = early.neighbour, meta.transport == Transport.ICMPV6
    solicits_neighbour = kind == 135
    m.d.comb += [
        solicits_router.eq(kind == 133),
        advertises.eq(kind == 136),
        echo.eq(
            Mux(
                icmpv6,
                (kind[1:] == 128 >> 1) & policy.icmpv6 & ~early.strays,
                (kind == 0) | (kind == 8),
            )
        ),
    ]
    quoted_source = Mux(icmpv6, same["quoted_6"], same["quoted_4"])
    quoted_fits = Mux(icmpv6, same["fits_6"], same["fits_4"])
    above_fixed = Mux(solicits_router, meta.above_8, meta.above_24)
    m.d.comb += [
        o.section.eq(found.length),
        o.payload.eq(meta.length - 8),
        o.trim.eq(neighbour | early.error),
        o.blank.eq(echo),
        o.error.eq(early.error),
        o.quote.eq(early.quote | ~quoted_source | (early.quoted_udp & ~quoted_fits)),
        o.neighbour.eq(neighbour),
        o.target.eq(early.target),
        o.transport_length.eq((meta.length < 8) | (neighbour & early.nd_short)),
        o.icmp_type.eq(~echo & ~neighbour & ~(early.error & early.code & ~early.strays)),
        nd.from_target.eq(same["from_target"]),
        nd.to_target.eq(same["to_target"]),
        nd.to_nodes.eq(meta.all_nodes),
        nd.to_routers.eq(meta.all_routers),
        nd.to_solicited.eq(meta.solicited_node & same["to_solicited"]),
        nd.given.eq(above_fixed & ~meta.unspecified),
        nd.owned.eq(Mux(solicits_router, same["owned_8"], same["owned_24"])),
        nd.fields.eq((meta.hop_limit != 255) | c[1].any() | (nd.given & early.nd_bare)),
        a.icmp_code.eq(echo & c[1].any()),
        a.icmp_error.eq(early.error),
        a.nd_reserved.eq(neighbour & (Mux(advertises, c[4][:5], c[4]).any() | Cat(c[5], c[6], c[7]).any())),
        a.nd_options.eq(neighbour & (meta.length > found.length)),
    ]
    with m.If(solicits_router):
        m.d.comb += nd.kind.eq(NeighbourKind.ROUTER_SOLICITATION)
    with m.Elif(solicits_neighbour):
        m.d.comb += nd.kind.eq(NeighbourKind.SOLICITATION)
