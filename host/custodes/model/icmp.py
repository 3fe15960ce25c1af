# SPDX-License-Identifier: Apache-2.0
"""ICMP and ICMPv6 of the executable specification: echo, errors, and neighbour discovery.

Sources: RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 5.2.7, RFC 1191 section 4, RFC 4443, RFC 4861 sections 4.1, 4.3,
4.4 and 7.1, RFC 4862 section 5.4, the scrub table.
"""

from __future__ import annotations

from typing import Protocol

from custodes.model.checksum import checksum, ones_sum
from custodes.model.frame import Drop, Packet, Trace
from custodes.model.quote import scrub_quote
from custodes.table import Port, Reason, Scope

ECHO_REQUEST, ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
ERROR_CODES = {
    4: {3: range(16), 11: range(2), 12: range(3)},
    6: {1: range(7), 2: range(1), 3: range(2), 4: range(3)},
}
"""Type of an error that is admitted -> its codes."""
TOO_BIG = {4: (3, 4), 6: (2, 0)}
"""Type and code of the error that tells a path MTU."""
MTU_BYTES = 1280
"""The MTU that it tells: what every IPv6 link has (RFC 8200 section 5), and more than a TCP segment needs that is not
fragmented."""
ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 133, 135, 136
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ALL_ROUTERS = bytes.fromhex("ff020000000000000000000000000002")
SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")

_ECHO, _ND, _ERROR = int(Scope.ECHO), int(Scope.ND), int(Scope.ICMP_ERROR)


class Stations(Protocol):
    """What neighbour discovery and errors ask of the policy."""

    @property
    def icmpv6_kinds(self) -> frozenset[str]: ...

    @property
    def ttl(self) -> int: ...

    def station(self, address: bytes, port: Port) -> int: ...


def scrub_icmp(ip: Packet, stations: Stations, source_mac: bytes, port: Port, trace: Trace) -> bytes:
    """Scrub an ICMP or ICMPv6 message; returns it with its checksum."""
    body = ip.body
    if len(body) < 8:
        raise Drop(Reason.TRANSPORT_LENGTH)
    pseudo = ip.version == 6
    echo = body[0] in (ECHO_REQUEST[ip.version], ECHO_REPLY[ip.version])
    error = body[0] in ERROR_CODES[ip.version]
    clean = b""
    if echo or error:
        grouped = pseudo and (ip.destination[0] == 0xFF or not any(ip.source))
        if grouped or (pseudo and "icmpv6" not in stations.icmpv6_kinds):
            raise Drop(Reason.ICMP_TYPE)
        if error and body[1] not in ERROR_CODES[ip.version][body[0]]:
            raise Drop(Reason.ICMP_TYPE)
    else:
        if not pseudo or "nd" not in stations.icmpv6_kinds:
            raise Drop(Reason.ICMP_TYPE)
        clean = _neighbour(ip, stations, source_mac, port)
    if ones_sum((ip.pseudo_header(len(body)) if pseudo else b"") + body) != 0xFFFF:
        raise Drop(Reason.TRANSPORT_CHECKSUM)
    if echo:
        clean = body[:1] + bytes(3) + body[4:8] + bytes(len(body) - 8)
        trace.scope |= _ECHO
        trace.alter("icmp_code", body[1])
        trace.remove("icmp_payload", len(body) - 8 if any(body[8:]) else 0)
    elif error:
        clean = _error(ip, stations, port)
        trace.scope |= _ERROR
        trace.alter("icmp_error", True)
        trace.remove("icmp_error", len(body) - len(clean))
    else:
        trace.scope |= _ND
        trace.alter("nd_reserved", clean[4:8] != body[4:8])
        trace.remove("nd_options", len(body) - len(clean))
    value = checksum((ip.pseudo_header(len(clean)) if pseudo else b"") + clean)
    return clean[:2] + value.to_bytes(2) + clean[4:]


def _error(ip: Packet, stations: Stations, port: Port) -> bytes:
    """The canonical error, with a checksum of zero: type, code, nothing but a constant MTU, and a packet that its receiver
    sent to a station on the side where it comes from, which need not be the one that complains."""
    kind, code = ip.body[0], ip.body[1]
    quote = scrub_quote(ip.body[8:], ip.version, stations.ttl)
    if quote.source != ip.destination or not stations.station(quote.destination, port):
        raise Drop(Reason.ICMP_QUOTE)
    mtu = MTU_BYTES if (kind, code) == TOO_BIG[ip.version] else 0
    return bytes((kind, code, 0, 0)) + mtu.to_bytes(4) + quote.header + quote.transport


def _neighbour(ip: Packet, stations: Stations, source_mac: bytes, port: Port) -> bytes:
    """The canonical message, with a checksum of zero: fixed part, then the sender's link-layer address if it was given."""
    body, kind = ip.body, ip.body[0]
    if kind not in (ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
        raise Drop(Reason.ICMP_TYPE)
    fixed = 8 if kind == ROUTER_SOLICITATION else 24
    if len(body) < fixed:
        raise Drop(Reason.TRANSPORT_LENGTH)
    target, sender = body[8:24], stations.station(source_mac, port)
    unspecified, group = not any(ip.source), ip.destination[0] == 0xFF
    bound = stations.station(ip.source, port) == sender
    placed = (kind != NEIGHBOUR_ADVERTISEMENT and group) if unspecified else bound
    if kind == ROUTER_SOLICITATION:
        placed = placed and ip.destination == ALL_ROUTERS
    elif kind == NEIGHBOUR_ADVERTISEMENT:
        placed = placed and target == ip.source and (not group or ip.destination == ALL_NODES)
    elif not group:
        placed = placed and target == ip.destination
    else:
        placed = placed and ip.destination == SOLICITED_NODE + target[13:]
        if unspecified:
            placed = placed and stations.station(target, port) == sender
        else:
            placed = placed and stations.station(target, port.other) != 0
    if not placed or ip.hop_limit != 255 or body[1]:
        raise Drop(Reason.ND_FIELDS)
    keep = fixed
    if len(body) > fixed and not unspecified:
        keep = fixed + 8
        option = bytes((2 if kind == NEIGHBOUR_ADVERTISEMENT else 1, 1)) + source_mac
        if body[fixed:keep] != option:
            raise Drop(Reason.ND_FIELDS)
    flags = body[4] & 0xE0 if kind == NEIGHBOUR_ADVERTISEMENT else 0
    return bytes((kind, 0, 0, 0, flags, 0, 0, 0)) + body[8:keep]
