# SPDX-License-Identifier: Apache-2.0
"""What the layers of the parser find out about a frame, in the order in which it grows."""

from amaranth import unsigned
from amaranth.lib import data, enum

from custodes.flow_table import ADDRESS_ID_BITS
from custodes.table import SCRUBBED


class Network(enum.Enum, shape=2):
    """Network layer of a frame; NONE where the EtherType is not admitted."""

    NONE = 0
    ARP = 1
    IPV4 = 2
    IPV6 = 3


class Transport(enum.Enum, shape=3):
    """Transport layer of a frame; NONE where there is none or an outer layer failed."""

    NONE = 0
    TCP = 1
    UDP = 2
    ICMP = 3
    ICMPV6 = 4


class NeighbourKind(enum.Enum, shape=2):
    """Neighbour discovery messages that are admitted."""

    ADVERTISEMENT = 0
    SOLICITATION = 1
    ROUTER_SOLICITATION = 2


POLICY = data.StructLayout(
    {
        "arp": 1,
        "ipv4": 1,
        "ipv6": 1,
        "tcp": 1,
        "udp": 1,
        "icmp": 1,
        "icmpv6": 1,
        "nd": 1,
        "deny": 1,
        "ttl": 8,
        "mss": 16,
        "deny_ports": data.ArrayLayout(16, 8),
    }
)
"""The policy as the gateware holds it, but for the address table and the VLANs, which are memories."""

ALTERED = data.StructLayout({row.key: 1 for row in SCRUBBED})
"""A bit per row of the scrub table."""

ETHERNET = data.StructLayout(
    {
        "network": Network,
        "short": 1,
        "llc": 1,
        "ethertype": 1,
        "tagged": 1,
        "vid": 12,
        "vlan_priority": 1,
        "source_mac": data.ArrayLayout(unsigned(8), 6),
        "destination_mac": data.ArrayLayout(unsigned(8), 6),
    }
)

MACS = ("source_mac", "destination_mac")

NETWORK = data.StructLayout(
    {
        "ethernet": ETHERNET,
        "transport": Transport,
        "arp_fields": 1,
        "ip_header": 1,
        "ip_short": 1,
        "fragment": 1,
        "protocol": 1,
        "length": 11,
        "above_8": 1,
        "above_24": 1,
        "unspecified": 1,
        "group_mac": 1,
        "all_nodes": 1,
        "all_routers": 1,
        "solicited_node": 1,
        "before_minimum": 6,
        "hop_limit": 8,
        "addresses": data.ArrayLayout(unsigned(8), 32),
        "request": 1,
        "probe": 1,
        "gratuitous": 1,
        "altered": ALTERED,
    }
)
"""``length`` is that of the IP payload in bytes, 2047 where it cannot fit a frame, and ``above_8`` and ``above_24`` compare
that of IPv6; ``unspecified``: an IPv6 source of all zeros; of an IPv6 destination that is a group, ``group_mac``: the
destination MAC is the group's (RFC 2464 section 7), and ``all_nodes``, ``all_routers``, ``solicited_node``: which it is (RFC
4291 section 2.7.1); ``before_minimum``: how many of the bytes after the network header are within the 60 of the smallest
frame. ``addresses`` are bytes 8 to 39 of the network header, in which addresses stand where `SOURCES` and `DESTINATIONS`
say."""

SOURCES = {Network.IPV6: (0, 16), Network.IPV4: (4, 4), Network.ARP: (6, 4)}
DESTINATIONS = {Network.IPV6: (16, 16), Network.IPV4: (8, 4), Network.ARP: (16, 4)}
"""Offset and length of an address in ``addresses``; of ARP, the sender's and the target's protocol address."""

TRANSPORT = data.StructLayout(
    {
        "network": NETWORK,
        "section": 6,
        "options": 6,
        "payload": 11,
        "trim": 1,
        "syn": 1,
        "rst": 1,
        "no_ack": 1,
        "ack_sum": 17,
        "neighbour": 1,
        "group": 1,
        "target": 1,
        "target_address": data.ArrayLayout(unsigned(8), 16),
        "transport_length": 1,
        "icmp_type": 1,
        "blank": 1,
        "error": 1,
        "quote": 1,
        "nd": data.StructLayout(
            {
                "kind": NeighbourKind,
                "from_target": 1,
                "to_target": 1,
                "to_routers": 1,
                "to_nodes": 1,
                "to_solicited": 1,
                "owned": 1,
                "given": 1,
                "fields": 1,
            }
        ),
        "tcp_flags": 1,
        "udp_port": 1,
        "unchecked": 1,
        "link_group": 1,
        "lookup": 1,
    }
)
"""``section``, ``options`` and ``payload`` are bytes; the first is the canonical transport header without options, with what
an ICMP error quotes. ``ack_sum``: the two words of the acknowledgement number, added up. ``target``: the destination to look
up is a neighbour solicitation's ``target_address``. ``blank``: the payload leaves as zeros. ``error``: an ICMP error, whose
``target_address`` is the destination of the packet that it quotes, an IPv4 one in the last four bytes; ``quote``: what it
quotes is not as it must be. ``unchecked``: a UDP checksum of zero. ``nd``: of neighbour discovery, who sends to whom,
whether a link-layer address is ``given`` and is the sender's own (``owned``), and ``fields``: a hop limit, code or length is
wrong. ``udp_port``: a port is denied. ``link_group``: the destination MAC is the group that the frame must go to.
``lookup``: addresses are looked up."""

OPTIONS = data.StructLayout(
    {
        "authenticated": 1,
        "malformed": 1,
        "timestamps": 1,
        "other": 1,
        "has_mss": 1,
        "has_window_scale": 1,
        "has_sack_permitted": 1,
        "mss": 16,
        "window_scale": 4,
        "clamped": 1,
        "words": 6,
        "sack_blocks": 3,
        "sack_start": 6,
        "sack_high": 13,
        "sack_low": 13,
    }
)
"""What the options walk found; ``clamped``: the MSS is above the policy's; ``words``: bytes of the rebuilt options, SACK
edges included; ``sack_high`` and ``sack_low`` are byte sums of the edges by word halves."""

FOUND = data.StructLayout({"ingress": 1, "egress": 1, "station": 8})
"""An address in the table: behind which port, bound to which station; all zero where it is not there."""

IDS = data.StructLayout({"source": ADDRESS_ID_BITS, "destination": ADDRESS_ID_BITS})
"""Between which two addresses a frame's flow is. For an ICMP error ``source`` is the destination of the packet that it
quotes: the flow is with that one, whoever reports the error."""

LOOKUP = data.StructLayout(
    {
        "source_mac": FOUND,
        "destination_mac": FOUND,
        "source": FOUND,
        "destination": FOUND,
        "quoted": 1,
        "ids": IDS,
    }
)
"""What the address table says of a frame; ``quoted``: the destination of the packet that an ICMP error quotes is behind the
ingress port."""

VERDICT = data.StructLayout(
    {
        "drop": 1,
        "ids": IDS,
        "network": Network,
        "transport": Transport,
        "tagged": 1,
        "neighbour": 1,
        "no_ack": 1,
        "section": 6,
        "length": 11,
        "ip_checksum": 16,
        "checksum": 16,
        "words": 6,
        "has_mss": 1,
        "has_sack_permitted": 1,
        "has_window_scale": 1,
        "mss": 16,
        "window_scale": 4,
        "sack_blocks": 3,
        "sack_start": 6,
        "has_sack": 1,
        "sack_first": 6,
        "sack_last": 6,
        "sack_begins": 1,
        "sack_ends": 1,
        "quotes": 1,
        "quoted_checksum": 16,
    }
)
"""All that the rewriter needs beside the sections: ``length`` is the IP length field, ``words`` the bytes of rebuilt TCP
options including SACK edges; ``sack_start`` the byte of the options at which the edges start, ``sack_first`` and
``sack_last`` the beats of the options with which their beats start, ``sack_begins`` and ``sack_ends``: that is the first;
``quotes``: there is a quoted IPv4 header, to get ``quoted_checksum``."""

VERDICTS = {
    piece: data.StructLayout({name: VERDICT[name].shape for name in ("drop", *names)})
    for piece, names in {
        "ethernet": ("tagged", "ids"),
        "network": ("network", "neighbour", "length", "ip_checksum"),
        "transport": ("transport", "no_ack", "section", "words", "checksum", "quotes", "quoted_checksum"),
        "words": (
            "has_mss",
            "has_sack_permitted",
            "has_window_scale",
            "mss",
            "window_scale",
            "sack_blocks",
            "has_sack",
        ),
        "edges": ("sack_blocks", "sack_start", "has_sack", "sack_first", "sack_last", "sack_begins", "sack_ends"),
        "payload": (),
    }.items()
}
"""What the rewriter needs of a `VERDICT` for each piece of a frame, in the order of the wire."""
