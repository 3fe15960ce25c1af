# SPDX-License-Identifier: Apache-2.0
"""A warden of the specification with known words, and what stations on both sides of it say and hear."""

from __future__ import annotations

import struct
from typing import NamedTuple

from custodes.model import Result, Warden
from custodes.model.entropy import Word, Words, fields, word
from custodes.policy import Policy
from custodes.table import Port, Reason
from tests.frames import IP4, IP6, POLICY, Frame, Ip4, Ip6, Tcp, Transport, Udp, internet_checksum

SEED = bytes(range(32))
C, W = Port.CLUSTER, Port.WORLD
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def word_of(side: Port, index: int) -> Word:
    """What the warden takes for the flow that is the ``index``-th to begin on this side."""
    return fields(word(SEED, side, index))


class OneWord(Words):
    """The same word, however often one is taken."""

    def __init__(self, word: Word) -> None:
        super().__init__(None)
        self.word = word

    def take(self, direction: int) -> Word:
        self.used[direction] += 1
        return self.word


class Heard(NamedTuple):
    """What a station hears, the fields of TCP and UDP and of ICMP as its first bytes have them."""

    source: int
    destination: int
    sequence: int
    acknowledgement: int
    flags: int
    window: int
    options: bytes
    payload: bytes
    body: bytes


class Passage:
    """A warden, with the words of `SEED` by default, between the stations of `tests.frames.POLICY`."""

    def __init__(self, policy: Policy = POLICY, flows: int = 4096, words: Words | None = None) -> None:
        self.warden = Warden(policy, words or Words(SEED), flows)

    def result(
        self, side: Port, transport: Transport, version: int = 4, source: bytes | None = None, to: bytes | None = None
    ) -> Result:
        """What becomes of a packet from this side."""
        packet = (Ip4 if version == 4 else Ip6)(transport, side, source=source, destination=to)
        return self.warden.pass_frame(Frame(packet).pack(), side)

    def says(
        self, side: Port, transport: Transport, version: int = 4, source: bytes | None = None, to: bytes | None = None
    ) -> Heard:
        """What the other side hears of a packet that is forwarded."""
        result = self.result(side, transport, version, source, to)
        assert result.reason is Reason.FORWARDED
        return heard(result)

    def refuses(self, side: Port, transport: Transport, version: int = 4) -> Reason:
        """Why a packet is dropped."""
        result = self.result(side, transport, version)
        assert result == (None, result.reason, 0, 0, ())
        assert result.reason is not Reason.FORWARDED
        return result.reason


def heard(result: Result) -> Heard:
    """A forwarded frame, whose checksums are right."""
    assert result.frame is not None
    packet = result.frame[14:]
    if packet[0] >> 4 == 4:
        assert internet_checksum(packet[:20]) == 0
        body, addresses, protocol = packet[20 : int.from_bytes(packet[2:4])], packet[12:20], packet[9]
    else:
        body, addresses, protocol = packet[40 : 40 + int.from_bytes(packet[4:6])], packet[8:40], packet[6]
    pseudo = b"" if protocol == 1 else addresses + struct.pack("!HH", len(body), protocol)
    assert internet_checksum(pseudo + body) == 0
    source, destination = struct.unpack("!HH", body[:4])
    if protocol != 6:
        return Heard(source, destination, 0, 0, 0, 0, b"", body[8:], body)
    sequence, acknowledgement, offset, flags, window = struct.unpack("!IIBBH", body[4:16])
    length = offset >> 4 << 2
    numbers = source, destination, sequence, acknowledgement, flags, window
    return Heard(*numbers, body[20:length], body[length:], body)


class Talk:
    """A TCP connection through a warden, whose client is on the side that begins it.

    Stations count from their ISNs; what each must send to be right about the other is what it has heard.

    Attributes:
        client, server: the ports each has for itself.
        seen_port: what the server calls the client's port.
        client_isn, server_isn: their own.
        out: the client's ISN and the server's as they leave.
    """

    def __init__(
        self,
        passage: Passage,
        side: Port = C,
        client: int = 50000,
        server: int = 80,
        client_isn: int = 1000,
        server_isn: int = 77_000_000,
        version: int = 4,
        options: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        self.passage, self.side, self.version = passage, side, version
        self.client, self.server = client, server
        self.client_isn, self.server_isn = client_isn, server_isn
        self.options = options
        self.seen_port = 0
        self.out = [0, 0]

    def from_client(self, flags: int, at: int = 0, ack: int = 0, **more: object) -> Tcp:
        """A segment of the client, ``at`` bytes after its ISN, which acknowledges ``ack`` bytes after the server's."""
        number = (self.client_isn + at) % (1 << 32), (self.out[1] + ack) % (1 << 32) if flags & ACK else 0
        segment = Tcp(flags, source=self.client, destination=self.server, sequence=number[0], acknowledgement=number[1])
        return _with(segment, more)

    def from_server(self, flags: int, at: int = 0, ack: int = 0, **more: object) -> Tcp:
        """A segment of the server, likewise."""
        number = (self.server_isn + at) % (1 << 32), (self.out[0] + ack) % (1 << 32) if flags & ACK else 0
        segment = Tcp(
            flags, source=self.server, destination=self.seen_port, sequence=number[0], acknowledgement=number[1]
        )
        return _with(segment, more)

    def client_says(self, flags: int, at: int = 0, ack: int = 0, **more: object) -> Heard:
        return self.passage.says(self.side, self.from_client(flags, at, ack, **more), self.version)

    def server_says(self, flags: int, at: int = 0, ack: int = 0, **more: object) -> Heard:
        return self.passage.says(self.side.other, self.from_server(flags, at, ack, **more), self.version)

    def syn(self) -> Heard:
        found = self.client_says(SYN, options=self.options[0])
        self.seen_port, self.out[0] = found.source, found.sequence
        return found

    def syn_ack(self) -> Heard:
        found = self.server_says(SYN | ACK, ack=1, options=self.options[1])
        self.out[1] = found.sequence
        return found

    def open(self) -> Talk:
        """The three-way handshake."""
        self.syn()
        self.syn_ack()
        self.client_says(ACK, 1, 1)
        return self


def _with(segment: Tcp, more: dict[str, object]) -> Tcp:
    for name, value in more.items():
        setattr(segment, name, value)
    return segment


def udp(source: int, destination: int, payload: bytes = b"query") -> Udp:
    return Udp(payload, source, destination)


def address(side: Port, version: int) -> bytes:
    return (IP4 if version == 4 else IP6)[side]
