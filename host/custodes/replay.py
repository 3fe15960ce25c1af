# SPDX-License-Identifier: Apache-2.0
"""A capture that was recorded without a warden, sent through one: what its stations would have sent had they heard what the
warden lets out.

A station answers in the numbers that it has heard: with the port, to the sequence numbers, under the identifier. A warden
with flows lets others out than those that the capture holds, and drops answers to what never left.
"""

from __future__ import annotations

from typing import NamedTuple

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}
"""Where in the body, by protocol."""
HEADER_BYTES = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}
ECHO_REQUEST, ECHO_REPLY = {ICMP: 8, ICMPV6: 128}, {ICMP: 0, ICMPV6: 129}
ERRORS = {ICMP: (3, 11, 12), ICMPV6: (1, 2, 3, 4)}
SYN, ACK = 0x02, 0x10
SACK_OPTION = 5
REMEMBERED = 1 << 16
"""Senders that are kept in mind, far more than any flow table has flows."""
ONES = 0xFFFF

Sender = tuple[int, bytes, bytes, int, int]
"""Protocol, addresses of sender and receiver, and their ports; of echo the identifier and 0. In the capture's numbers."""


class Heard(NamedTuple):
    """How a sender is heard: its port or identifier, and what is added to its sequence numbers."""

    port: int
    delta: int


class Packet(NamedTuple):
    """A frame with a transport header. Its body, without what pads the frame, begins at ``start``."""

    frame: bytes
    start: int
    protocol: int
    source: bytes
    destination: bytes
    body: bytes

    def sender(self, first: int, second: int) -> Sender:
        return (self.protocol, self.source, self.destination, first, second)

    def receiver(self, first: int, second: int) -> Sender:
        return (self.protocol, self.destination, self.source, first, second)

    def with_body(self, body: bytes) -> bytes:
        """The frame with another body as long; its checksum is right where that of the frame was."""
        at = CHECKSUM_AT[self.protocol]
        old = _number(body, at)
        if self.protocol != UDP or old:
            new = (old + _ones_sum(self.body) - _ones_sum(body)) % ONES
            body = _put(body, at, new or (ONES if self.protocol == UDP else 0))
        return self.frame[: self.start] + body + self.frame[self.start + len(body) :]


class Replay:
    """The stations of one capture."""

    def __init__(self) -> None:
        self._heard: dict[Sender, Heard] = {}

    def adapted(self, frame: bytes) -> bytes:
        """What a station sends in place of a captured frame."""
        packet = _take_apart(frame)
        if packet is None:
            return frame
        if packet.protocol == TCP:
            body = self._segment(packet)
        elif packet.protocol == UDP:
            heard = self._heard.get(packet.receiver(*reversed(_ports(packet.body))))
            body = packet.body if heard is None else _put(packet.body, 2, heard.port)
        else:
            body = self._message(packet)
        return frame if body == packet.body else packet.with_body(body)

    def hear(self, frame: bytes, left: bytes) -> None:
        """Take in that a captured frame, or what was sent in its place, has left as ``left``."""
        sent, out = _take_apart(frame), _take_apart(left)
        if sent is None or out is None:
            return
        first, second = _ports(sent.body)
        if sent.protocol == TCP:
            if sent.body[13] & SYN:
                delta = _number(out.body, 4, 4) - _number(sent.body, 4, 4)
                self._keep(sent.sender(first, second), Heard(_number(out.body, 0), delta))
        elif sent.protocol == UDP:
            self._keep(sent.sender(first, second), Heard(_number(out.body, 0), 0))
        elif sent.body[0] == ECHO_REQUEST[sent.protocol]:
            delta = _number(out.body, 6) - _number(sent.body, 6)
            self._keep(sent.sender(_number(sent.body, 4), 0), Heard(_number(out.body, 4), delta))

    def _keep(self, sender: Sender, heard: Heard) -> None:
        self._heard.pop(sender, None)
        self._heard[sender] = heard
        if len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]

    def _segment(self, packet: Packet) -> bytes:
        body = packet.body
        heard = self._heard.get(packet.receiver(*reversed(_ports(body))))
        if heard is None:
            return body
        body = _put(body, 2, heard.port)
        if not body[13] & ACK:
            return body
        for at in (8, *_sack_edges(body)):
            body = _put(body, at, _number(body, at, 4) + heard.delta, 4)
        return body

    def _message(self, packet: Packet) -> bytes:
        kind, body = packet.body[0], packet.body
        if kind == ECHO_REPLY[packet.protocol]:
            heard = self._heard.get(packet.receiver(_number(body, 4), 0))
            return body if heard is None else _echo(body, heard)
        if kind not in ERRORS[packet.protocol]:
            return body
        quoted = _take_ip_apart(body, HEADER_BYTES[packet.protocol], quoted=True)
        return body if quoted is None else body[: quoted.start] + self._quoted(quoted) + body[quoted.start + 8 :]

    def _quoted(self, quoted: Packet) -> bytes:
        """The first 8 bytes of what an ICMP error quotes, as they were heard."""
        body = quoted.body[:8]
        if quoted.protocol in ECHO_REQUEST:
            asks = body[0] == ECHO_REQUEST[quoted.protocol]
            heard = self._heard.get(quoted.sender(_number(body, 4), 0)) if asks else None
            return body if heard is None else _echo(body, heard)
        heard = self._heard.get(quoted.sender(*_ports(body)))
        if heard is None:
            return body
        body = _put(body, 0, heard.port)
        return _put(body, 4, _number(body, 4, 4) + heard.delta, 4) if quoted.protocol == TCP else body


def _echo(body: bytes, heard: Heard) -> bytes:
    return _put(_put(body, 4, heard.port), 6, _number(body, 6) + heard.delta)


def _take_apart(frame: bytes) -> Packet | None:
    """None: it has no transport header that could be adapted."""
    at = 16 if frame[12:14] == b"\x81\0" else 12
    return _take_ip_apart(frame, at + 2) if frame[at : at + 2] in (b"\x08\0", b"\x86\xdd") else None


def _take_ip_apart(frame: bytes, at: int, quoted: bool = False) -> Packet | None:
    """An IP packet that begins at ``at``; one that is quoted may be cut after 8 bytes of its body."""
    header = frame[at:]
    if len(header) >= 20 and header[0] >> 4 == 4:
        start, length, protocol = (header[0] & 15) * 4, _number(header, 2), header[9]
        source, destination = header[12:16], header[16:20]
        fragment = _number(header, 6) & 0x3FFF
    elif len(header) >= 40 and header[0] >> 4 == 6:
        start, length, protocol = 40, 40 + _number(header, 4), header[6]
        source, destination = header[8:24], header[24:40]
        fragment = 0
    else:
        return None
    body = header[start:length]
    if fragment or protocol not in CHECKSUM_AT or len(body) < (8 if quoted else HEADER_BYTES[protocol]):
        return None
    if not quoted and len(header) < length:
        return None
    return Packet(frame, at + start, protocol, source, destination, body)


def _sack_edges(body: bytes) -> list[int]:
    """Where in a TCP segment the edges of its SACK option are; nowhere where the options make no sense."""
    end, at = min((body[12] >> 4) * 4, len(body)), HEADER_BYTES[TCP]
    while at < end and body[at]:
        length = 1 if body[at] == 1 else body[at + 1] if at + 1 < end else 0
        if length == 0 or at + length > end:
            break
        if body[at] == SACK_OPTION:
            return [*range(at + 2, at + length - 3, 4)]
        at += length
    return []


def _ports(body: bytes) -> tuple[int, int]:
    return _number(body, 0), _number(body, 2)


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size])


def _put(data: bytes, at: int, value: int, size: int = 2) -> bytes:
    return data[:at] + (value % (1 << 8 * size)).to_bytes(size) + data[at + size :]


def _ones_sum(body: bytes) -> int:
    """The sum that an Internet checksum is made of (RFC 1071), of 0 and 0xFFFF, which are the same, always 0."""
    return int.from_bytes(body + bytes(len(body) % 2)) % ONES
