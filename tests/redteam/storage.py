# SPDX-License-Identifier: Apache-2.0
"""Storage channels below TCP: bits in fields of Ethernet, ARP, IP, UDP and ICMP, and how they are read again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from custodes.table import Port
from tests.frames import ICMPV6, VID, Arp, Frame, Icmp, Ip4, Ip6, Udp, neighbour_advertisement, router_solicitation
from tests.redteam.wire import Seen, Wire

Send = Callable[[Wire, Port, Sequence[int]], list[int | None]]
"""Sends symbols from a side over a wire, and gives what is read on the other: None where nothing arrives."""


@dataclass(frozen=True)
class Channel:
    """A covert channel of ``width`` bits per symbol.

    ``distinct``: no symbol is said twice. Where a flow is a symbol, it would be the same flow, which shows.
    """

    name: str
    width: int
    send: Send = field(repr=False)
    distinct: bool = False


def each(build: Callable[[Port, int, int], Frame | bytes], read: Callable[[Seen], int]) -> Send:
    """A frame for every symbol; ``build`` makes it from side, symbol and its number."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        found: list[int | None] = []
        for number, symbol in enumerate(symbols):
            frame = build(side, symbol, number)
            left = wire(frame if isinstance(frame, bytes) else frame.pack(), side)
            found.append(None if left is None else read(Seen(left)))
        return found

    return send


def _ip4(side: Port, payload: bytes = b"payload!", tag: int | None = None, **fields: int | bytes) -> Frame:
    return Frame(Ip4(Udp(payload), side, **fields), tag=tag)  # pyright: ignore[reportArgumentType]


def _ip6(side: Port, **fields: int) -> Frame:
    return Frame(Ip6(Udp(b"payload!"), side, **fields))  # pyright: ignore[reportArgumentType]


def _echo(side: Port, code: int = 0, identifier: int = 7, sequence: int = 0, payload: bytes = bytes(8)) -> Frame:
    return Frame(Ip4(Icmp(8, code, struct.pack("!HH", identifier, sequence) + payload), side))


def _number(data: bytes) -> int:
    return int.from_bytes(data)


def _error(place: str) -> Send:
    """In an ICMP error about a datagram that came from the other side: its ``unused`` word, the identification of the
    ``quoted`` packet, or what is quoted ``behind`` the first 8 bytes of its payload."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        found: list[int | None] = []
        for number, symbol in enumerate(symbols):
            came = wire(Frame(Ip4(Udp(b"question", 40000 + number, 53), side.other)).pack(), side.other)
            if came is None:
                found.append(None)
                continue
            packet = came[14 : 14 + 36]
            word = symbol.to_bytes(4) if place == "unused" else bytes(4)
            if place == "quoted":
                packet = packet[:4] + symbol.to_bytes(2) + packet[6:]
            quote = packet[:28] + (symbol.to_bytes(8) if place == "behind" else packet[28:])
            left = wire(Frame(Ip4(Icmp(3, 3, word + quote), side)).pack(), side)
            if left is None:
                found.append(None)
                continue
            body = Seen(left).body
            places = {"unused": body[4:8], "quoted": body[12:14], "behind": body[36:44]}
            found.append(_number(places[place]))
        return found

    return send


def _station(side: Port, symbol: int, number: int) -> Frame:
    """A datagram between the cluster's station 1 and the world's 2 or 3."""
    other, mac = bytes((192, 0, 2, 2 + symbol)), bytes((2, 0, 0, 0, 0, 2 + symbol))
    if side is Port.CLUSTER:
        return Frame(Ip4(Udp(b"payload!"), side, destination=other), destination=mac)
    return Frame(Ip4(Udp(b"payload!"), side, source=other), source=mac)


def _flows(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
    found: list[int | None] = []
    port = before = 0xC000
    for symbol in symbols:
        port += symbol
        left = wire(Frame(Ip4(Udp(b"payload!", port, 53), side)).pack(), side)
        seen = 0 if left is None else Seen(left).ports[0]
        found.append(seen != before)
        before = seen
    return found


def _steps(least: int) -> Send:
    """Echo requests whose sequence numbers are by a symbol, and by ``least``, more than those before."""

    def send(wire: Wire, side: Port, symbols: Sequence[int]) -> list[int | None]:
        found: list[int | None] = []
        sequence, before = 0, wire(_echo(side).pack(), side)
        for symbol in symbols:
            sequence = (sequence + least + symbol) & 0xFFFF
            left = wire(_echo(side, sequence=sequence).pack(), side)
            here, there = (None if frame is None else _number(Seen(frame).body[6:8]) for frame in (left, before))
            found.append(None if here is None or there is None else here - there - least)
            before = left
        return found

    return send


CLOSED = [
    Channel("802.1Q priority and DEI", 4, each(lambda p, v, n: _ip4(p, tag=VID | v << 12), lambda s: s.tci >> 12)),
    Channel(
        "padding behind an IP packet",
        64,
        each(lambda p, v, n: _ip4(p).pack()[:50] + v.to_bytes(8) + b"..", lambda s: _number(s.frame[50:58])),
    ),
    Channel(
        "ARP: target hardware address of a request",
        48,
        each(
            lambda p, v, n: Frame(Arp(p, target_mac=v.to_bytes(6)), destination=b"\xff" * 6),
            lambda s: _number(s.packet[18:24]),
        ),
    ),
    Channel(
        "padding behind ARP",
        128,
        each(
            lambda p, v, n: Frame(Arp(p), padding=v.to_bytes(18), destination=b"\xff" * 6),
            lambda s: _number(s.packet[28:46]),
        ),
    ),
    Channel(
        "IPv4 options",
        64,
        each(lambda p, v, n: _ip4(p, options=b"\x44\x0c\x05\0" + v.to_bytes(8)), lambda s: _number(s.header[24:32])),
    ),
    Channel("IPv4 DSCP", 6, each(lambda p, v, n: _ip4(p, tos=v << 2), lambda s: s.header[1] >> 2)),
    Channel("IPv4 ECN", 2, each(lambda p, v, n: _ip4(p, tos=v), lambda s: s.header[1])),
    Channel(
        "IPv4 identification", 16, each(lambda p, v, n: _ip4(p, identification=v), lambda s: _number(s.header[4:6]))
    ),
    Channel(
        "IPv4 reserved flag and DF", 2, each(lambda p, v, n: _ip4(p, fragment=v << 14), lambda s: s.header[6] >> 6)
    ),
    Channel("IPv4 TTL", 6, each(lambda p, v, n: _ip4(p, ttl=128 + v), lambda s: s.header[8])),
    Channel(
        "IPv6 traffic class",
        8,
        each(lambda p, v, n: _ip6(p, traffic_class=v), lambda s: _number(s.header[:2]) >> 4 & 0xFF),
    ),
    Channel("IPv6 flow label", 20, each(lambda p, v, n: _ip6(p, flow_label=v), lambda s: _number(s.header[1:4]))),
    Channel("IPv6 hop limit", 6, each(lambda p, v, n: _ip6(p, hop_limit=128 + v), lambda s: s.header[7])),
    Channel(
        "UDP surplus",
        64,
        each(lambda p, v, n: Frame(Ip4(Udp(b"payload!", surplus=v.to_bytes(8)), p)), lambda s: _number(s.body[16:24])),
    ),
    Channel(
        "UDP source port",
        14,
        each(lambda p, v, n: Frame(Ip4(Udp(b"payload!", 0xC000 | v, 53), p)), lambda s: s.ports[0]),
        distinct=True,
    ),
    Channel("ICMP echo code", 8, each(lambda p, v, n: _echo(p, code=v), lambda s: s.body[1])),
    Channel(
        "ICMP echo identifier",
        16,
        each(lambda p, v, n: _echo(p, identifier=v), lambda s: _number(s.body[4:6])),
        distinct=True,
    ),
    Channel(
        "ICMP echo: first sequence number",
        16,
        each(lambda p, v, n: _echo(p, identifier=n, sequence=v), lambda s: _number(s.body[6:8])),
    ),
    Channel("ICMP echo: leaps of the sequence number", 8, _steps(2)),
    Channel(
        "ICMP echo payload",
        512,
        each(lambda p, v, n: _echo(p, payload=v.to_bytes(64)), lambda s: _number(s.body[8:72])),
    ),
    Channel(
        "ICMPv6 echo payload",
        512,
        each(
            lambda p, v, n: Frame(Ip6(Icmp(128, 0, bytes(4) + v.to_bytes(64), ICMPV6), p)),
            lambda s: _number(s.body[8:72]),
        ),
    ),
    Channel("ICMP error: unused word", 32, _error("unused")),
    Channel("ICMP error: identification of what is quoted", 16, _error("quoted")),
    Channel("ICMP error: quoted behind 8 bytes", 64, _error("behind")),
    Channel(
        "ND: reserved word of a solicitation",
        32,
        each(lambda p, v, n: router_solicitation(p, v.to_bytes(4)), lambda s: _number(s.body[4:8])),
    ),
]
"""Those that a warden has to close."""

OPEN = [
    Channel(
        "length of a UDP datagram",
        8,
        each(lambda p, v, n: _ip4(p, bytes(100 + v)), lambda s: len(s.body) - 108),
    ),
    Channel(
        "UDP source port below the ephemeral ones",
        14,
        each(lambda p, v, n: Frame(Ip4(Udp(b"payload!", 0x4000 | v, 53), p)), lambda s: s.ports[0]),
    ),
    Channel(
        "UDP destination port",
        14,
        each(lambda p, v, n: Frame(Ip4(Udp(b"payload!", 5000, 0x4000 | v), p)), lambda s: s.ports[1]),
    ),
    Channel(
        "which of two stations in the world it is about",
        1,
        each(_station, lambda s: max(s.header[15], s.header[19])),
    ),
    Channel("the same flow or another", 1, _flows),
    Channel("repetition of an ICMP echo sequence number", 1, _steps(0)),
    Channel(
        "ND: flags of an advertisement",
        3,
        each(lambda p, v, n: neighbour_advertisement(p, v << 5), lambda s: s.body[4] >> 5),
    ),
]
"""Those that stay, as README.md of this folder says."""
