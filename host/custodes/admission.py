# SPDX-License-Identifier: Apache-2.0
"""Which policy a capture is scrubbed under, and at which port each of its frames enters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from custodes.capture import Packet
from custodes.policy import Policy, admit_found, load_policy
from custodes.table import Port


@dataclass(frozen=True)
class Admission:
    """A policy, where it comes from (``None``: the capture itself), and the source MAC addresses of one side.

    A frame enters at ``port_of_listed`` where its source MAC address is listed, and at the other port otherwise.
    """

    policy: Policy
    file: Path | None
    listed: frozenset[bytes]
    port_of_listed: Port

    def port(self, frame: bytes) -> Port:
        return self.port_of_listed if frame[6:12] in self.listed else self.port_of_listed.other

    @property
    def stations(self) -> int:
        """How many MAC addresses are admitted."""
        return len(self.policy.station_ids())

    @property
    def ip_addresses(self) -> int:
        """How many IP addresses are admitted."""
        return len(self.policy.addresses()) - self.stations


def admit_file(path: Path) -> Admission:
    """A policy file: frames from its world stations enter at the world port, all others at the cluster's.

    A station on both sides counts as the cluster's. Raises `PolicyError`.
    """
    policy = load_policy(path)
    cluster = {station.mac for station in policy.cluster}
    return Admission(policy, path, frozenset(s.mac for s in policy.world) - cluster, Port.WORLD)


def admit_capture(packets: Iterable[Packet]) -> Admission:
    """Admit the addresses and VLANs of a capture: the first station to send is the cluster, all others are the world.

    Source addresses count, ARP's sender among them. Raises `PolicyError` where they are more than a device takes.
    """
    sightings: dict[tuple[bytes, bytes | None], None] = {}
    vlans: dict[int | None, None] = {}
    for packet in packets:
        frame = packet.frame
        if packet.whole and len(frame) >= 14:
            tagged = frame[12:14] == b"\x81\x00"
            vlans[int.from_bytes(frame[14:16]) & 0xFFF if tagged else None] = None
            sightings[frame[6:12], _source_ip(frame[12 + 4 * tagged :])] = None
    policy = admit_found(sightings, [vid for vid in vlans if vid != 0xFFF])
    first = next((station.mac for station in policy.cluster), bytes(6))
    return Admission(policy, None, frozenset({first}), Port.CLUSTER)


def _source_ip(rest: bytes) -> bytes | None:
    """The source IP address of what follows the MAC addresses and tag, where it is the address of one station."""
    found = {
        b"\x08\x00": rest[14:18],
        b"\x08\x06": rest[16:20],
        b"\x86\xdd": rest[10:26],
    }.get(rest[:2])
    if not found or len(found) != (16 if rest[:2] == b"\x86\xdd" else 4) or not any(found):
        return None
    group = found[0] == 0xFF if len(found) == 16 else found[0] >= 224
    return None if group else found


def describe_vlans(policy: Policy) -> Iterator[str]:
    """The VLANs of a policy in words, in order."""
    return (str(vlan) for vlan in sorted(policy.vlans, key=lambda vlan: -1 if isinstance(vlan, str) else vlan))
