# SPDX-License-Identifier: Apache-2.0
"""Random frames by number: the same kind, seed and damage always make the same frame."""

from __future__ import annotations

import random
from collections.abc import Callable

from custodes.link import Ingress
from custodes.table import Port
from tests import frames
from tests.frames import ICMPV6, VID, Arp, Frame, Icmp, Ip4, Ip6, Tcp, Transport, Udp

SYN_OPTIONS = (
    lambda r: b"\x02\x04" + r.randrange(65536).to_bytes(2),
    lambda r: b"\x04\x02",
    lambda r: b"\x03\x03" + bytes((r.randrange(16),)),
    lambda r: b"\x08\x0a" + r.randbytes(8),
    lambda r: b"\x22" + bytes((length := r.randrange(2, 12),)) + r.randbytes(length - 2),
    lambda r: b"\x01",
)
OTHER_OPTIONS = (
    lambda r: b"\x08\x0a" + r.randbytes(8),
    lambda r: b"\x05" + bytes((2 + 8 * (blocks := r.randint(1, 4)),)) + r.randbytes(8 * blocks),
    lambda r: bytes((r.choice((30, 253, 28)), length := r.randrange(2, 10))) + r.randbytes(length - 2),
    lambda r: b"\x01",
    lambda r: b"\x02\x04\x05\xb4",
)


def _options(r: random.Random, choices: tuple[Callable[[random.Random], bytes], ...]) -> bytes:
    region = b"".join(r.choice(choices)(r) for _ in range(r.randrange(5)))
    if r.random() < 0.2:
        region += b"\x00" + r.randbytes(r.randrange(4))
    region = region[:40]
    return region + (b"\x01" if r.random() < 0.7 else b"\x00") * (-len(region) % 4)


def _size(r: random.Random) -> int:
    return r.choice((0, 1, r.randrange(16), r.randrange(130), r.randrange(700), r.randrange(1440)))


def _tcp(r: random.Random) -> Tcp:
    flags = r.choice((0x10, 0x10, 0x18, 0x02, 0x12, 0x11, 0x04, 0x14, r.randrange(512)))
    syn = bool(flags & 2)
    return Tcp(
        flags=flags | r.choice((0, 0, 0, 0x40, 0xC0, 0x100, 0x20, 0x08)),
        options=_options(r, SYN_OPTIONS if syn else OTHER_OPTIONS) if r.random() < 0.7 else b"",
        payload=r.randbytes(_size(r) if not syn or r.random() < 0.2 else 0),
        source=r.randrange(65536),
        destination=r.randrange(65536),
        sequence=r.randrange(1 << 32),
        acknowledgement=r.randrange(1 << 32),
        reserved=r.choice((0, 0, r.randrange(8))),
        window=r.choice((0, 1, r.randrange(65536))),
        urgent=r.choice((0, 0, r.randrange(65536))),
    )


def _udp(r: random.Random) -> Udp:
    return Udp(
        payload=r.randbytes(_size(r)),
        source=r.randrange(65536),
        destination=r.choice((53, 443, 853, r.randrange(65536))),
        surplus=r.randbytes(r.choice((0, 0, 0, r.randrange(20)))),
    )


def _echo(kind: int, protocol: int) -> Callable[[random.Random], Icmp]:
    return lambda r: Icmp(
        kind + r.randrange(2), r.choice((0, 0, r.randrange(256))), r.randbytes(4 + _size(r)), protocol
    )


def _ip4(r: random.Random, port: Port, transport: Transport) -> Ip4:
    return Ip4(
        transport,
        port,
        tos=r.choice((0, r.randrange(256))),
        identification=r.randrange(65536),
        fragment=r.choice((0x4000, 0x4000, 0, 0x8000, 0xC000)) if r.random() < 0.97 else r.randrange(65536),
        ttl=r.choice((64, 63, r.randrange(256))),
        options=r.randbytes(4 * r.choice((0, 0, 0, r.randrange(11)))),
    )


def _ip6(r: random.Random, port: Port, transport: Transport) -> Ip6:
    return Ip6(
        transport,
        port,
        traffic_class=r.choice((0, r.randrange(256))),
        flow_label=r.choice((0, r.randrange(1 << 20))),
        hop_limit=r.choice((64, r.randrange(256))),
    )


def _arp(r: random.Random, port: Port) -> Frame:
    operation = r.choice((1, 2))
    packet = Arp(port, operation, target_mac=r.choice((bytes(6), r.randbytes(6))))
    if operation == 2:
        packet.target_mac = frames.MACS[port.other]
    elif r.random() < 0.3:
        packet.sender, packet.target = r.choice(
            ((bytes(4), frames.IP4[port]), (frames.IP4[port], frames.IP4[port]), (r.randbytes(4), frames.IP4[port]))
        )
    return Frame(packet, destination=b"\xff" * 6 if operation == 1 and r.random() < 0.8 else None)


def _neighbour(r: random.Random, port: Port) -> Frame:
    reserved = r.choice((bytes(4), r.randbytes(4)))
    nonce = r.choice((b"", b"\x0e\x01" + r.randbytes(6), r.randbytes(r.randrange(20))))
    return r.choice(
        (
            lambda: frames.neighbour_solicitation(port, reserved, nonce),
            lambda: frames.duplicate_address_detection(port, nonce),
            lambda: frames.neighbour_advertisement(port, r.randrange(256), reserved[:3]),
            lambda: frames.router_solicitation(port, reserved),
        )
    )()


ERROR_TYPES = {4: (3, 3, 11, 12, 4), 6: (1, 2, 3, 4, 100)}
ELSEWHERE = {4: bytes((198, 51, 100, 77)), 6: bytes.fromhex("20010db80001") + bytes(9) + b"\3"}
"""Another station of the world."""


def _error(r: random.Random, port: Port, version: int) -> Frame:
    """About what the other side sent: to this station, to another one or, rarely, to nobody."""
    packet = KINDS[f"{r.choice(('tcp', 'udp', 'echo'))}{version}"](r, port.other).packet
    assert isinstance(packet, Ip4 | Ip6)
    if isinstance(packet, Ip4) and r.random() < 0.9:
        packet.options, packet.fragment = b"", packet.fragment & 0xC000
    if isinstance(packet.transport, Icmp) and r.random() < 0.8:
        packet.transport.kind &= ~1 if version == 6 else 8
    if isinstance(packet.transport, Udp) and r.random() < 0.9:
        packet.transport.surplus = b""
    if r.random() < 0.3:
        packet.destination = r.choice((ELSEWHERE[version], ELSEWHERE[version], r.randbytes(len(ELSEWHERE[version]))))
    return frames.icmp_error(
        packet,
        r.choice(ERROR_TYPES[version]),
        r.choice((0, 0, 0, 1, 4, r.randrange(256))),
        r.choice((bytes(4), r.randbytes(4))),
        r.choice((0, 0, 1, 2, 100, r.randrange(-20, 500))),
        r.choice((None, None, ELSEWHERE[version])),
    )


KINDS: dict[str, Callable[[random.Random, Port], Frame]] = {
    "tcp4": lambda r, port: Frame(_ip4(r, port, _tcp(r))),
    "tcp6": lambda r, port: Frame(_ip6(r, port, _tcp(r))),
    "udp4": lambda r, port: Frame(_ip4(r, port, _udp(r))),
    "udp6": lambda r, port: Frame(_ip6(r, port, _udp(r))),
    "echo4": lambda r, port: Frame(_ip4(r, port, _echo(r.choice((0, 8)), frames.ICMP)(r))),
    "echo6": lambda r, port: Frame(_ip6(r, port, _echo(128, ICMPV6)(r))),
    "error4": lambda r, port: _error(r, port, 4),
    "error6": lambda r, port: _error(r, port, 6),
    "arp": _arp,
    "nd": _neighbour,
}


def _flip(frame: bytearray, r: random.Random) -> None:
    if frame:
        frame[r.randrange(min(len(frame), 60) if r.random() < 0.8 else len(frame))] ^= 1 << r.randrange(8)


def _poke(frame: bytearray, r: random.Random) -> None:
    if frame:
        frame[r.randrange(min(len(frame), 60))] = r.choice((0, 1, 0xFF, r.randrange(256)))


def _cut(frame: bytearray, r: random.Random) -> None:
    del frame[r.randrange(1, max(len(frame), 2)) :]


def _extend(frame: bytearray, r: random.Random) -> None:
    frame += r.randbytes(r.choice((1, r.randrange(70), r.randrange(1500))))


def _zero_extend(frame: bytearray, r: random.Random) -> None:
    frame += bytes(r.randrange(70))


def _swap_bytes(frame: bytearray, r: random.Random) -> None:
    if len(frame) > 1:
        at = r.randrange(min(len(frame), 80) - 1)
        frame[at : at + 2] = frame[at : at + 2][::-1]


DAMAGE: dict[str, Callable[[bytearray, random.Random], None]] = {
    "flip": _flip,
    "poke": _poke,
    "cut": _cut,
    "extend": _extend,
    "zero-extend": _zero_extend,
    "swap": _swap_bytes,
}
WHERE = ("frame", "header", "body")
"""Damage to the IP header or the transport is done before the checksums, which then fit it."""


def make(kind: str, seed: int, damage: str | None = None, where: str = "frame", error: bool = False) -> Ingress:
    """The frame of this kind and seed, damaged or not."""
    r = random.Random(seed)
    port = r.choice((Port.CLUSTER, Port.WORLD))
    frame = KINDS[kind](r, port)
    if r.random() < 0.2:
        frame.tag = r.choice((VID, VID, r.randrange(65536))) | r.randrange(16) << 12
    if r.random() < 0.3:
        frame.padding = r.choice((b"", bytes(r.randrange(30)), r.randbytes(r.randrange(30))))
    if damage is not None and where != "frame" and not isinstance(frame.packet, Arp):
        spoil = DAMAGE[damage]
        if where == "header" and damage not in ("cut", "extend"):
            frame.packet.damage_header = lambda header: spoil(header, r)
        else:
            frame.packet.damage_body = lambda body: spoil(body, r)
        return Ingress(port, frame.pack()[:2048], error)
    packed = bytearray(frame.pack())
    if damage is not None:
        DAMAGE[damage](packed, r)
    return Ingress(port, bytes(packed), error)
