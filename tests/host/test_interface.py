# SPDX-License-Identifier: Apache-2.0
"""Interfaces: frames as on the cable, what is changed for as long as one is open, and what is wrong where it cannot be."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.errors import InterfaceError, UsageError
from custodes.interface import Interface
from tests.frames import VID, Frame, Ip4, Tcp, Udp
from tests.host.tap import Tap
from tests.host.wires import Cables, Namespace, cables, merging, missing

__all__ = ["cables"]
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")


@pytest.fixture
def inner(cables: Cables) -> Iterator[Interface]:
    """The port of the machine between, on the client's side."""
    with cables.between.inside(), Interface("inner") as opened:
        yield opened


def raw(namespace: Namespace, name: str = "lan0") -> socket.socket:
    with namespace.inside():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((name, 0))
    return sender


def arrived(interface: Interface, count: int) -> list[bytes]:
    """So many frames, of those that are not of the client's own kernel."""
    found: list[bytes] = []
    while len(found) < count:
        assert select.select([interface], [], [], 5)[0], f"{len(found)} frames came"
        found += [frame for frame in interface.receive() if frame[12:14] != b"\x86\xdd"]
    return found


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Ip4(Udp(b"plain"))).pack(),
        Frame(Ip4(Udp(b"tagged"))).pack()[:12] + b"\x81\x00\xe0\x2a" + Frame(Ip4(Udp(b"tagged"))).pack()[12:],
        Frame(Ip4(Udp(b"outer tag")), tag=VID).pack()[:12] + b"\x88\xa8\x00\x07" + b"\x81\x00\x00\x2a" + bytes(46),
        Frame(Ip4(Tcp(payload=bytes(1460)))).pack(),
        Frame(Ip4(Udp(b"damaged"), ttl=1, damage_body=lambda body: body.__setitem__(0, 7))).pack()[:-1] + b"\xff",
        bytes.fromhex("ffffffffffff") + bytes(8),
    ],
    ids=["plain", "tagged", "tagged twice", "longest", "damaged", "only a header"],
)
def test_frames_arrive_as_they_are(cables: Cables, inner: Interface, frame: bytes) -> None:
    with raw(cables.client) as sender:
        sender.send(frame)
    assert arrived(inner, 1) == [frame]
    assert (inner.cut, inner.completed, inner.refused, inner.lost) == (0, 0, 0, 0)


def test_what_is_sent_leaves_as_it_is_and_does_not_come_back(cables: Cables, inner: Interface) -> None:
    frames = [Frame(Ip4(Udp(bytes((i,)) * 20))).pack() for i in range(3)]
    with Tap(cables.client, "lan0") as tap:
        assert all(inner.send(frame) for frame in frames)
        # The client's own kernel may send at any time, as of its multicast groups.
        assert not set(frames) & set(inner.receive())
    assert tap.received(lambda frame: frame if frame[12:14] == b"\x08\x00" else None) == frames


def test_frame_longer_than_the_interface_takes_is_refused(inner: Interface) -> None:
    assert not inner.send(bytes(1600))
    assert inner.refused == 1
    assert inner.send(Frame(Ip4(Udp(b"x"))).pack())


def test_frames_without_room_are_counted(cables: Cables, inner: Interface) -> None:
    frame, count = Frame(Ip4(Udp(bytes(1400)))).pack(), 3000
    with raw(cables.client) as sender:
        for _ in range(count):
            sender.send(frame)
    came = 0
    while frames := inner.receive():
        came += sum(frame[12:14] == b"\x08\x00" for frame in frames)
    assert 0 < came < count and inner.lost >= count - came
    before = inner.lost
    assert inner.lost == before


def test_udp_that_the_sender_leaves_to_hardware_is_cut(cables: Cables, inner: Interface) -> None:
    with cables.client.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        cables.client.ip(f"neighbour add {cables.ip4(2)} lladdr {cables.mac(2)} dev lan0")
        sender.setsockopt(socket.IPPROTO_UDP, 103, 100)  # UDP_SEGMENT
        sender.sendto(bytes(range(250)), (cables.ip4(2), 9))
    found = arrived(inner, 3)
    assert [frame[42:] for frame in found] == [bytes(range(250))[at : at + 100] for at in (0, 100, 200)]
    assert inner.cut == 1


def sysctl(namespace: Namespace, name: str) -> str:
    with namespace.inside():
        return Path("/proc/sys/net", name).read_text().strip()


def test_settings_are_changed_for_as_long_as_it_is_open(cables: Cables) -> None:
    between = cables.between
    names = ["ipv4/conf/inner/forwarding", "ipv6/conf/inner/disable_ipv6"]
    between.set("ipv4/ip_forward", 1)
    merging(between, "inner", True)
    before = [sysctl(between, name) for name in names]
    assert before == ["1", "0"] and merging(between, "inner")
    with between.inside(), pytest.raises(KeyError), Interface("inner") as opened:
        assert [sysctl(between, name) for name in names] == ["0", "1"] and not merging(between, "inner")
        assert opened.notes == []
        raise KeyError
    assert [sysctl(between, name) for name in names] == before and merging(between, "inner")


def test_addresses_of_this_machine_are_pointed_out_and_stay(cables: Cables) -> None:
    cables.between.ip("address add 192.0.2.9/24 dev inner")
    cables.between.ip("address add 2001:db8::9/64 dev inner nodad")
    with cables.between.inside(), Interface("inner") as opened:
        (note,) = opened.notes
        assert note.startswith("inner: this machine has 192.0.2.9, 2001:db8::9 there")
    assert "2001:db8::9" in cables.between.ip("address show inner")


def test_packets_to_this_machine_are_not_routed_past_the_device(cables: Cables) -> None:
    between = cables.between
    between.set("ipv4/ip_forward", 1)
    between.ip("address add 198.51.100.1/32 dev lo")
    between.ip(f"route add {cables.ip4(2)} dev outer")
    between.ip(f"neighbour add {cables.ip4(2)} lladdr {cables.mac(2)} dev outer")
    with between.inside():
        machine = mac("inner")
    packet = Frame(Ip4(Udp(b"past the device")), destination=machine).pack()

    def seen() -> int:
        with Tap(cables.server, "lan0") as tap, raw(cables.client) as sender:
            sender.send(packet)
        return len(tap.received(lambda frame: b"past the device" in frame or None))

    assert seen() == 1, "without the bridge, Linux does route it"
    with between.inside(), Interface("inner"):
        assert seen() == 0
    assert seen() == 1


def mac(name: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        return fcntl.ioctl(any_socket, 0x8927, struct.pack("16s24x", name.encode()))[18:24]


def test_unknown_interface(cables: Cables) -> None:
    with cables.between.inside(), pytest.raises(UsageError) as error:
        Interface("lan7")
    assert str(error.value) == "lan7: no such interface; there are inner, outer"
    with cables.client.inside(), pytest.raises(UsageError, match=r"there is lan0$"):
        Interface("a name that is far too long for an interface")


def test_interface_that_cannot_be_a_port(cables: Cables) -> None:
    between = cables.between
    with between.inside(), pytest.raises(UsageError, match="lo: is not an Ethernet interface"):
        Interface("lo")
    between.ip("link set inner down")
    with between.inside(), pytest.raises(InterfaceError, match="is down; bring it up with `ip link set inner up`"):
        Interface("inner")
    between.ip("link set inner up")
    between.ip("link add bridge0 type bridge")
    between.ip("link set inner master bridge0")
    with between.inside(), pytest.raises(UsageError, match="belongs to a bridge or bond"):
        Interface("inner")


def test_interface_that_goes_down_or_away(cables: Cables, inner: Interface) -> None:
    cables.between.ip("link set inner down")
    with pytest.raises(InterfaceError, match="inner: the interface has gone down"):
        inner.receive()
    with pytest.raises(InterfaceError, match="inner: the interface has gone down"):
        inner.send(bytes(60))
    cables.between.ip("link del inner")
    with pytest.raises(InterfaceError, match="inner: the interface is gone"):
        inner.send(bytes(60))
