# SPDX-License-Identifier: Apache-2.0
"""The executable specification against answers worked out by hand, and against what scapy makes of its frames."""

from random import Random

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from custodes.model import Scrubber
from custodes.policy import Policy
from custodes.table import INDEX, MIN_FRAME_BYTES, Port, Reason
from tests.frames import POLICY, VID, Arp, Frame, Icmp, Ip4, Ip6, Tcp, Udp
from tests.traffic import KINDS, make

SPECIFICATION = Scrubber(POLICY)


def test_syn_by_hand():
    """Every number below is computed with pencil and paper from RFC 791, RFC 9293 and the scrub table."""
    options = bytes.fromhex("020405b4 0101 0402 080a 0102030405060708 01 030307 0101".replace(" ", ""))
    segment = Tcp(flags=0xC2, options=options, window=0xFFFF, acknowledgement=0xDEADBEEF, urgent=0x1234)
    frame = Frame(Ip4(segment, tos=255, identification=0xC0DE, fragment=0, ttl=57)).pack()
    clean = SPECIFICATION.scrub(frame, Port.CLUSTER)
    assert clean.reason == Reason.FORWARDED
    assert clean.frame is not None
    assert clean.frame[14:24] == bytes.fromhex("45000034000040004006")
    assert clean.frame[34:50] == bytes.fromhex("c000005000000001000000008002" + "8000")
    assert clean.frame[52:66] == bytes.fromhex("0000" + "020405a0" + "01010402" + "01030307")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_leaves_is_canonical(kind: str):
    """What comes out passes through again unchanged: nothing is left to alter. That an error passes is always told."""
    forwarded, told = 0, 1 << INDEX["icmp_error"] if kind.startswith("error") else 0
    for seed in range(400):
        ingress = make(kind, seed)
        first = SPECIFICATION.scrub(ingress.frame, ingress.port)
        if first.frame is None:
            continue
        forwarded += 1
        again = SPECIFICATION.scrub(first.frame, ingress.port)
        assert again.frame == first.frame
        assert again.altered == told
        assert len(first.frame) >= MIN_FRAME_BYTES
    assert forwarded > 50


@pytest.mark.parametrize("kind", ["tcp4", "udp4", "echo4", "tcp6", "udp6", "echo6"])
def test_scapy_computes_the_same_checksums_and_lengths(kind: str):
    for seed in range(150):
        ingress = make(kind, seed)
        clean = SPECIFICATION.scrub(ingress.frame, ingress.port).frame
        if clean is None:
            continue
        packet = Ether(clean)
        for layer in packet.layers()[1:]:
            for name in ("chksum", "cksum", "len", "plen", "dataofs"):
                if name in packet[layer].fields:
                    delattr(packet[layer], name)
        assert packet.build().ljust(MIN_FRAME_BYTES, b"\0") == clean


def test_scapy_reads_the_canonical_options():
    options = b"\x01\x01\x01\x08\x0a" + bytes(8) + b"\x03\x03\x07\x04\x02\x02\x04\x05\xb4\x00"
    clean = SPECIFICATION.scrub(Frame(Ip4(Tcp(flags=2, options=options + b"\0\0"))).pack(), Port.CLUSTER).frame
    assert Ether(clean)[TCP].options == [
        ("MSS", 1440),
        ("NOP", None),
        ("NOP", None),
        ("SAckOK", b""),
        ("NOP", None),
        ("WScale", 7),
    ]
    assert Ether(clean)[IP].flags == "DF"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", Reason.ETHERNET_SHORT),
        (bytes(1519), Reason.OVERSIZE),
        (bytes(60), Reason.LLC),
        (Frame(Ip4(Udp()), ethertype=0x88CC).pack(), Reason.ETHERTYPE),
        (Frame(Ip4(Udp()), tag=7).pack(), Reason.VLAN),
        (Frame(Arp(fixed=bytes(6))).pack(), Reason.ARP_FIELDS),
        (Frame(Ip4(Udp(), fragment=0x2000)).pack(), Reason.FRAGMENT),
        (Frame(Ip6(Udp(), next_header=0)).pack(), Reason.PROTOCOL),
        (Frame(Ip4(Udp()), source=bytes(6)).pack(), Reason.MAC_SOURCE),
        (Frame(Ip4(Udp()), destination=bytes(6)).pack(), Reason.MAC_DESTINATION),
        (Frame(Ip4(Udp(), source=bytes(4))).pack(), Reason.ADDRESS_SOURCE),
        (Frame(Ip4(Udp(), destination=b"\x08\x08\x08\x08")).pack(), Reason.ADDRESS_DESTINATION),
        (Frame(Ip4(Udp(length=7))).pack(), Reason.TRANSPORT_LENGTH),
        (Frame(Ip4(Icmp(13))).pack(), Reason.ICMP_TYPE),
        (Frame(Ip4(Tcp(flags=0x03))).pack(), Reason.TCP_FLAGS),
        (Frame(Ip4(Tcp(options=b"\x13\x12" + bytes(18)))).pack(), Reason.TCP_AUTHENTICATED),
        (Frame(Ip4(Udp(destination=443))).pack(), Reason.UDP_PORT),
        (Frame(Ip4(Udp(checksum=0))).pack(), Reason.TRANSPORT_CHECKSUM),
    ],
    ids=lambda value: value.name if isinstance(value, Reason) else None,
)
def test_drops_for_the_first_reason_that_applies(frame: bytes, reason: Reason):
    result = SPECIFICATION.scrub(frame, Port.CLUSTER)
    assert (result.frame, result.reason, result.altered) == (None, reason, 0)


def test_a_frame_marked_bad_is_dropped():
    frame = Frame(Ip4(Udp())).pack()
    assert SPECIFICATION.scrub(frame, Port.CLUSTER, error=True).reason == Reason.INGRESS_ERROR


def test_a_policy_that_admits_nothing_drops_everything():
    closed = Scrubber(Policy())
    for kind in KINDS:
        for seed in range(20):
            ingress = make(kind, seed)
            assert closed.scrub(ingress.frame, ingress.port).frame is None


def test_tagged_frames_keep_their_vlan_and_lose_their_priority():
    clean = SPECIFICATION.scrub(Frame(Ip4(Udp()), tag=VID | 0xF000).pack(), Port.CLUSTER).frame
    assert clean is not None
    assert clean[12:18] == bytes.fromhex("8100") + VID.to_bytes(2) + bytes.fromhex("0800")


def test_no_input_makes_the_specification_fail():
    random = Random(1)
    for _ in range(3000):
        frame = bytearray(make(random.choice(sorted(KINDS)), random.randrange(1 << 32)).frame)
        for _ in range(random.randrange(6)):
            frame[random.randrange(len(frame))] = random.randrange(256)
        result = SPECIFICATION.scrub(bytes(frame[: random.randrange(len(frame) + 1)]), random.choice(list(Port)))
        assert (result.frame is None) == (result.reason != Reason.FORWARDED)
