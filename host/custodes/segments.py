# SPDX-License-Identifier: Apache-2.0
"""Frames as a cable would have carried them, from what Linux hands over in their place.

A machine that sends to a virtual interface leaves checksums and segmentation to hardware that is not there; a receiver may
merge segments on their way up (GRO, LRO). The header that AF_PACKET puts in front (PACKET_VNET_HDR, `struct virtio_net_hdr`
of linux/virtio_net.h) says so: here such frames are cut as the hardware would have cut them, and checksums completed.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from custodes.ethernet import TAG_BYTES, TAG_ETHERTYPE
from custodes.model.checksum import checksum

HEADER = struct.Struct("=BBHHHH")
NEEDS_CHECKSUM = 1
ECN = 0x80
IPV4, IPV6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
FIN, PSH, CWR = 0x01, 0x08, 0x80


class Kind(enum.IntEnum):
    """What a frame was merged from."""

    NONE = 0
    TCP4 = 1
    TCP6 = 4
    UDP = 5


class Uncuttable(Exception):
    """The frame is not what its header says."""


class Offload(NamedTuple):
    """What was left to hardware. ``checksum_at`` and ``checksum_field`` are offsets in the frame, in bytes; None: the
    checksum is complete. ``segment_bytes`` is the payload of each segment but the last."""

    checksum_at: int | None
    checksum_field: int
    kind: Kind
    segment_bytes: int

    @classmethod
    def parse(cls, header: bytes) -> Offload:
        """Raises `Uncuttable` for a kind that is not known."""
        flags, kind, _, segment_bytes, start, offset = HEADER.unpack(header)
        try:
            known = Kind(kind & ~ECN)
        except ValueError:
            raise Uncuttable from None
        return cls(start if flags & NEEDS_CHECKSUM else None, start + offset, known, segment_bytes)

    def moved(self, count: int) -> Offload:
        """The same of a frame that has so many bytes more in front of its network layer."""
        start = None if self.checksum_at is None else self.checksum_at + count
        return self._replace(checksum_at=start, checksum_field=self.checksum_field + count)

    @property
    def none(self) -> bool:
        return self.checksum_at is None and self.kind is Kind.NONE


def on_the_wire(frame: bytes, offload: Offload) -> list[bytes]:
    """The frames that the cable would have carried. Raises `Uncuttable`."""
    if offload.kind is not Kind.NONE:
        return _cut(frame, offload.kind, offload.segment_bytes)
    if offload.checksum_at is None:
        return [frame]
    at, field = offload.checksum_at, offload.checksum_field
    if not at <= field <= len(frame) - 2:
        raise Uncuttable
    end = _packet_end(frame)
    # The field holds the sum of the pseudo-header; it is summed with the rest, as the hardware does.
    value = checksum(frame[at:end])
    if not value and field - at == 6:  # of UDP (RFC 768)
        value = 0xFFFF
    return [frame[:field] + value.to_bytes(2) + frame[field + 2 :]]


def _network(frame: bytes) -> tuple[int, int]:
    """Where the network layer begins, and its EtherType."""
    at = 12
    while frame[at : at + 2] in (TAG_ETHERTYPE.to_bytes(2), b"\x88\xa8"):
        at += TAG_BYTES
    return at + 2, int.from_bytes(frame[at : at + 2])


def _packet_end(frame: bytes) -> int:
    """Where the packet ends and padding begins."""
    at, ethertype = _network(frame)
    if ethertype == IPV4:
        return min(len(frame), at + int.from_bytes(frame[at + 2 : at + 4]))
    if ethertype == IPV6:
        return min(len(frame), at + 40 + int.from_bytes(frame[at + 4 : at + 6]))
    return len(frame)


def _cut(frame: bytes, kind: Kind, segment_bytes: int) -> list[bytes]:
    """Segments: lengths, IPv4 identification, sequence number and checksums of each are its own; CWR is the first's, FIN
    and PSH are the last's."""
    at, ethertype = _network(frame)
    protocol = UDP if kind is Kind.UDP else TCP
    if ethertype == IPV4 and len(frame) > at + 20:
        transport = at + max(frame[at] & 15, 5) * 4
        found = frame[at + 9]
    elif ethertype == IPV6 and len(frame) > at + 40:
        transport = at + 40
        found = frame[at + 6]
    else:
        raise Uncuttable
    if found != protocol or len(frame) < transport + (20 if protocol == TCP else 8) or not segment_bytes:
        raise Uncuttable
    data = transport + ((frame[transport + 12] >> 4) * 4 if protocol == TCP else 8)
    payload = frame[data : _packet_end(frame)]
    if data > len(frame) or not payload:
        raise Uncuttable
    parts = [payload[start : start + segment_bytes] for start in range(0, len(payload), segment_bytes)]
    return [
        _segment(frame[:data], at, transport, number, number * segment_bytes, part, number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]


def _segment(headers: bytes, at: int, transport: int, number: int, offset: int, part: bytes, last: bool) -> bytes:
    """One segment; ``offset`` is that of its payload in the whole."""
    network, rest = bytearray(headers[at:transport]), bytearray(headers[transport:])
    length = len(rest) + len(part)
    if network[0] >> 4 == 4:
        protocol = network[9]
        network[2:4] = (len(network) + length).to_bytes(2)
        network[4:6] = ((int.from_bytes(network[4:6]) + number) & 0xFFFF).to_bytes(2)
        network[10:12] = bytes(2)
        network[10:12] = checksum(bytes(network)).to_bytes(2)
        pseudo = bytes(network[12:20])
    else:
        protocol = network[6]
        network[4:6] = length.to_bytes(2)
        pseudo = bytes(network[8:40])
    pseudo += length.to_bytes(4) + protocol.to_bytes(4)
    if protocol == TCP:
        rest[4:8] = ((int.from_bytes(rest[4:8]) + offset) & 0xFFFF_FFFF).to_bytes(4)
        rest[13] &= ~((CWR if number else 0) | (0 if last else FIN | PSH)) & 0xFF
        field = 16
    else:
        rest[4:6] = length.to_bytes(2)
        field = 6
    rest[field : field + 2] = bytes(2)
    value = checksum(pseudo + bytes(rest) + part)
    rest[field : field + 2] = (value or (0xFFFF if protocol == UDP else 0)).to_bytes(2)
    return headers[:at] + bytes(network) + bytes(rest) + part
