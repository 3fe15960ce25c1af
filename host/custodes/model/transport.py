# SPDX-License-Identifier: Apache-2.0
"""TCP and UDP of the executable specification.

Sources: RFC 9293 section 3.1 (TCP), RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 768 (UDP), RFC 9868
(surplus area), and the scrub table.
"""

from __future__ import annotations

from typing import NamedTuple

from custodes.model.checksum import checksum, ones_sum
from custodes.model.frame import Drop, Packet, Trace
from custodes.table import Reason, Scope

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
LEGAL_FLAGS = frozenset((SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK))
END, NOP, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS, MD5, AO = 0, 1, 2, 3, 4, 5, 8, 19, 29
OPTION_LENGTHS = {
    MSS: (4,),
    WINDOW_SCALE: (3,),
    SACK_PERMITTED: (2,),
    SACK: (10, 18, 26, 34),
    TIMESTAMPS: (10,),
}
KEPT = frozenset((MSS, WINDOW_SCALE, SACK_PERMITTED, SACK))
MAX_WINDOW_SHIFT = 14

_TCP, _UDP, _SACK = int(Scope.TCP), int(Scope.UDP), int(Scope.TCP_SACK)
_SYN, _RST, _NO_ACK = int(Scope.TCP_SYN), int(Scope.TCP_RST), int(Scope.TCP_NO_ACK)


class Options(NamedTuple):
    """The options that matter, by kind, and how many bytes were something else."""

    kept: dict[int, bytes]
    timestamps: int
    other: int


def walk_options(region: bytes, admitted: frozenset[int]) -> Options:
    """Read the options; raises `Drop` for an authenticated, malformed or duplicate one."""
    kept: dict[int, bytes] = {}
    seen: set[int] = set()
    timestamps = other = at = 0
    failed: Reason | None = None
    while at < len(region) and region[at] != END:
        kind = region[at]
        if kind == NOP:
            at += 1
            continue
        length = region[at + 1] if at + 1 < len(region) else 0
        value = region[at + 2 : at + length]
        if (
            length < 2
            or at + length > len(region)
            or length not in OPTION_LENGTHS.get(kind, (length,))
            or (kind == WINDOW_SCALE and value[0] > MAX_WINDOW_SHIFT)
            or kind in seen
        ):
            raise Drop(failed or Reason.TCP_OPTION)
        if kind in (MD5, AO):
            failed = Reason.TCP_AUTHENTICATED
        if kind in KEPT:
            seen.add(kind)
        if kind in admitted:
            kept[kind] = value
        elif kind == TIMESTAMPS:
            timestamps += length
        else:
            other += length
        at += length
    if failed is not None:
        raise Drop(failed)
    return Options(kept, timestamps, other)


def quantise(window: int) -> int:
    """The largest power of two that is not above ``window``; 0 stays 0."""
    return 1 << window.bit_length() - 1 if window else 0


def scrub_tcp(ip: Packet, mss_limit: int, trace: Trace) -> bytes:
    """Scrub a TCP segment; returns it with its checksum."""
    body = ip.body
    if len(body) < 20 or not 20 <= body[12] >> 2 & 0x3C <= len(body):
        raise Drop(Reason.TRANSPORT_LENGTH)
    header_bytes, flags = body[12] >> 2 & 0x3C, body[13]
    if flags & (FIN | SYN | RST | ACK) not in LEGAL_FLAGS:
        raise Drop(Reason.TCP_FLAGS)
    syn, rst, ack = flags & SYN, flags & RST, flags & ACK
    admitted = frozenset((MSS, WINDOW_SCALE, SACK_PERMITTED)) if syn else frozenset() if rst else frozenset((SACK,))
    found = walk_options(body[20:header_bytes], admitted)
    if ones_sum(ip.pseudo_header(len(body)) + body) != 0xFFFF:
        raise Drop(Reason.TRANSPORT_CHECKSUM)

    options = bytearray()
    if MSS in found.kept:
        mss = int.from_bytes(found.kept[MSS])
        trace.alter("tcp_mss", mss > mss_limit)
        options += bytes((MSS, 4)) + min(mss, mss_limit).to_bytes(2)
    if SACK_PERMITTED in found.kept:
        options += bytes((NOP, NOP, SACK_PERMITTED, 2))
    if WINDOW_SCALE in found.kept:
        options += bytes((NOP, WINDOW_SCALE, 3)) + found.kept[WINDOW_SCALE]
    if SACK in found.kept:
        edges = found.kept[SACK]
        options += bytes((NOP, NOP, SACK, 2 + len(edges))) + edges
        trace.scope |= _SACK

    payload = body[header_bytes:]
    if syn or rst:
        trace.remove("tcp_payload", len(payload))
        payload = b""
    window = int.from_bytes(body[14:16])
    new_window = 0 if rst else quantise(window)
    new_flags = flags & (FIN | SYN | RST | ACK) | (PSH if payload else 0)
    number = body[8:12] if ack else bytes(4)
    trace.scope |= _TCP | (_SYN if syn else 0) | (_RST if rst else 0) | (0 if ack else _NO_ACK)
    trace.alter("tcp_ack_unused", number != body[8:12])
    trace.alter("tcp_reserved", body[12] & 0x0E)
    trace.alter("tcp_ecn", body[12] & 1 or flags & 0xC0)
    trace.alter("tcp_urgent", flags & URG or any(body[18:20]))
    trace.alter("tcp_psh", (flags ^ new_flags) & PSH)
    trace.alter("tcp_window", new_window != window)
    trace.remove("tcp_timestamps", found.timestamps)
    trace.remove("tcp_options", found.other)
    offset = 20 + len(options)
    trace.alter("tcp_layout", offset != header_bytes)
    trace.remove("tcp_layout", max(0, header_bytes - offset - found.timestamps - found.other))
    head = body[:8] + number + bytes((offset << 2, new_flags)) + new_window.to_bytes(2)
    rest = bytes(2) + bytes(options) + payload
    value = checksum(ip.pseudo_header(offset + len(payload)) + head + bytes(2) + rest)
    return head + value.to_bytes(2) + rest


def scrub_udp(ip: Packet, denied: frozenset[int], trace: Trace) -> bytes:
    """Scrub a UDP datagram; a checksum of zero cannot be verified and is a bad one."""
    body = ip.body
    length = int.from_bytes(body[4:6])
    if len(body) < 8 or not 8 <= length <= len(body):
        raise Drop(Reason.TRANSPORT_LENGTH)
    if int.from_bytes(body[:2]) in denied or int.from_bytes(body[2:4]) in denied:
        raise Drop(Reason.UDP_PORT)
    datagram = body[:length]
    pseudo = ip.pseudo_header(length)
    if not any(datagram[6:8]) or ones_sum(pseudo + datagram) != 0xFFFF:
        raise Drop(Reason.TRANSPORT_CHECKSUM)
    trace.scope |= _UDP
    trace.remove("udp_surplus", len(body) - length)
    value = checksum(pseudo + datagram[:6] + bytes(2) + datagram[8:]) or 0xFFFF
    return datagram[:6] + value.to_bytes(2) + datagram[8:]
