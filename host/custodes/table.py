# SPDX-License-Identifier: Apache-2.0
"""The scrub table as data: what the warden does to every header field.

One row per field, in the order in which counters and masks number them. The gateware, the executable specification,
the tests and the reports all read these rows; a field that no row admits does not leave the device.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Port(enum.IntEnum):
    """Where a frame enters the warden."""

    CLUSTER = 0
    WORLD = 1

    @property
    def other(self) -> Port:
        return Port(1 - self)


class Action(enum.Enum):
    """What happens to a field."""

    ZERO = "Z"
    CONSTANT = "C"
    RECOMPUTE = "R"
    VERIFY = "V"
    REMOVE = "X"
    TRANSLATE = "T"
    """Rewritten with what is known of the flow."""
    RESIDUAL = "res"


class Reason(enum.IntEnum):
    """Why a frame was dropped; the lowest number that applies is the one reported."""

    FORWARDED = 0
    OVERSIZE = 1
    INGRESS_ERROR = 2
    ETHERNET_SHORT = 3
    LLC = 4
    ETHERTYPE = 5
    VLAN = 6
    ARP_FIELDS = 7
    IP_HEADER = 8
    IP_LENGTH = 9
    IP_CHECKSUM = 10
    FRAGMENT = 11
    PROTOCOL = 12
    MAC_SOURCE = 13
    MAC_DESTINATION = 14
    ADDRESS_SOURCE = 15
    ADDRESS_DESTINATION = 16
    TRANSPORT_LENGTH = 17
    ICMP_TYPE = 18
    ND_FIELDS = 19
    TCP_FLAGS = 20
    TCP_AUTHENTICATED = 21
    TCP_OPTION = 22
    UDP_PORT = 23
    TRANSPORT_CHECKSUM = 24
    ICMP_QUOTE = 25
    FLOW_UNKNOWN = 26
    FLOW_STATE = 27
    FLOW_FULL = 28
    ENTROPY_EMPTY = 29

    @property
    def title(self) -> str:
        return _REASON_TITLES[self]


_REASON_TITLES = {
    Reason.FORWARDED: "forwarded",
    Reason.OVERSIZE: "longer than the largest frame",
    Reason.INGRESS_ERROR: "marked bad by the ingress port",
    Reason.ETHERNET_SHORT: "ends inside the Ethernet header",
    Reason.LLC: "802.3 length frame (LLC)",
    Reason.ETHERTYPE: "EtherType not admitted",
    Reason.VLAN: "VLAN not admitted",
    Reason.ARP_FIELDS: "ARP fixed fields",
    Reason.IP_HEADER: "IP version or header length",
    Reason.IP_LENGTH: "IP length exceeds the frame",
    Reason.IP_CHECKSUM: "IPv4 header checksum",
    Reason.FRAGMENT: "fragment",
    Reason.PROTOCOL: "protocol or extension header not admitted",
    Reason.MAC_SOURCE: "source MAC address unknown on this port",
    Reason.MAC_DESTINATION: "destination MAC address unknown on the other port",
    Reason.ADDRESS_SOURCE: "source IP address unknown on this port",
    Reason.ADDRESS_DESTINATION: "destination IP address unknown on the other port",
    Reason.TRANSPORT_LENGTH: "transport header or length",
    Reason.ICMP_TYPE: "ICMP type not admitted",
    Reason.ND_FIELDS: "neighbour discovery fields",
    Reason.TCP_FLAGS: "illegal TCP flag combination",
    Reason.TCP_AUTHENTICATED: "TCP-MD5 or TCP-AO",
    Reason.TCP_OPTION: "malformed or duplicate TCP option",
    Reason.UDP_PORT: "UDP port denied (QUIC, DTLS)",
    Reason.TRANSPORT_CHECKSUM: "transport checksum",
    Reason.ICMP_QUOTE: "malformed or foreign packet quoted by an ICMP error",
    Reason.FLOW_UNKNOWN: "no such flow",
    Reason.FLOW_STATE: "does not fit what its flow has sent",
    Reason.FLOW_FULL: "no room in the flow table",
    Reason.ENTROPY_EMPTY: "no entropy for a new flow",
}


class Scope(enum.IntFlag):
    """Header kinds a frame has; a field is carried by the frames that have all bits of its scope."""

    FRAME = 0
    VLAN = 1 << 0
    ARP_REQUEST = 1 << 1
    IPV4 = 1 << 2
    IPV6 = 1 << 3
    ECHO = 1 << 4
    ND = 1 << 5
    TCP = 1 << 6
    TCP_SYN = 1 << 7
    TCP_RST = 1 << 8
    TCP_NO_ACK = 1 << 9
    UDP = 1 << 10
    ARP = 1 << 11
    ICMP_ERROR = 1 << 12
    TCP_SACK = 1 << 13


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table.

    ``bits`` is the covert capacity per frame that carries the field; ``None`` where the capacity is measured, frame by
    frame, as eight bits for every byte removed. ``after`` is what the warden leaves of it; ``stateful``: with what it
    knows of the flow.
    """

    key: str
    title: str
    scope: Scope
    bits: int | None
    after: float
    action: Action
    stateful: bool
    breaks: str

    @property
    def residual(self) -> bool:
        return self.after > 0


def _sl(
    key: str, title: str, scope: Scope, bits: int | None, action: Action, breaks: str = "nothing", after: float = 0
) -> Field:
    return Field(key, title, scope, bits, after, action, False, breaks)


def _st(key: str, title: str, scope: Scope, bits: int, breaks: str = "nothing", after: float = 0) -> Field:
    return Field(key, title, scope, bits, after, Action.TRANSLATE, True, breaks)


_A, _S = Action, Scope

SCRUBBED: tuple[Field, ...] = (
    _sl("vlan_priority", "802.1Q PCP, DEI", _S.VLAN, 4, _A.ZERO, "priority"),
    _sl("padding", "Padding and bytes past the L3 length", _S.FRAME, None, _A.REMOVE),
    _sl("arp_target_ha", "ARP target hardware address in a request", _S.ARP_REQUEST, 48, _A.ZERO),
    _sl("ipv4_options", "IPv4 options", _S.IPV4, None, _A.REMOVE, "record route, router alert"),
    _sl("ipv4_dscp", "IPv4 DSCP", _S.IPV4, 6, _A.ZERO, "QoS marking"),
    _sl("ipv4_ecn", "IPv4 ECN", _S.IPV4, 2, _A.ZERO, "ECN"),
    _sl("ipv4_id", "IPv4 identification", _S.IPV4, 16, _A.ZERO),
    _sl("ipv4_flags", "IPv4 reserved flag, DF", _S.IPV4, 2, _A.CONSTANT, "path MTU discovery needs the MSS clamp"),
    _sl("ipv4_ttl", "IPv4 TTL", _S.IPV4, 8, _A.CONSTANT, "traceroute, loop detection"),
    _sl("ipv6_traffic_class", "IPv6 traffic class", _S.IPV6, 8, _A.ZERO, "QoS marking, ECN"),
    _sl("ipv6_flow_label", "IPv6 flow label", _S.IPV6, 20, _A.ZERO, "label-based ECMP"),
    _sl("ipv6_hop_limit", "IPv6 hop limit (neighbour discovery stays 255)", _S.IPV6, 8, _A.CONSTANT, "traceroute"),
    _sl("icmp_code", "ICMP echo code", _S.ECHO, 8, _A.ZERO),
    _sl("nd_reserved", "ND reserved fields", _S.ND, 29, _A.ZERO),
    _sl("nd_options", "ND options past the link-layer address", _S.ND, None, _A.REMOVE, "enhanced DAD nonce"),
    _sl("tcp_ack_unused", "TCP acknowledgement number while ACK=0", _S.TCP_NO_ACK, 32, _A.ZERO),
    _sl("tcp_reserved", "TCP reserved bits", _S.TCP, 3, _A.ZERO),
    _sl("tcp_ecn", "TCP AE, CWR, ECE", _S.TCP, 3, _A.ZERO, "ECN, AccECN"),
    _sl("tcp_urgent", "TCP URG and urgent pointer", _S.TCP, 17, _A.ZERO, "out-of-band data"),
    _sl("tcp_psh", "TCP PSH", _S.TCP, 1, _A.CONSTANT, "slightly later delivery"),
    _sl(
        "tcp_window",
        "TCP window (a power of two leaves 17 values)",
        _S.TCP,
        16,
        _A.CONSTANT,
        "throughput, a little",
        4.09,
    ),
    _sl("tcp_payload", "Payload on SYN or RST", _S.TCP, None, _A.REMOVE, "TCP Fast Open"),
    _sl("tcp_mss", "TCP MSS, clamped to the policy's", _S.TCP_SYN, 16, _A.CONSTANT, "nothing", 16),
    _sl("tcp_timestamps", "TCP timestamps", _S.TCP, None, _A.REMOVE, "PAWS, RTT measurement"),
    _sl(
        "tcp_options", "TFO cookie, MPTCP, unknown or misplaced TCP options", _S.TCP, None, _A.REMOVE, "those features"
    ),
    _sl("tcp_layout", "TCP option order and padding", _S.TCP, None, _A.REMOVE),
    _sl("udp_surplus", "Bytes past the UDP length", _S.UDP, None, _A.REMOVE, "UDP options (RFC 9868)"),
    _st(
        "icmp_id_seq",
        "ICMP echo identifier and sequence number (sixteen may be answered)",
        _S.ECHO,
        32,
        "nothing",
        4,
    ),
    _sl("icmp_payload", "ICMP echo payload", _S.ECHO, None, _A.ZERO, "ping that checks what comes back"),
    _sl(
        "icmp_error",
        "ICMP errors: unused words, what is quoted past a header and 8 bytes",
        _S.ICMP_ERROR,
        None,
        _A.REMOVE,
        "the path MTU, which is always 1280",
    ),
    _st("tcp_source_port", "TCP source port, if ephemeral", _S.TCP_SYN, 16, "applications that fix a high port"),
    _st("tcp_isn", "TCP initial sequence number", _S.TCP_SYN, 32, "TCP-MD5, TCP-AO"),
    _st("tcp_window_scale", "TCP window scale, SACK-permitted (whether offered)", _S.TCP_SYN, 5, after=2),
    _st("tcp_sack", "TCP SACK edges (inside the last 2^24 bytes sent)", _S.TCP_SACK, 256, after=192),
)
"""Rows with a counter: bit ``i`` of an *altered* mask and counter ``i`` are row ``i``."""

PASSED: tuple[Field, ...] = (
    Field("nd_flags", "Neighbour advertisement R, S, O", _S.ND, 3, 3, _A.RESIDUAL, False, "nothing"),
)
"""Rows that pass whole and are reported as residual."""

INDEX: dict[str, int] = {row.key: i for i, row in enumerate(SCRUBBED)}
RESIDUAL_NOTE = (
    "packet size, segmentation, choice to retransmit, ACK choice, destination, order, number of flows, timing"
)

MIN_FRAME_BYTES = 60
MAX_FRAME_BYTES = 1518
"""Without FCS: 1500 bytes of payload, 14 of Ethernet header, and up to one 802.1Q tag."""
