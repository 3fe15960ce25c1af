# SPDX-License-Identifier: Apache-2.0
"""Frames that Linux merged or left without a checksum, against what scapy makes of the parts."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

from custodes.model.checksum import checksum, ones_sum
from custodes.segments import ECN, HEADER, NEEDS_CHECKSUM, Kind, Offload, Uncuttable, on_the_wire

PAYLOAD = bytes(range(256)) * 12 + b"the end"
HEADS = {
    "IPv4": IP(src="192.0.2.1", dst="192.0.2.2", id=0xFFFF, flags="DF"),
    "IPv6": IPv6(src="2001:db8::1", dst="2001:db8::2"),
}
OPTIONS = [("NOP", None), ("NOP", None), ("Timestamp", (7, 9))]


def built(network: Packet, transport: Packet, payload: bytes, tag: int | None = None) -> bytes:
    """A frame with every length and checksum as scapy computes it."""
    ethernet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return bytes((ethernet if tag is None else ethernet / Dot1Q(vlan=tag)) / network.copy() / transport / payload)


@pytest.mark.parametrize("tag", [None, 42])
@pytest.mark.parametrize("version", HEADS)
def test_cuts_tcp_into_segments(version: str, tag: int | None) -> None:
    def segment(payload: bytes, offset: int, flags: str, number: int) -> bytes:
        network = HEADS[version].copy()
        if version == "IPv4":
            network.id = (network.id + number) & 0xFFFF
        sequence = (0xFFFF_FF00 + offset) & 0xFFFF_FFFF
        return built(network, TCP(sport=1, dport=2, seq=sequence, ack=5, flags=flags, options=OPTIONS), payload, tag)

    kind = Kind.TCP4 if version == "IPv4" else Kind.TCP6
    found = on_the_wire(segment(PAYLOAD, 0, "FPAC", 0), Offload(None, 0, kind, 1000))
    assert found == [
        segment(PAYLOAD[:1000], 0, "AC", 0),
        segment(PAYLOAD[1000:2000], 1000, "A", 1),
        segment(PAYLOAD[2000:3000], 2000, "A", 2),
        segment(PAYLOAD[3000:], 3000, "FPA", 3),
    ]


@pytest.mark.parametrize("version", HEADS)
def test_cuts_udp_into_datagrams(version: str) -> None:
    def datagram(payload: bytes, number: int) -> bytes:
        network = HEADS[version].copy()
        if version == "IPv4":
            network.id = (network.id + number) & 0xFFFF
        return built(network, UDP(sport=1, dport=2), payload)

    found = on_the_wire(datagram(PAYLOAD[:2500], 0), Offload(None, 0, Kind.UDP, 1200))
    assert found == [
        datagram(PAYLOAD[:1200], 0),
        datagram(PAYLOAD[1200:2400], 1),
        datagram(PAYLOAD[2400:2500], 2),
    ]


@pytest.mark.parametrize("padding", [b"", b"\xff\xff\xff"])
@pytest.mark.parametrize("version", HEADS)
@pytest.mark.parametrize("transport", [TCP(flags="A"), UDP()], ids=["TCP", "UDP"])
def test_completes_a_checksum(version: str, transport: Packet, padding: bytes) -> None:
    whole = built(HEADS[version], transport, b"payload")
    start = 34 if version == "IPv4" else 54
    field = start + (16 if transport.name == "TCP" else 6)
    length = len(whole) - start
    addresses = whole[26:34] if version == "IPv4" else whole[22:54]
    protocol = 6 if transport.name == "TCP" else 17
    partial = ones_sum(addresses + length.to_bytes(4) + protocol.to_bytes(4))
    offloaded = whole[:field] + partial.to_bytes(2) + whole[field + 2 :] + padding
    assert on_the_wire(offloaded, Offload(start, field, Kind.NONE, 0)) == [whole + padding]


def test_udp_checksum_is_never_zero() -> None:
    start = 34
    frame = bytearray(built(HEADS["IPv4"], UDP(), bytes(2)))
    pseudo = ones_sum(bytes(frame[26:34]) + (10).to_bytes(4) + (17).to_bytes(4))
    frame[start + 6 : start + 8] = pseudo.to_bytes(2)
    frame[start + 8 :] = checksum(bytes(frame[start : start + 8])).to_bytes(2)
    assert ones_sum(bytes(frame[start:])) == 0xFFFF, "the sum is all ones, so that the checksum would be zero"
    (found,) = on_the_wire(bytes(frame), Offload(start, start + 6, Kind.NONE, 0))
    assert found[start + 6 : start + 8] == b"\xff\xff"


def test_header_says_what_was_left_to_hardware() -> None:
    assert Offload.parse(bytes(HEADER.size)).none
    header = HEADER.pack(NEEDS_CHECKSUM, Kind.TCP4 | ECN, 66, 1448, 34, 16)
    assert Offload.parse(header) == Offload(34, 50, Kind.TCP4, 1448)
    assert Offload.parse(header).moved(4) == Offload(38, 54, Kind.TCP4, 1448)


@pytest.mark.parametrize("kind", [2, 3, 6, 0x7F])
def test_unknown_kind_is_refused(kind: int) -> None:
    with pytest.raises(Uncuttable):
        Offload.parse(HEADER.pack(NEEDS_CHECKSUM, kind, 66, 1448, 34, 16))


TCP_FRAME = built(HEADS["IPv4"], TCP(), PAYLOAD)


@pytest.mark.parametrize(
    ("frame", "offload"),
    [
        (TCP_FRAME, Offload(None, 0, Kind.TCP4, 0)),
        (TCP_FRAME, Offload(None, 0, Kind.UDP, 1000)),
        (TCP_FRAME[:54], Offload(None, 0, Kind.TCP4, 1000)),
        (TCP_FRAME[:40], Offload(None, 0, Kind.TCP4, 1000)),
        (TCP_FRAME[:14], Offload(None, 0, Kind.TCP4, 1000)),
        (b"", Offload(None, 0, Kind.TCP4, 1000)),
        (TCP_FRAME[:12] + b"\x88\xb5" + TCP_FRAME[14:], Offload(None, 0, Kind.TCP4, 1000)),
        (TCP_FRAME[:46] + b"\xf0" + TCP_FRAME[47:60], Offload(None, 0, Kind.TCP4, 1000)),
        (TCP_FRAME, Offload(len(TCP_FRAME), len(TCP_FRAME), Kind.NONE, 0)),
        (TCP_FRAME, Offload(50, 34, Kind.NONE, 0)),
    ],
    ids=[
        "no segment size", "another protocol", "no payload", "cut in TCP", "no IP", "nothing", "not IP", "cut in options",
        "field past the end", "field before the start",
    ],
)  # fmt: skip
def test_frame_that_contradicts_its_header_is_refused(frame: bytes, offload: Offload) -> None:
    with pytest.raises(Uncuttable):
        on_the_wire(frame, offload)
