# SPDX-License-Identifier: Apache-2.0
"""For every row of the scrub table, frames that differ in that field only: the field holds the covert message."""

from collections.abc import Callable
from random import Random

from custodes.table import Port
from tests.frames import ICMPV6, VID, Arp, Frame, Icmp, Ip4, Ip6, Tcp, Udp, icmp_error, neighbour_solicitation

MSS, SACK_PERMITTED, WINDOW_SCALE, NOP = b"\x02\x04\x05\xa0", b"\x04\x02", b"\x03\x03\x07", b"\x01"
SYN = 0x02


def _ip4(**fields: int | bytes) -> Frame:
    return Frame(Ip4(Udp(b"payload!"), **fields))  # pyright: ignore[reportArgumentType]


def _ip6(**fields: int) -> Frame:
    return Frame(Ip6(Udp(b"payload!"), **fields))  # pyright: ignore[reportArgumentType]


def _tcp(**fields: int | bytes) -> Frame:
    return Frame(Ip4(Tcp(**fields)))  # pyright: ignore[reportArgumentType]


def _some(r: Random, most: int) -> bytes:
    return r.randbytes(r.randint(1, most))


def _layout(r: Random) -> bytes:
    """The same options in any order and with any padding that has room."""
    options = [MSS, SACK_PERMITTED, WINDOW_SCALE, *[NOP] * r.randrange(8)]
    r.shuffle(options)
    region = b"".join(options)
    return region + b"\0" * (-len(region) % 4 + 4 * r.randrange(4))


def _error4(r: Random) -> Frame:
    """Of all that is quoted there is left which packet it was."""
    packet = Ip4(Udp(r.randbytes(20)), Port.WORLD, r.randrange(256), r.randrange(1 << 16), ttl=r.randrange(256))
    return icmp_error(packet, 3, 4, r.randbytes(4), r.randrange(21))


def _error6(r: Random) -> Frame:
    echo = Icmp(128, r.randrange(256), b"idsq" + r.randbytes(20), ICMPV6)
    packet = Ip6(echo, Port.WORLD, r.randrange(256), r.randrange(1 << 20), r.randrange(256))
    return icmp_error(packet, 4, 1, r.randbytes(4), r.randrange(21))


COVERT: dict[str, Callable[[Random], Frame]] = {
    "vlan_priority": lambda r: Frame(Ip4(Udp(b"payload!")), tag=VID | r.randrange(16) << 12),
    "padding": lambda r: Frame(Ip4(Udp(b"payload!")), padding=_some(r, 60)),
    "arp_target_ha": lambda r: Frame(Arp(target_mac=r.randbytes(6)), destination=b"\xff" * 6),
    "ipv4_options": lambda r: _ip4(options=r.randbytes(4 * r.randrange(11))),
    "ipv4_dscp": lambda r: _ip4(tos=r.randrange(64) << 2),
    "ipv4_ecn": lambda r: _ip4(tos=r.randrange(4)),
    "ipv4_id": lambda r: _ip4(identification=r.randrange(1 << 16)),
    "ipv4_flags": lambda r: _ip4(fragment=r.choice((0, 0x4000, 0x8000, 0xC000))),
    "ipv4_ttl": lambda r: _ip4(ttl=r.randrange(256)),
    "ipv6_traffic_class": lambda r: _ip6(traffic_class=r.randrange(256)),
    "ipv6_flow_label": lambda r: _ip6(flow_label=r.randrange(1 << 20)),
    "ipv6_hop_limit": lambda r: _ip6(hop_limit=r.randrange(256)),
    "icmp_code": lambda r: Frame(Ip6(Icmp(128, r.randrange(256), b"idsqpayload", ICMPV6))),
    "nd_reserved": lambda r: neighbour_solicitation(reserved=r.randbytes(4)),
    "nd_options": lambda r: neighbour_solicitation(more=_some(r, 64)),
    "tcp_ack_unused": lambda r: _tcp(flags=SYN, acknowledgement=r.randrange(1 << 32)),
    "tcp_reserved": lambda r: _tcp(reserved=r.randrange(8)),
    "tcp_ecn": lambda r: _tcp(flags=0x10 | r.randrange(8) << 6),
    "tcp_urgent": lambda r: _tcp(flags=0x10 | r.randrange(2) << 5, urgent=r.randrange(1 << 16)),
    "tcp_psh": lambda r: _tcp(flags=0x10 | r.randrange(2) << 3, payload=b"payload!"),
    "tcp_window": lambda r: _tcp(window=0x4000 | r.randrange(0x4000)),
    "tcp_payload": lambda r: _tcp(flags=SYN, payload=_some(r, 1400)),
    "tcp_mss": lambda r: _tcp(flags=SYN, options=b"\x02\x04" + r.randrange(1440, 1 << 16).to_bytes(2)),
    "tcp_timestamps": lambda r: _tcp(options=b"\x01\x01\x08\x0a" + r.randbytes(8)),
    "tcp_options": lambda r: _tcp(options=bytes((r.choice((30, 34, 253)), 12)) + r.randbytes(10)),
    "tcp_layout": lambda r: _tcp(flags=SYN, options=_layout(r)),
    "udp_surplus": lambda r: Frame(Ip4(Udp(b"payload!", surplus=_some(r, 64)))),
    "icmp_payload": lambda r: Frame(Ip4(Icmp(8, 0, b"idsq" + r.randbytes(32)))),
    "icmp_error": _error4,
    "icmp_error of IPv6": _error6,
}
"""The first word of a name is the key of its row."""
