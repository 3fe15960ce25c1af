# SPDX-License-Identifier: Apache-2.0
"""The header scrubber as an executable specification: Ethernet and network layer.

Sources: IEEE 802.3 clause 3, IEEE 802.1Q clause 9, RFC 826 (ARP), RFC 791 and 6864 (IPv4), RFC 8200 (IPv6), and the
scrub table. Checks stand in the order of `Reason`, so that the first that fails is the one reported.
"""

from __future__ import annotations

from typing import NamedTuple

from custodes.model.checksum import checksum, ones_sum
from custodes.model.frame import Drop, Packet, Trace
from custodes.model.icmp import scrub_icmp
from custodes.model.transport import scrub_tcp, scrub_udp
from custodes.policy import UNTAGGED, Policy
from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES, Port, Reason, Scope

BROADCAST = b"\xff" * 6
ARP_FIXED = bytes.fromhex("0001080006 0400".replace(" ", ""))
ETHERTYPE_NAMES = {0x0800: "ipv4", 0x0806: "arp", 0x86DD: "ipv6"}
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58

_FRAME, _VLAN = int(Scope.FRAME), int(Scope.VLAN)
_ARP, _ARP_REQUEST = int(Scope.ARP), int(Scope.ARP_REQUEST)
_IPV4, _IPV6 = int(Scope.IPV4), int(Scope.IPV6)


class Result(NamedTuple):
    """What the warden does with one frame.

    ``frame`` is None where it is dropped. ``altered`` has a bit per row of `table.SCRUBBED`, ``scope`` the header kinds
    (`Scope`), ``removed`` pairs of row and bytes removed; the three are zero or empty for a dropped frame.
    """

    frame: bytes | None
    reason: Reason
    altered: int = 0
    scope: int = 0
    removed: tuple[tuple[int, int], ...] = ()


class Scrubber:
    """The stateless scrubber under one policy."""

    def __init__(self, policy: Policy) -> None:
        self._ttl = policy.ttl
        self._mss = policy.tcp.mss
        self._deny = frozenset(policy.udp.deny_ports)
        self._vlans = policy.vlans
        self._ethertypes = frozenset(t for t, name in ETHERTYPE_NAMES.items() if name in policy.ethertypes)
        self._icmpv6 = policy.protocols & {"icmpv6", "nd"}
        names = policy.protocols
        self._protocols = {
            4: {p for p, name in ((TCP, "tcp"), (UDP, "udp"), (ICMP, "icmp")) if name in names},
            6: {p for p, name in ((TCP, "tcp"), (UDP, "udp")) if name in names} | ({ICMPV6} if self._icmpv6 else set()),
        }
        self._addresses = policy.addresses()

    def scrub(self, frame: bytes, port: Port, error: bool = False) -> Result:
        """Scrub one frame that enters at ``port``.

        Args:
            frame: from the destination address on, without FCS.
            error: the ingress port marked the frame bad.
        """
        try:
            if len(frame) > MAX_FRAME_BYTES:
                raise Drop(Reason.OVERSIZE)
            if error:
                raise Drop(Reason.INGRESS_ERROR)
            trace = Trace()
            clean = self._ethernet(frame, port, trace)
        except Drop as drop:
            return Result(None, drop.reason)
        return Result(clean, Reason.FORWARDED, trace.altered, trace.scope, trace.removed)

    def station(self, address: bytes, port: Port) -> int:
        """The number of the station that ``address`` is bound to on ``port``, 0 where it is not admitted there."""
        ports, station = self._addresses.get(address, (0, 0))
        return station if ports >> port & 1 else 0

    def _ethernet(self, frame: bytes, port: Port, trace: Trace) -> bytes:
        if len(frame) < 14:
            raise Drop(Reason.ETHERNET_SHORT)
        ethertype = int.from_bytes(frame[12:14])
        header, vlan = frame[:14], UNTAGGED
        if ethertype == 0x8100:
            if len(frame) < 18:
                raise Drop(Reason.ETHERNET_SHORT)
            ethertype, vlan = int.from_bytes(frame[16:18]), int.from_bytes(frame[14:16]) & 0xFFF
            header = frame[:14] + vlan.to_bytes(2) + frame[16:18]
            trace.alter("vlan_priority", frame[14] >> 4)
            trace.scope |= _VLAN
        if ethertype < 0x600:
            raise Drop(Reason.LLC)
        if ethertype not in self._ethertypes:
            raise Drop(Reason.ETHERTYPE)
        if vlan not in self._vlans:
            raise Drop(Reason.VLAN)
        rest = frame[len(header) :]
        if ethertype == 0x0806:
            clean, used = self._arp(frame, rest, port, trace), 28
        elif ethertype == 0x0800:
            clean, used = self._ipv4(frame, rest, port, trace)
        else:
            clean, used = self._ipv6(frame, rest, port, trace)
        end = len(header) + used
        if any(frame[end:]) or len(frame) > max(end, MIN_FRAME_BYTES):
            trace.remove("padding", len(frame) - end)
        return (header + clean).ljust(MIN_FRAME_BYTES, b"\0")

    def _arp(self, frame: bytes, packet: bytes, port: Port, trace: Trace) -> bytes:
        request = packet[7:8] == b"\1"
        destination_mac, source_mac = frame[:6], frame[6:12]
        if len(packet) < 28 or packet[:7] != ARP_FIXED or packet[7] not in (1, 2) or packet[8:14] != source_mac:
            raise Drop(Reason.ARP_FIELDS)
        if not request and packet[18:24] != destination_mac:
            raise Drop(Reason.ARP_FIELDS)
        source, target = packet[14:18], packet[24:28]
        sender = self.station(source_mac, port)
        if not sender:
            raise Drop(Reason.MAC_SOURCE)
        receiver = self.station(destination_mac, port.other)
        if not receiver and not (request and destination_mac == BROADCAST):
            raise Drop(Reason.MAC_DESTINATION)
        probe = request and not any(source)
        if not probe and self.station(source, port) != sender:
            raise Drop(Reason.ADDRESS_SOURCE)
        if probe:
            admitted = self.station(target, port) == sender
        elif request:
            admitted = target == source or self.station(target, port.other)
        else:
            admitted = self.station(target, port.other) == receiver
        if not admitted:
            raise Drop(Reason.ADDRESS_DESTINATION)
        trace.scope |= _ARP | (_ARP_REQUEST if request else 0)
        if not request:
            return packet[:28]
        trace.alter("arp_target_ha", any(packet[18:24]))
        return packet[:18] + bytes(6) + target

    def _ipv4(self, frame: bytes, packet: bytes, port: Port, trace: Trace) -> tuple[bytes, int]:
        if len(packet) < 20:
            raise Drop(Reason.IP_LENGTH)
        header_bytes, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4])
        if header_bytes > len(packet):
            raise Drop(Reason.IP_LENGTH)
        if packet[0] >> 4 != 4 or header_bytes < 20 or total < header_bytes:
            raise Drop(Reason.IP_HEADER)
        if total > len(packet):
            raise Drop(Reason.IP_LENGTH)
        if ones_sum(packet[:header_bytes]) != 0xFFFF:
            raise Drop(Reason.IP_CHECKSUM)
        fragment = int.from_bytes(packet[6:8])
        if fragment & 0x3FFF:
            raise Drop(Reason.FRAGMENT)
        protocol = packet[9]
        if protocol not in self._protocols[4]:
            raise Drop(Reason.PROTOCOL)
        ip = Packet(4, protocol, packet[8], packet[12:16], packet[16:20], packet[header_bytes:total])
        self._check_addresses(frame, ip, port)
        body = self._transport(frame, ip, port, trace)
        trace.scope |= _IPV4
        trace.remove("ipv4_options", header_bytes - 20)
        trace.alter("ipv4_dscp", packet[1] >> 2)
        trace.alter("ipv4_ecn", packet[1] & 3)
        trace.alter("ipv4_id", any(packet[4:6]))
        trace.alter("ipv4_flags", fragment != 0x4000)
        trace.alter("ipv4_ttl", packet[8] != self._ttl)
        header = (
            b"\x45\0"
            + (20 + len(body)).to_bytes(2)
            + b"\0\0\x40\0"
            + bytes((self._ttl, protocol, 0, 0))
            + packet[12:20]
        )
        return header[:10] + checksum(header).to_bytes(2) + header[12:] + body, total

    def _ipv6(self, frame: bytes, packet: bytes, port: Port, trace: Trace) -> tuple[bytes, int]:
        if len(packet) < 40:
            raise Drop(Reason.IP_LENGTH)
        total = 40 + int.from_bytes(packet[4:6])
        if packet[0] >> 4 != 6:
            raise Drop(Reason.IP_HEADER)
        if total > len(packet):
            raise Drop(Reason.IP_LENGTH)
        protocol = packet[6]
        if protocol not in self._protocols[6]:
            raise Drop(Reason.PROTOCOL)
        ip = Packet(6, protocol, packet[7], packet[8:24], packet[24:40], packet[40:total])
        self._check_addresses(frame, ip, port)
        body = self._transport(frame, ip, port, trace)
        neighbour = protocol == ICMPV6 and body[0] >= 133
        hop_limit = 255 if neighbour else self._ttl
        trace.scope |= _IPV6
        trace.alter("ipv6_traffic_class", packet[0] & 15 or packet[1] >> 4)
        trace.alter("ipv6_flow_label", packet[1] & 15 or packet[2] or packet[3])
        trace.alter("ipv6_hop_limit", packet[7] != hop_limit)
        header = b"\x60\0\0\0" + len(body).to_bytes(2) + bytes((protocol, hop_limit)) + packet[8:40]
        return header + body, total

    def _check_addresses(self, frame: bytes, ip: Packet, port: Port) -> None:
        """Every address must be in the policy's table; groups and the unspecified address are left to ND's own checks."""
        if not self.station(frame[6:12], port):
            raise Drop(Reason.MAC_SOURCE)
        neighbour = ip.protocol == ICMPV6
        group = neighbour and ip.destination[0] == 0xFF
        mapped = b"\x33\x33" + ip.destination[12:] if group else None
        if frame[:6] != mapped and not self.station(frame[:6], port.other):
            raise Drop(Reason.MAC_DESTINATION)
        if not self.station(ip.source, port) and not (neighbour and not any(ip.source)):
            raise Drop(Reason.ADDRESS_SOURCE)
        if not group and not self.station(ip.destination, port.other):
            raise Drop(Reason.ADDRESS_DESTINATION)

    def _transport(self, frame: bytes, ip: Packet, port: Port, trace: Trace) -> bytes:
        if ip.protocol == TCP:
            return scrub_tcp(ip, self._mss, trace)
        if ip.protocol == UDP:
            return scrub_udp(ip, self._deny, trace)
        return scrub_icmp(ip, self, frame[6:12], port, trace)

    @property
    def ttl(self) -> int:
        """TTL and hop limit of what leaves."""
        return self._ttl

    @property
    def icmpv6_kinds(self) -> frozenset[str]:
        """Which of echo ("icmpv6") and neighbour discovery ("nd") the policy admits."""
        return frozenset(self._icmpv6)
