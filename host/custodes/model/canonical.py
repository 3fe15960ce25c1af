# SPDX-License-Identifier: Apache-2.0
"""Canonical frames, as `custodes.model.Scrubber` makes them, taken apart and put together again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from custodes.model.checksum import checksum
from custodes.model.connection import Segment
from custodes.model.transport import END, NOP, SACK, WINDOW_SCALE

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
_TCP_HEADER_BYTES = 20


@dataclass(frozen=True, slots=True)
class Canonical:
    """A frame with an IP packet: what is before the transport layer, that, and padding.

    ``network`` is where the IP header begins; ``sealed`` makes the checksum of the transport layer right again.
    """

    before: bytes
    body: bytes
    padding: bytes
    network: int

    @property
    def version(self) -> int:
        return self.before[self.network] >> 4

    @property
    def protocol(self) -> int:
        return self.before[self.network + (9 if self.version == 4 else 6)]

    @property
    def addresses(self) -> tuple[bytes, bytes]:
        """Source and destination."""
        return ip_addresses(self.before[self.network :])

    def with_body(self, body: bytes) -> Canonical:
        return replace(self, body=body)

    def sealed(self) -> bytes:
        """The frame, with the checksum that its transport layer must have."""
        at = {TCP: 16, UDP: 6}.get(self.protocol, 2)
        body = self.body[:at] + bytes(2) + self.body[at + 2 :]
        source, destination = self.addresses
        pseudo = source + destination + len(body).to_bytes(4) + self.protocol.to_bytes(4)
        value = checksum((b"" if self.protocol == ICMP else pseudo) + body)
        if self.protocol == UDP:
            value = value or 0xFFFF
        return self.before + body[:at] + value.to_bytes(2) + body[at + 2 :] + self.padding


def take_apart(frame: bytes) -> Canonical | None:
    """A canonical frame in its parts; None where it has no IP packet."""
    network = 18 if frame[12:14] == b"\x81\x00" else 14
    if frame[network - 2 : network] == b"\x08\x00":
        body, end = network + 20, network + int.from_bytes(frame[network + 2 : network + 4])
    elif frame[network - 2 : network] == b"\x86\xdd":
        body = network + 40
        end = body + int.from_bytes(frame[network + 4 : network + 6])
    else:
        return None
    return Canonical(frame[:body], frame[body:end], frame[end:], network)


def ip_addresses(header: bytes) -> tuple[bytes, bytes]:
    """Source and destination of an IP header."""
    if header[0] >> 4 == 4:
        return header[12:16], header[16:20]
    return header[8:24], header[24:40]


def read_segment(body: bytes) -> Segment:
    """What of a canonical TCP segment is translated."""
    options = body[_TCP_HEADER_BYTES : body[12] >> 2]
    scale, edges = _option(options, WINDOW_SCALE), _option(options, SACK)
    return Segment(
        flags=body[13],
        sequence=int.from_bytes(body[4:8]),
        acknowledgement=int.from_bytes(body[8:12]),
        window=int.from_bytes(body[14:16]),
        length=len(body) - (body[12] >> 2),
        scale=options[scale[0]] if scale else None,
        edges=tuple(int.from_bytes(options[at : at + 4]) for at in range(*edges, 4)) if edges else (),
    )


def write_segment(body: bytes, segment: Segment) -> bytes:
    """The TCP segment with what is translated; its checksum is left."""
    options = bytearray(body[_TCP_HEADER_BYTES : body[12] >> 2])
    scale, edges = _option(options, WINDOW_SCALE), _option(options, SACK)
    if scale and segment.scale is not None:
        options[scale[0]] = segment.scale
    if edges:
        options[slice(*edges)] = b"".join(edge.to_bytes(4) for edge in segment.edges)
    numbers = segment.sequence.to_bytes(4) + segment.acknowledgement.to_bytes(4)
    rest = body[16:_TCP_HEADER_BYTES] + bytes(options) + body[body[12] >> 2 :]
    return body[:4] + numbers + body[12:14] + segment.window.to_bytes(2) + rest


def _option(options: bytes | bytearray, kind: int) -> tuple[int, int] | None:
    """First byte of the value of an option, and the one after it."""
    at = 0
    while at < len(options) and options[at] != END:
        if options[at] == NOP:
            at += 1
            continue
        if options[at] == kind:
            return at + 2, at + options[at + 1]
        at += options[at + 1]
    return None
