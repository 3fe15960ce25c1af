# SPDX-License-Identifier: Apache-2.0
"""Stations of a capture, recorded without a warden, answer what they hear of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custodes.model import Warden
from custodes.model.entropy import Words
from custodes.replay import REMEMBERED, Replay
from custodes.table import Port, Reason
from tests.frames import (
    ICMPV6,
    POLICY,
    VID,
    Arp,
    Frame,
    Icmp,
    Ip4,
    Ip6,
    Tcp,
    Transport,
    Udp,
    icmp_error,
    internet_checksum,
)

SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
CLIENT, SERVER = 50000, 80
CLIENT_ISN, SERVER_ISN = (1 << 32) - 100, 5000


class Scene:
    """A capture on its way through the specification, which drops what answers to anything that it has not let out."""

    def __init__(self) -> None:
        self.warden = Warden(POLICY, Words(bytes(32)))
        self.replay = Replay()
        self.sent = b""

    def passes(self, captured: bytes, port: Port) -> bytes | None:
        """What leaves, if anything; what was sent is in ``sent``."""
        self.sent = self.replay.adapted(captured)
        left = self.warden.pass_frame(self.sent, port).frame
        if left is not None:
            self.replay.hear(captured, left)
        return left

    def say(self, transport: Transport, port: Port, six: bool = False, tag: int | None = None) -> bytes:
        """What leaves of a frame, which must be something."""
        packet = Ip6(transport, port) if six else Ip4(transport, port)
        left = self.passes(Frame(packet, tag).pack(), port)
        assert left is not None
        return left


def segment(
    port: Port, flags: int, at: int = 0, acknowledges: int = 0, options: bytes = b"", payload: bytes = b""
) -> Tcp:
    """Of a connection from the cluster, in the numbers of the capture; offsets are from the ISNs."""
    own, other = (CLIENT_ISN, SERVER_ISN) if port is Port.CLUSTER else (SERVER_ISN, CLIENT_ISN)
    ports = (CLIENT, SERVER) if port is Port.CLUSTER else (SERVER, CLIENT)
    acknowledgement = (other + acknowledges) % (1 << 32) if flags & ACK else 0
    return Tcp(flags, options, payload, *ports, (own + at) % (1 << 32), acknowledgement)


def connected(six: bool = False, tag: int | None = None) -> Scene:
    """A scene after a handshake that permits SACK."""
    scene = Scene()
    permitted = b"\4\2\1\1"
    scene.say(segment(Port.CLUSTER, SYN, options=permitted), Port.CLUSTER, six, tag)
    scene.say(segment(Port.WORLD, SYN_ACK, acknowledges=1, options=permitted), Port.WORLD, six, tag)
    scene.say(segment(Port.CLUSTER, ACK, 1, 1), Port.CLUSTER, six, tag)
    return scene


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("tag", [None, 7 << 13 | VID])
def test_a_connection_goes_on_in_both_directions(six: bool, tag: int | None) -> None:
    scene = connected(six, tag)
    scene.say(segment(Port.WORLD, ACK, 1, 1, payload=bytes(500)), Port.WORLD, six, tag)
    scene.say(segment(Port.CLUSTER, ACK, 1, 501, payload=b"odd"), Port.CLUSTER, six, tag)
    scene.say(segment(Port.WORLD, ACK, 501, 4), Port.WORLD, six, tag)
    assert scene.warden.words.used == [1, 0]


def test_without_it_the_answer_is_dropped() -> None:
    scene = Scene()
    scene.say(segment(Port.CLUSTER, SYN), Port.CLUSTER)
    captured = Frame(Ip4(segment(Port.WORLD, SYN_ACK, acknowledges=1), Port.WORLD)).pack()
    assert scene.warden.pass_frame(captured, Port.WORLD).reason is Reason.FLOW_UNKNOWN


@pytest.mark.parametrize("before", [b"\1\1", b"\1", b""], ids=["even", "odd", "first"])
def test_sack_edges_are_those_that_were_heard(before: bytes) -> None:
    scene = connected()
    for at in (501, 1001):
        scene.say(segment(Port.WORLD, ACK, at, 1, payload=bytes(500)), Port.WORLD)
    edges = b"".join((SERVER_ISN + at).to_bytes(4) for at in (501, 1501))
    options = (before + b"\5\12" + edges).ljust(12, b"\1")
    left = scene.say(segment(Port.CLUSTER, ACK, 1, 1, options), Port.CLUSTER)
    assert edges in left, "the station behind the warden reads its own numbers"


def test_an_option_that_makes_no_sense_stays() -> None:
    scene = connected()
    for options in (b"\5\0\0\0", b"\5\40\0\0", b"\1\1\1\5", b"\0\5\12\0"):
        packet = Frame(Ip4(segment(Port.CLUSTER, ACK, 1, 1, options))).pack()
        assert scene.replay.adapted(packet)[54:58] == options


def test_datagrams_are_answered_to_the_port_that_was_heard() -> None:
    scene = Scene()
    asked = scene.say(Udp(b"who", 40000, 53), Port.CLUSTER)
    scene.say(Udp(b"me!", 53, 40000), Port.WORLD)
    assert scene.sent[36:38] == asked[34:36] != (40000).to_bytes(2)
    assert scene.warden.words.used == [1, 0]


@pytest.mark.parametrize("six", [False, True])
def test_a_ping_is_answered_under_the_identifier_that_was_heard(six: bool) -> None:
    scene = Scene()
    request, reply, protocol = (128, 129, ICMPV6) if six else (8, 0, 1)
    for sequence in (7, 8):
        rest = b"\x12\x34" + sequence.to_bytes(2) + b"abc"
        scene.say(Icmp(request, 0, rest, protocol), Port.CLUSTER, six)
        left = scene.say(Icmp(reply, 0, rest, protocol), Port.WORLD, six)
        at = 58 if six else 38
        assert left[at : at + 4] == rest[:4]


@pytest.mark.parametrize("packet", [Ip4, Ip6])
@pytest.mark.parametrize("kind", ["tcp", "udp", "echo"])
def test_an_error_quotes_what_was_heard(packet: type[Ip4 | Ip6], kind: str) -> None:
    scene, six = Scene(), packet is Ip6
    echo = Icmp(128, 0, b"\x12\x34\0\7abcd", ICMPV6) if six else Icmp(8, 0, b"\x12\x34\0\7abcd")
    transport = {"tcp": segment(Port.CLUSTER, SYN), "udp": Udp(b"data", 40000, 7), "echo": echo}[kind]
    scene.say(transport, Port.CLUSTER, six)
    assert scene.passes(icmp_error(packet(transport)).pack(), Port.WORLD) is not None


def test_what_was_damaged_stays_damaged() -> None:
    scene = connected()
    frame = bytearray(Frame(Ip4(segment(Port.WORLD, ACK, 1, 1, payload=b"data"), Port.WORLD)).pack())
    frame[57] ^= 1
    assert scene.warden.pass_frame(scene.replay.adapted(bytes(frame)), Port.WORLD).reason is Reason.TRANSPORT_CHECKSUM


def test_a_datagram_without_checksum_gets_none() -> None:
    scene = Scene()
    scene.say(Udp(b"who", 40000, 53), Port.CLUSTER)
    left = scene.replay.adapted(Frame(Ip4(Udp(b"me", 53, 40000, checksum=0), Port.WORLD)).pack())
    assert left[40:42] == bytes(2)


def test_checksums_are_those_of_what_is_sent() -> None:
    """Over many ports, so that a checksum that would be 0 is among them."""
    replay = Replay()
    frame = Frame(Ip4(Udp(b"who", 40000, 53))).pack()
    answer = Frame(Ip4(Udp(b"me", 53, 40000), Port.WORLD)).pack()
    seen = set()
    for port in range(1 << 16):
        replay.hear(frame, frame[:34] + port.to_bytes(2) + frame[36:])
        sent = replay.adapted(answer)
        seen.add(sent[40:42])
        if port % 251 == 0 or sent[40:42] in (b"\xff\xff", b"\0\1"):
            assert internet_checksum(sent[26:34] + b"\0\x11" + sent[38:40] + sent[34:44]) == 0
    assert bytes(2) not in seen and b"\xff\xff" in seen


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Arp()).pack(),
        b"",
        bytes(60),
        Frame(Ip4(segment(Port.WORLD, ACK, 1, 1), Port.WORLD, fragment=0x2000)).pack(),
        Frame(Ip4(segment(Port.WORLD, ACK, 1, 1), Port.WORLD, total=4000)).pack(),
        Frame(Ip4(segment(Port.WORLD, ACK, 1, 1), Port.WORLD)).pack()[:40],
        Frame(Ip4(replace(segment(Port.WORLD, ACK, 1, 1), source=81), Port.WORLD)).pack(),
        Frame(Ip4(Icmp(3, 3, bytes(4) + b"\x45"), Port.WORLD)).pack(),
    ],
    ids=["arp", "nothing", "zeros", "fragment", "too short", "cut", "another connection", "no quote"],
)
def test_what_is_no_answer_is_sent_as_it_is(frame: bytes) -> None:
    scene = connected()
    scene.replay.hear(frame, frame)
    assert scene.replay.adapted(frame) == frame


def test_of_many_senders_the_last_are_kept_in_mind() -> None:
    replay = Replay()
    first, *_, last = pairs = [(port, 53 + late) for late in (0, 1) for port in range(REMEMBERED // 2 + 1)]
    for source, destination in pairs:
        frame = Frame(Ip4(Udp(b"", source, destination))).pack()
        replay.hear(frame, frame[:34] + b"\x87\x65" + frame[36:])
    answers = [Frame(Ip4(Udp(b"", destination, source), Port.WORLD)).pack() for source, destination in (first, last)]
    assert [replay.adapted(answer)[36:38] for answer in answers] == [answers[0][36:38], b"\x87\x65"]
