# SPDX-License-Identifier: Apache-2.0
"""Which addresses are admitted, and at which port a frame enters."""

from __future__ import annotations

from pathlib import Path

import pytest

from custodes.admission import admit_capture, admit_file, describe_vlans
from custodes.capture import Packet
from custodes.errors import PolicyError
from custodes.table import Port
from tests.frames import IP4, IP6, MACS, Arp, Frame, Icmp, Ip4, Ip6, Udp
from tests.host.fake import CLUSTER, WORLD


def packets(*frames: Frame | bytes) -> list[Packet]:
    packed = [frame if isinstance(frame, bytes) else frame.pack() for frame in frames]
    return [Packet(0, frame, len(frame)) for frame in packed]


def test_the_first_station_to_send_is_the_cluster() -> None:
    admission = admit_capture(packets(Frame(Arp(Port.WORLD)), Frame(Arp(Port.CLUSTER))))
    assert admission.port(Frame(Arp(Port.WORLD)).pack()) is Port.CLUSTER
    assert admission.port(Frame(Arp(Port.CLUSTER)).pack()) is Port.WORLD
    assert admission.port(b"") is Port.WORLD


def test_admits_what_it_sees_send_on_both_ports() -> None:
    found = admit_capture(
        packets(
            Frame(Arp()), Frame(Ip6(Udp(), Port.WORLD), tag=0xE007), Frame(Ip4(Icmp(), source=bytes((10, 0, 0, 1))))
        )
    )
    cluster, world = found.policy.cluster
    assert (cluster.mac, cluster.ip) == (CLUSTER, (IP4[Port.CLUSTER], bytes((10, 0, 0, 1))))
    assert (world.mac, world.ip) == (WORLD, (IP6[Port.WORLD],))
    assert found.policy.world == found.policy.cluster
    assert list(describe_vlans(found.policy)) == ["untagged", "7"]
    assert (found.stations, found.ip_addresses) == (2, 3)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Ip4(Icmp(), source=bytes(4))),
        Frame(Ip4(Icmp(), source=bytes((224, 0, 0, 1)))),
        Frame(Ip4(Icmp(), source=b"\xff" * 4)),
        Frame(Ip6(Icmp(), source=bytes(16))),
        Frame(Ip6(Icmp(), source=b"\xff\x02" + bytes(13) + b"\1")),
        Frame(Arp(sender=bytes(4))),
        Frame(Arp()).pack()[:31],
    ],
)
def test_admits_no_address_that_is_no_station_s(frame: Frame | bytes) -> None:
    found = admit_capture(packets(frame))
    assert (found.stations, found.ip_addresses) == (1, 0)


def test_ignores_what_was_not_captured_whole() -> None:
    frame = Frame(Arp()).pack()
    assert admit_capture([Packet(0, frame, len(frame) + 1)]).stations == 0


def test_says_when_a_capture_has_more_addresses_than_a_device_takes() -> None:
    crowd = [Frame(Arp(sender=n.to_bytes(4))) for n in range(0x0A000000, 0x0A000400)]
    with pytest.raises(PolicyError, match="give a policy"):
        admit_capture(packets(*crowd))


def test_with_a_policy_only_the_world_s_own_stations_enter_at_the_world(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        '[[cluster]]\nmac = "02:00:00:00:00:01"\n[[cluster]]\nmac = "02:00:00:00:00:09"\n'
        '[[world]]\nmac = "02:00:00:00:00:02"\n[[world]]\nmac = "02:00:00:00:00:09"\n'
    )
    admission = admit_file(file)
    sources = {MACS[Port.CLUSTER]: Port.CLUSTER, MACS[Port.WORLD]: Port.WORLD}
    sources |= {b"\2\0\0\0\0\x09": Port.CLUSTER, b"\2\0\0\0\0\x55": Port.CLUSTER}
    assert {mac: admission.port(bytes(6) + mac) for mac in sources} == sources
    assert admission.file == file
