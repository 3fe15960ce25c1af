# SPDX-License-Identifier: Apache-2.0
"""Frames for tests: well-formed ones of every kind that `POLICY` admits, with random covert values, and damage to them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from custodes.policy import Policy
from custodes.table import Port

MACS = {Port.CLUSTER: bytes.fromhex("020000000001"), Port.WORLD: bytes.fromhex("020000000002")}
IP4 = {Port.CLUSTER: bytes((192, 0, 2, 1)), Port.WORLD: bytes((192, 0, 2, 2))}
IP6 = {port: bytes.fromhex("20010db8") + bytes(11) + bytes((port + 1,)) for port in Port}
VID = 42
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58

POLICY = Policy.model_validate(
    {
        "vlans": ["untagged", VID],
        "cluster": [{"mac": "02:00:00:00:00:01", "ip": ["192.0.2.1", "2001:db8::1"]}],
        "world": [
            {"mac": "02:00:00:00:00:02", "ip": ["192.0.2.2", "2001:db8::2"]},
            {"mac": "02:00:00:00:00:03", "ip": ["192.0.2.3", "198.51.100.77", "2001:db8:1::3"]},
        ],
    }
)


def internet_checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@dataclass
class Tcp:
    """A TCP segment; every argument is a header field."""

    flags: int = 0x10
    options: bytes = b""
    payload: bytes = b""
    source: int = 49152
    destination: int = 80
    sequence: int = 1
    acknowledgement: int = 0
    reserved: int = 0
    window: int = 512
    urgent: int = 0
    offset: int | None = None

    protocol = TCP

    def pack(self) -> tuple[bytes, int]:
        offset = 5 + len(self.options) // 4 if self.offset is None else self.offset
        word = offset << 12 | self.reserved << 9 | self.flags
        ports = self.source, self.destination, self.sequence, self.acknowledgement
        return struct.pack("!HHIIHHHH", *ports, word, self.window, 0, self.urgent) + self.options + self.payload, 16


@dataclass
class Udp:
    """A UDP datagram. ``surplus`` follows it inside the IP packet."""

    payload: bytes = b""
    source: int = 5000
    destination: int = 53
    length: int | None = None
    surplus: bytes = b""
    checksum: int | None = None

    protocol = UDP

    def pack(self) -> tuple[bytes, int]:
        length = 8 + len(self.payload) if self.length is None else self.length
        return struct.pack("!HHHH", self.source, self.destination, length, 0) + self.payload + self.surplus, 6


@dataclass
class Icmp:
    """An ICMP or ICMPv6 message."""

    kind: int = 8
    code: int = 0
    rest: bytes = bytes(4)
    protocol: int = ICMP

    def pack(self) -> tuple[bytes, int]:
        return struct.pack("!BBH", self.kind, self.code, 0) + self.rest, 2


Transport = Tcp | Udp | Icmp


def checked(
    transport: Transport, source: bytes, destination: bytes, damage: Callable[[bytearray], None] | None
) -> bytes:
    """The transport's bytes, damaged, and then with the checksum that fits them."""
    body, at = transport.pack()
    if damage is not None:
        mutable = bytearray(body)
        damage(mutable)
        body = bytes(mutable)
    body = body[:at] + bytes(2) + body[at + 2 :]
    covered = body
    pseudo_length = len(body)
    if isinstance(transport, Udp):
        pseudo_length = int.from_bytes(body[4:6])
        covered = body[:pseudo_length]
    pseudo = source + destination + struct.pack("!HH", transport.protocol, pseudo_length & 0xFFFF)
    value = internet_checksum((b"" if transport.protocol == ICMP else pseudo) + covered)
    if isinstance(transport, Udp):
        value = (value or 0xFFFF) if transport.checksum is None else transport.checksum
    return body[:at] + value.to_bytes(2) + body[at + 2 :] if len(body) >= at + 2 else body


@dataclass
class Ip4:
    """An IPv4 packet around a transport."""

    transport: Transport
    port: Port = Port.CLUSTER
    tos: int = 0
    identification: int = 0
    fragment: int = 0x4000
    ttl: int = 64
    options: bytes = b""
    total: int | None = None
    source: bytes | None = None
    destination: bytes | None = None
    damage_header: Callable[[bytearray], None] | None = None
    damage_body: Callable[[bytearray], None] | None = None

    ethertype = 0x0800

    def pack(self) -> bytes:
        source, destination = self.source or IP4[self.port], self.destination or IP4[self.port.other]
        body = checked(self.transport, source, destination, self.damage_body)
        length = 20 + len(self.options)
        total = length + len(body) if self.total is None else self.total
        fixed = 0x40 | length // 4, self.tos, total & 0xFFFF, self.identification, self.fragment, self.ttl
        header = bytearray(
            struct.pack("!BBHHHBBH", *fixed, self.transport.protocol, 0) + source + destination + self.options
        )
        if self.damage_header is not None:
            self.damage_header(header)
            header[10:12] = bytes(2)
        covered = bytes(header[: (header[0] & 15) * 4])
        header[10:12] = internet_checksum(covered).to_bytes(2)
        return bytes(header) + body


@dataclass
class Ip6:
    """An IPv6 packet around a transport."""

    transport: Transport
    port: Port = Port.CLUSTER
    traffic_class: int = 0
    flow_label: int = 0
    hop_limit: int = 64
    length: int | None = None
    source: bytes | None = None
    destination: bytes | None = None
    next_header: int | None = None
    damage_header: Callable[[bytearray], None] | None = None
    damage_body: Callable[[bytearray], None] | None = None

    ethertype = 0x86DD

    def pack(self) -> bytes:
        source, destination = self.source or IP6[self.port], self.destination or IP6[self.port.other]
        body = checked(self.transport, source, destination, self.damage_body)
        first = 6 << 28 | self.traffic_class << 20 | self.flow_label
        length = len(body) if self.length is None else self.length
        protocol = self.transport.protocol if self.next_header is None else self.next_header
        header = bytearray(
            struct.pack("!IHBB", first, length & 0xFFFF, protocol, self.hop_limit) + source + destination
        )
        if self.damage_header is not None:
            self.damage_header(header)
        return bytes(header) + body


@dataclass
class Arp:
    """An ARP packet from the station behind ``port``."""

    port: Port = Port.CLUSTER
    operation: int = 1
    fixed: bytes = bytes.fromhex("000108000604")
    sender_mac: bytes | None = None
    sender: bytes | None = None
    target_mac: bytes = bytes(6)
    target: bytes | None = None

    ethertype = 0x0806

    def pack(self) -> bytes:
        sender_mac = MACS[self.port] if self.sender_mac is None else self.sender_mac
        sender = IP4[self.port] if self.sender is None else self.sender
        target = IP4[self.port.other] if self.target is None else self.target
        return self.fixed + self.operation.to_bytes(2) + sender_mac + sender + self.target_mac + target


@dataclass
class Frame:
    """An Ethernet frame. ``tag`` is the whole 802.1Q TCI; ``padding`` follows the packet."""

    packet: Ip4 | Ip6 | Arp
    tag: int | None = None
    destination: bytes | None = None
    source: bytes | None = None
    padding: bytes | None = None
    ethertype: int | None = field(default=None)

    def pack(self) -> bytes:
        port = self.packet.port
        head = (self.destination or MACS[port.other]) + (self.source or MACS[port])
        if self.tag is not None:
            head += struct.pack("!HH", 0x8100, self.tag)
        ethertype = self.packet.ethertype if self.ethertype is None else self.ethertype
        frame = head + ethertype.to_bytes(2) + self.packet.pack()
        return frame.ljust(60, b"\0") if self.padding is None else frame + self.padding


def icmp_error(
    packet: Ip4 | Ip6,
    kind: int | None = None,
    code: int = 0,
    unused: bytes = bytes(4),
    more: int = 0,
    source: bytes | None = None,
) -> Frame:
    """An error about ``packet``, from where that was going or from ``source``: by default that there was nobody. It quotes
    the IP header and 8 bytes, and so many bytes ``more``."""
    kept = (20 + len(packet.options) if isinstance(packet, Ip4) else 40) + 8 + more
    quote, port = packet.pack()[:kept], packet.port.other
    if isinstance(packet, Ip4):
        message = Icmp(3 if kind is None else kind, code, unused + quote)
        return Frame(Ip4(message, port, source=source, destination=packet.source))
    message = Icmp(1 if kind is None else kind, code, unused + quote, ICMPV6)
    return Frame(Ip6(message, port, source=source, destination=packet.source))


def solicited_node(target: bytes) -> bytes:
    return bytes.fromhex("ff0200000000000000000001ff") + target[13:]


def group_mac(group: bytes) -> bytes:
    return b"\x33\x33" + group[12:]


def neighbour_solicitation(port: Port = Port.CLUSTER, reserved: bytes = bytes(4), more: bytes = b"") -> Frame:
    """A solicitation for the station on the other side, to its solicited-node group."""
    target = IP6[port.other]
    message = Icmp(135, 0, reserved + target + b"\x01\x01" + MACS[port] + more, ICMPV6)
    packet = Ip6(message, port, hop_limit=255, destination=solicited_node(target))
    return Frame(packet, destination=group_mac(solicited_node(target)))


def duplicate_address_detection(port: Port = Port.CLUSTER, options: bytes = b"") -> Frame:
    target = IP6[port]
    packet = Ip6(Icmp(135, 0, bytes(4) + target + options, ICMPV6), port, hop_limit=255, source=bytes(16))
    packet.destination = solicited_node(target)
    return Frame(packet, destination=group_mac(packet.destination))


def neighbour_advertisement(port: Port = Port.CLUSTER, flags: int = 0x60, reserved: bytes = bytes(3)) -> Frame:
    message = Icmp(136, 0, bytes((flags,)) + reserved + IP6[port] + b"\x02\x01" + MACS[port], ICMPV6)
    return Frame(Ip6(message, port, hop_limit=255))


def router_solicitation(port: Port = Port.CLUSTER, reserved: bytes = bytes(4)) -> Frame:
    routers = bytes.fromhex("ff020000000000000000000000000002")
    packet = Ip6(Icmp(133, 0, reserved, ICMPV6), port, hop_limit=255, destination=routers)
    return Frame(packet, destination=group_mac(routers))
