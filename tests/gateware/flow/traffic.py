# SPDX-License-Identifier: Apache-2.0
"""Stations on both sides of a translator that talk: mostly as they should, now and then as they should not.

What each says next hangs on what it has heard, which the specification tells; so the frames are made along with what is
expected of them.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from custodes.address_table import address_ids
from custodes.model import Scrubber
from custodes.model.canonical import Canonical, take_apart
from custodes.model.entropy import Words
from custodes.model.frame import Drop, Trace
from custodes.model.icmp import ERROR_CODES
from custodes.model.quote import take_quote
from custodes.model.translator import ERROR_BYTES, Translator
from custodes.table import MIN_FRAME_BYTES, Port, Reason
from tests import traffic
from tests.frames import ICMP as ICMP_PROTOCOL
from tests.frames import ICMPV6 as ICMPV6_PROTOCOL
from tests.frames import IP4, IP6, POLICY, VID, Frame, Icmp, Ip4, Ip6, Tcp, Transport, Udp

SEED = bytes(range(32))
"""Of the words."""
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
NUMBERS = 1 << 32
HEARD = 12
"""So many frames each side remembers."""


class Sent(NamedTuple):
    """A canonical frame at a port."""

    port: Port
    frame: bytes


class Tick(NamedTuple):
    """Every flow is a tick older."""


Event = Sent | Tick


class Outcome(NamedTuple):
    """What becomes of a frame: the verdict, the rows of the scrub table altered, and what leaves."""

    reason: Reason
    altered: int = 0
    frame: bytes | None = None


def specified(translator: Translator, sent: Sent) -> Outcome:
    """What the specification makes of a frame."""
    trace = Trace()
    try:
        frame = translator.translate(sent.frame, sent.port, trace)
    except Drop as drop:
        return Outcome(drop.reason)
    return Outcome(Reason.FORWARDED, trace.altered, frame)


def ids_of(frame: bytes) -> int:
    """What a scrubber hands on: the ids of the addresses, or instead of its source that of the station to which what an
    ICMP error quotes was sent. Of a frame that is cut there are none."""
    packet = take_apart(frame) if len(frame) >= MIN_FRAME_BYTES else None
    if packet is None:
        return 0
    ids, (source, destination) = address_ids(POLICY), packet.addresses
    if packet.protocol in (ICMP_PROTOCOL, ICMPV6_PROTOCOL) and packet.body[0] in ERROR_CODES[packet.version]:
        source = take_quote(packet.body[ERROR_BYTES:], packet.version).destination
    return ids.get(source, 0) | ids.get(destination, 0) << 10


def specification(flows: int, limit: int = NUMBERS) -> Translator:
    """With the words of `SEED`."""
    return Translator(POLICY, Words(SEED, limit), flows)


def canonical(port: Port, packet: Ip4 | Ip6) -> Sent:
    """As the scrubber lets it out."""
    frame = Scrubber(POLICY).scrub(Frame(packet).pack(), port).frame
    assert frame is not None
    return Sent(port, frame)


class Stations:
    """Those of `POLICY`.

    Attributes:
        events: what happened so far.
        expected: what becomes of each frame.
    """

    def __init__(self, seed: int, flows: int, limit: int = NUMBERS) -> None:
        self.random = random.Random(seed)
        self.specification = specification(flows, limit)
        self.events: list[Event] = []
        self.expected: list[Outcome] = []
        self._scrubber = Scrubber(POLICY)
        self._heard: tuple[list[Canonical], list[Canonical]] = ([], [])
        self._next: dict[tuple[object, ...], int] = {}
        self._said: list[tuple[Port, Frame]] = []

    def talk(self, count: int) -> None:
        """Until so many more frames have been sent."""
        end = len(self.expected) + count
        acts = (
            self._answer,
            self._open,
            self._datagram,
            self._echo,
            self._error,
            self._repeat,
            self._noise,
            self._tick,
        )
        while len(self.expected) < end:
            self.random.choices(acts, (60, 8, 6, 8, 5, 4, 4, 1))[0]()

    def say(self, port: Port, frame: Frame) -> None:
        scrubbed = self._scrubber.scrub(frame.pack(), port).frame
        if scrubbed is None:
            return
        sent = Sent(port, scrubbed)
        outcome = specified(self.specification, sent)
        self.events.append(sent)
        self.expected.append(outcome)
        self._said = [*self._said[-HEARD:], (port, frame)]
        packet = outcome.frame and take_apart(outcome.frame)
        if packet:
            heard = self._heard[port.other]
            heard.append(packet)
            del heard[:-HEARD]

    def _packet(self, port: Port, transport: Transport, version: int, addresses: tuple[bytes, bytes] | None = None):
        source, destination = addresses or ((IP4, IP6)[version == 6][port], (IP4, IP6)[version == 6][port.other])
        packet = (Ip4 if version == 4 else Ip6)(transport, port, source=source, destination=destination)
        return Frame(packet, tag=VID if self.random.random() < 0.2 else None)

    def _port(self) -> int:
        """Few, so that they meet again; some are not ephemeral."""
        return self.random.choice((80, 1024, 32767, 32768, 40000, 40001, 50000, 50001, 50002, 61000, 65535))

    def _open(self) -> None:
        r, port, version = self.random, self._any_port(), self.random.choice((4, 6))
        isn = r.choice((0, NUMBERS - 1, NUMBERS - 50, r.randrange(NUMBERS)))
        segment = Tcp(SYN, _offer(r), source=self._port(), destination=r.choice((22, 80, 443)), sequence=isn)
        frame = self._packet(port, segment, version)
        self._next[self._name(port, frame.packet)] = (isn + 1) % NUMBERS
        self.say(port, frame)

    def _answer(self) -> None:
        port = self._any_port()
        if not self._heard[port]:
            return
        packet = self.random.choice(self._heard[port][-4:])
        if packet.protocol == 6:
            self._segment(port, packet)
        elif packet.protocol == 17:
            source, destination = _shorts(packet.body)
            self.say(port, self._reply(port, packet, Udp(self.random.randbytes(5), destination, source)))
        elif packet.body[0] in (8, 128):
            kind = 0 if packet.version == 4 else 129
            reply = bytearray(packet.body[4:])
            if self.random.random() < 0.1:
                reply[self.random.randrange(4)] ^= 1 << self.random.randrange(8)
            self.say(port, self._reply(port, packet, Icmp(kind, 0, bytes(reply), packet.protocol)))

    def _segment(self, port: Port, packet: Canonical) -> None:
        r, body = self.random, packet.body
        source, destination = _shorts(body)
        heard, flags, length = _long(body[4:8]), body[13], len(body) - (body[12] >> 4 << 2)
        reply = Tcp(
            ACK, source=destination, destination=source, window=r.choice((0, 1, 512, 0x8000, r.randrange(65536)))
        )
        reply.acknowledgement = (heard + length + bool(flags & SYN) + bool(flags & FIN)) % NUMBERS
        frame = self._reply(port, packet, reply)
        name = self._name(port, frame.packet)
        if flags & SYN and name not in self._next:
            self._next[name] = r.choice((NUMBERS - 1, r.randrange(NUMBERS)))
        reply.sequence = self._next.get(name, r.randrange(NUMBERS))
        if flags & (SYN | ACK) == SYN and r.random() < 0.9:
            reply.flags, reply.options = SYN | ACK, _offer(r)
            if r.random() < 0.1:
                reply.flags = SYN
            self._next[name] = (reply.sequence + 1) % NUMBERS
            if r.random() < 0.3:
                del self._next[name]
        else:
            reply.payload = r.randbytes(r.choice((0, 0, 1, 100, 600)))
            reply.flags |= r.choice((0, 0, 0, 0, 0, 0, FIN))
            self._next[name] = (reply.sequence + len(reply.payload) + (reply.flags & FIN)) % NUMBERS
        self._spoil(reply)
        self.say(port, frame)

    def _spoil(self, segment: Tcp) -> None:
        """Older or newer numbers, SACK, a reset, other flags."""
        r = self.random
        kind = r.randrange(14)
        if kind == 0:
            segment.sequence = (segment.sequence + r.choice((-1, 1, -1000, 1 << 23, 1 << 24, -(1 << 25)))) % NUMBERS
        elif kind == 1:
            segment.acknowledgement = (segment.acknowledgement + r.choice((-1, 1, -500, -(1 << 24)))) % NUMBERS
        elif kind == 2:
            segment.flags = r.choice((RST, RST | ACK, SYN, SYN | ACK, FIN | ACK))
        elif kind in (3, 4) and not segment.flags & SYN:
            edges = [r.randrange(-2000, 1) for _ in range(2 * r.randint(1, 4))]
            if r.random() < 0.8:
                edges = [edge for block in zip(edges[::2], edges[1::2], strict=True) for edge in sorted(block)]
            if r.random() < 0.2:
                edges[r.randrange(len(edges))] += r.choice((3000, 1 << 24, -(1 << 24)))
            data = b"".join(((segment.acknowledgement + edge) % NUMBERS).to_bytes(4) for edge in edges)
            segment.options = b"\1\1\5" + bytes((2 + len(data),)) + data

    def _datagram(self) -> None:
        port, r = self._any_port(), self.random
        datagram = Udp(r.randbytes(r.choice((0, 1, 18, 300))), self._port(), r.choice((53, 123, 40000)))
        self.say(port, self._packet(port, datagram, r.choice((4, 6))))

    def _echo(self) -> None:
        port, version, r = self._any_port(), self.random.choice((4, 6)), self.random
        rest = r.choice((b"\0\7", b"\xff\xff")) + r.choice((0, 1, 2, 16, 65535)).to_bytes(2) + bytes(r.choice((0, 56)))
        request = Icmp(8, 0, rest) if version == 4 else Icmp(128, 0, rest, ICMPV6_PROTOCOL)
        self.say(port, self._packet(port, request, version))

    def _error(self) -> None:
        """About something that this side has heard."""
        port, r = self._any_port(), self.random
        if not self._heard[port]:
            return
        packet = r.choice(self._heard[port])
        quote = bytearray(packet.before[packet.network :] + packet.body[: r.choice((8, 8, 40))])
        if r.random() < 0.2:
            quote[-1 - r.randrange(8)] ^= 1 << r.randrange(8)
        kind, protocol = r.choice(((3, 11), (1, 3))[packet.version == 6]), (1, ICMPV6_PROTOCOL)[packet.version == 6]
        self.say(port, self._reply(port, packet, Icmp(kind, 0, bytes(4) + bytes(quote), protocol)))

    def _repeat(self) -> None:
        if self._said:
            self.say(*self.random.choice(self._said))

    def _noise(self) -> None:
        frame = traffic.make(self.random.choice(sorted(traffic.KINDS)), self.random.getrandbits(32))
        scrubbed = self._scrubber.scrub(frame.frame, frame.port).frame
        if scrubbed is not None:
            sent = Sent(frame.port, scrubbed)
            self.events.append(sent)
            self.expected.append(specified(self.specification, sent))

    def _tick(self) -> None:
        self.events.append(Tick())
        self.specification.table.tick()

    def _any_port(self) -> Port:
        return self.random.choice((Port.CLUSTER, Port.WORLD))

    def _reply(self, port: Port, packet: Canonical, transport: Transport) -> Frame:
        source, destination = packet.addresses
        return self._packet(port, transport, packet.version, (destination, source))

    @staticmethod
    def _name(port: Port, packet: object) -> tuple[object, ...]:
        assert isinstance(packet, Ip4 | Ip6)
        assert isinstance(packet.transport, Tcp)
        return port, packet.source, packet.destination, packet.transport.source, packet.transport.destination


def _offer(r: random.Random) -> bytes:
    """Options of a SYN."""
    options = b"\2\4\5\xb4" if r.random() < 0.8 else b""
    options += b"\4\2\1\1" if r.random() < 0.8 else b""
    return options + (b"\1\3\3" + bytes((r.choice((0, 5, 7, 9, 14)),)) if r.random() < 0.8 else b"")


def _shorts(body: bytes) -> tuple[int, int]:
    return int.from_bytes(body[:2]), int.from_bytes(body[2:4])


def _long(data: bytes) -> int:
    return int.from_bytes(data)
