# SPDX-License-Identifier: Apache-2.0
"""What a capture contains: frames by kind, and whether every checksum is right.

Dissection by scapy and checksums from the bytes: nothing here is shared with the code under test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, LLC, Dot1Q
from scapy.packet import Packet
from scapy.utils import PcapReader, checksum

LONGEST_BYTES = 1518
"""Longest Ethernet frame with one tag, without FCS."""
SHORTEST_BYTES = 60
"""Shortest frame on a cable, without FCS; a veth pair does not pad."""

EXTENSIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, IPv6ExtHdrFragment)
PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
ICMP6_KINDS = {
    1: "ICMPv6 error",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    143: "multicast listener report",
}
TCP_OPTIONS = {
    "Timestamp": "TCP with timestamps",
    "SAckOK": "TCP that permits SACK",
    "SAck": "TCP with SACK blocks",
    "WScale": "TCP with window scale",
}
MUST_BE_ZERO = ("bad checksum", "longer than 1518 bytes", "not understood")
REQUIRED_SMALL = (
    "ARP",
    "VLAN",
    "TCP over IPv4",
    "TCP over IPv6",
    "UDP over IPv4",
    "UDP over IPv6",
    "UDP port 443",
    "ICMP over IPv4",
    "ICMPv6 over IPv6",
    "ICMP error",
    "ICMPv6 error",
    "router solicitation",
    "neighbour solicitation",
    "neighbour advertisement",
    "IPv4 fragment",
    "IPv4 with options",
    "IPv6 fragment",
    "TCP with timestamps",
    "TCP urgent",
    "TCP reset with ACK",
    "TCP reset without ACK",
    "SYN that offers ECN",
    "DSCP not 0",
    "ECN not 0",
)
REQUIRED_MIXED = (
    *REQUIRED_SMALL,
    "LLC (spanning tree)",
    "TCP with SACK blocks",
    "SYN with data",
    "TCP Fast Open request",
    "TCP Fast Open cookie",
)


@dataclass
class Contents:
    """Frames of a capture by kind; one frame counts once for every kind that it is of."""

    frames: int = 0
    shortest_bytes: int = 0
    longest_bytes: int = 0
    seconds: float = 0.0
    nanoseconds: bool = False
    kinds: Counter[str] = field(default_factory=Counter)

    def faults(self, required: tuple[str, ...]) -> list[str]:
        """What is missing or should not be there, one line each."""
        missing = [f"no frame of kind: {kind}" for kind in required if not self.kinds[kind]]
        unwanted = [f"{kind}: {self.kinds[kind]}" for kind in MUST_BE_ZERO if self.kinds[kind]]
        return missing + unwanted


def read(path: Path) -> Contents:
    """Count the frames of a pcap or pcapng file."""
    contents = Contents()
    fragments: dict[tuple[object, ...], dict[int, bytes]] = defaultdict(dict)
    times = []
    lengths = []
    with PcapReader(str(path)) as packets:
        for packet in packets:
            times.append(packet.time)
            lengths.append(len(packet.original))
            contents.kinds.update(set(_kinds(packet, fragments)))
    # A fragmented packet has one checksum over all its frames; it counts once.
    contents.kinds["bad checksum"] += sum(not _whole_checksum_right(key, parts) for key, parts in fragments.items())
    contents.frames = len(lengths)
    contents.shortest_bytes, contents.longest_bytes = min(lengths), max(lengths)
    contents.seconds = float(max(times) - min(times))
    contents.nanoseconds = any(int(time * 10**9) % 1000 for time in times)
    return contents


def _kinds(frame: Packet, fragments: dict[tuple[object, ...], dict[int, bytes]]) -> Iterator[str]:
    raw: bytes = frame.original
    if len(raw) > LONGEST_BYTES:
        yield "longer than 1518 bytes"
    if len(raw) < SHORTEST_BYTES:
        yield "shorter than 60 bytes (a veth pair does not pad)"
    start = 14
    if Dot1Q in frame:
        yield "VLAN"
        start = 18
    if ARP in frame:
        yield "ARP"
    elif LLC in frame:
        yield "LLC (spanning tree)"
    elif IP in frame:
        yield from _ip4_kinds(frame[IP], raw[start:], fragments)
    elif IPv6 in frame:
        yield from _ip6_kinds(frame[IPv6], raw[start:], fragments)
    else:
        yield "not understood"


def _ip4_kinds(ip: Packet, raw: bytes, fragments: dict[tuple[object, ...], dict[int, bytes]]) -> Iterator[str]:
    header_bytes = ip.ihl * 4
    data = raw[header_bytes : ip.len]
    yield from _class_kinds(ip.tos)
    if header_bytes > 20:
        yield "IPv4 with options"
    if checksum(raw[:header_bytes]) != 0:
        yield "bad checksum"
    protocol = PROTOCOLS.get(ip.proto, "other")
    if ip.flags.MF or ip.frag:
        yield "IPv4 fragment"
        _keep(fragments[ip.src, ip.dst, ip.proto, ip.id], ip.frag * 8, data, not ip.flags.MF)
    else:
        if not _checksum_right(ip.src, ip.dst, ip.proto, data):
            yield "bad checksum"
        yield from _transport_kinds(ip.payload)
    yield f"{protocol} over IPv4"


def _ip6_kinds(ip: Packet, raw: bytes, fragments: dict[tuple[object, ...], dict[int, bytes]]) -> Iterator[str]:
    yield from _class_kinds(ip.tc)
    if ip.fl:
        yield "IPv6 flow label not 0"
    start, layer, protocol, fragment = 40, ip.payload, ip.nh, None
    while isinstance(layer, EXTENSIONS):
        if isinstance(layer, IPv6ExtHdrHopByHop):
            yield "IPv6 hop-by-hop options"
        if isinstance(layer, IPv6ExtHdrFragment):
            fragment = layer
            start += 8
        else:
            start += (layer.len + 1) * 8
        layer, protocol = layer.payload, layer.nh
    data = raw[start : 40 + ip.plen]
    if fragment is not None:
        yield "IPv6 fragment"
        _keep(fragments[ip.src, ip.dst, protocol, fragment.id], fragment.offset * 8, data, not fragment.m)
    else:
        if not _checksum_right(ip.src, ip.dst, protocol, data):
            yield "bad checksum"
        if protocol == 58 and data[0] in ICMP6_KINDS:
            yield ICMP6_KINDS[data[0]]
        yield from _transport_kinds(layer)
    yield f"{PROTOCOLS.get(protocol, 'other')} over IPv6"


def _class_kinds(traffic_class: int) -> Iterator[str]:
    if traffic_class >> 2:
        yield "DSCP not 0"
    if traffic_class & 3:
        yield "ECN not 0"


def _transport_kinds(layer: Packet) -> Iterator[str]:
    if isinstance(layer, UDP):
        for port in (53, 443):
            if port in (layer.sport, layer.dport):
                yield f"UDP port {port}"
    elif isinstance(layer, ICMP) and layer.type in (3, 4, 5, 11, 12):
        yield "ICMP error"
    elif isinstance(layer, TCP):
        yield from _tcp_kinds(layer)


def _tcp_kinds(tcp: Packet) -> Iterator[str]:
    flags = str(tcp.flags)
    if "S" in flags:
        yield "SYN"
        if len(tcp.payload):
            yield "SYN with data"
        if "A" not in flags and {"E", "C"} <= set(flags):
            yield "SYN that offers ECN"
    elif {"E", "C"} & set(flags):
        yield "TCP with ECE or CWR"
    if "F" in flags:
        yield "FIN"
    if "U" in flags:
        yield "TCP urgent"
    if "R" in flags:
        yield f"TCP reset {'with' if 'A' in flags else 'without'} ACK"
    for port, name in ((22, "ssh"), (80, "HTTP"), (5201, "iperf3")):
        if port in (tcp.sport, tcp.dport):
            yield f"TCP port {port} ({name})"
    for name, value in tcp.options:
        if name in TCP_OPTIONS:
            yield TCP_OPTIONS[name]
        elif name == "TFO":
            yield f"TCP Fast Open {'cookie' if value else 'request'}"


def _keep(parts: dict[int, bytes], offset: int, data: bytes, last: bool) -> None:
    parts[offset] = data
    if last:
        parts[-1] = (offset + len(data)).to_bytes(4)


def _whole_checksum_right(key: tuple[object, ...], parts: dict[int, bytes]) -> bool:
    data = b"".join(parts[offset] for offset in sorted(parts) if offset >= 0)
    source, destination, protocol, _ = key
    whole = -1 in parts and len(data) == int.from_bytes(parts[-1])
    return whole and _checksum_right(str(source), str(destination), int(str(protocol)), data)


def _checksum_right(source: str, destination: str, protocol: int, data: bytes) -> bool:
    if protocol in (1, 2):
        return checksum(data) == 0
    if protocol not in (6, 17, 58):
        return True
    if protocol == 17 and data[6:8] == b"\0\0":
        return ip_address(source).version == 4  # absent; IPv6 forbids that
    pseudo = ip_address(source).packed + ip_address(destination).packed
    return checksum(pseudo + len(data).to_bytes(4) + protocol.to_bytes(4) + data) == 0
