# SPDX-License-Identifier: Apache-2.0
"""ICMP errors: what the scrubber leaves of them, and whose packet they quote once the warden has turned it back."""

from __future__ import annotations

import pytest

from custodes.model import Result, Scrubber
from custodes.policy import Policy
from custodes.table import INDEX, SCRUBBED, Port, Reason
from tests.frames import ICMP, ICMPV6, POLICY, Frame, Icmp, Ip4, Ip6, Tcp, Transport, internet_checksum
from tests.host.model.passage import ACK, SYN, C, Heard, Passage, Talk, W, address, heard, udp
from tests.host.model.test_flow_table import echo

UNREACHABLE = {4: (3, 3), 6: (1, 4)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}
ADMITTED = {
    4: {3: range(16), 11: range(2), 12: range(3)},
    6: {1: range(7), 2: range(1), 3: range(2), 4: range(3)},
}
ROUTER = {4: bytes((192, 0, 2, 3)), 6: bytes.fromhex("20010db8000100000000000000000003")}
SCRUBBER = Scrubber(POLICY)
HEADER_BYTES = {4: 20, 6: 40}


def error(version: int, quoted: bytes, kind: tuple[int, int] | None = None, second: bytes = b"secr") -> Icmp:
    """An error about a packet, whose unused words are used."""
    number, code = kind or UNREACHABLE[version]
    return Icmp(number, code, second + quoted, ICMP if version == 4 else ICMPV6)


def packet_from(side: Port, transport: Transport, version: int, **fields: int) -> bytes:
    """A packet from this side, as the other side would quote it."""
    made = Ip4(transport, side) if version == 4 else Ip6(transport, side)
    for name, value in fields.items():
        setattr(made, name, value)
    return made.pack()


def scrub(version: int, quoted: bytes, kind: tuple[int, int] | None = None, source: bytes | None = None) -> Result:
    message = error(version, quoted, kind)
    packet = (Ip4 if version == 4 else Ip6)(message, W, source=source)
    return SCRUBBER.scrub(Frame(packet).pack(), W)


def left(result: Result) -> bytes:
    """The IP packet of a forwarded frame."""
    assert result.frame is not None
    packet = result.frame[14:]
    end = int.from_bytes(packet[2:4]) if packet[0] >> 4 == 4 else 40 + int.from_bytes(packet[4:6])
    return packet[:end]


@pytest.mark.parametrize("version", [4, 6])
def test_an_error_says_only_what_it_is_and_about_which_packet(version: int):
    sizes = HEADER_BYTES[version]
    if version == 4:
        fields = {"tos": 0xFF, "identification": 0xBEEF, "fragment": 0xC000, "ttl": 3}
    else:
        fields = {"traffic_class": 0xFF, "flow_label": 0xBEEF5, "hop_limit": 3}
    quoted = packet_from(C, Tcp(payload=bytes(200), sequence=0x12345678), version, **fields)
    result = scrub(version, quoted)
    message = left(result)[sizes:]
    kind, code = UNREACHABLE[version]
    assert message[:2] == bytes((kind, code)) and message[4:8] == bytes(4)
    assert len(message) == 8 + sizes + 8
    clean = packet_from(C, Tcp(payload=bytes(200), sequence=0x12345678), version)
    assert message[8:] == clean[: sizes + 8]
    assert result.altered >> INDEX["icmp_error"] & 1
    assert result.removed[-1] == (INDEX["icmp_error"], len(quoted) - sizes - 8)
    assert SCRUBBED[result.removed[-1][0]].key == "icmp_error"


@pytest.mark.parametrize("version", [4, 6])
def test_every_error_of_the_rfcs_passes_and_no_other(version: int):
    quoted = packet_from(C, Tcp(payload=bytes(20)), version)
    for kind in range(256):
        for code in (*range(17), 255):
            result = scrub(version, quoted, (kind, code))
            if code in ADMITTED[version].get(kind, ()):
                mtu = 1280 if (kind, code) == TOO_BIG[version] else 0
                message = left(result)[HEADER_BYTES[version] :]
                assert message[:2] == bytes((kind, code)) and message[4:8] == mtu.to_bytes(4)
            elif kind not in (0, 8, 128, 129, 133, 135, 136):
                assert result.reason is Reason.ICMP_TYPE


def spoilt(version: int, at: int, value: bytes) -> bytes:
    quoted = bytearray(packet_from(C, udp(5000, 53, bytes(30)), version))
    quoted[at : at + len(value)] = value
    return bytes(quoted)


BAD = {
    "shorter than eight bytes of transport": (4, packet_from(C, udp(5000, 53), 4)[:27]),
    "shorter than an IPv6 header and eight bytes": (6, packet_from(C, udp(5000, 53), 6)[:47]),
    "options": (4, spoilt(4, 0, b"\x46")),
    "other version": (4, spoilt(4, 0, b"\x65")),
    "other version in IPv6": (6, spoilt(6, 0, b"\x40")),
    "short total length": (4, spoilt(4, 2, (27).to_bytes(2))),
    "long total length": (4, spoilt(4, 2, (1501).to_bytes(2))),
    "short payload length": (6, spoilt(6, 4, (7).to_bytes(2))),
    "long payload length": (6, spoilt(6, 4, (1461).to_bytes(2))),
    "more fragments": (4, spoilt(4, 6, b"\x20\0")),
    "fragment": (4, spoilt(4, 6, b"\0\x01")),
    "protocol": (4, spoilt(4, 9, b"\x2f")),
    "protocol in IPv6": (6, spoilt(6, 6, b"\0")),
    "UDP length": (4, spoilt(4, 24, (39).to_bytes(2))),
    "UDP length in IPv6": (6, spoilt(6, 44, (39).to_bytes(2))),
    "other source": (4, spoilt(4, 12, ROUTER[4])),
    "other source in IPv6": (6, spoilt(6, 8, ROUTER[6])),
    "unknown destination": (4, spoilt(4, 16, bytes((8, 8, 8, 8)))),
    "destination of the other side": (4, spoilt(4, 16, address(C, 4))),
    "echo reply": (4, packet_from(C, echo(0, 7, 1), 4)),
    "echo reply in IPv6": (6, packet_from(C, echo(0, 7, 1, 6), 6)),
    "an error": (4, packet_from(C, Icmp(3, 3, bytes(32)), 4)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_quote_that_cannot_have_left_is_refused(name: str):
    assert scrub(*BAD[name]) == (None, Reason.ICMP_QUOTE, 0, 0, ())


def test_checks_before_the_quote_come_first():
    bad = b"no packet"
    assert scrub(4, bad, (5, 0)).reason is Reason.ICMP_TYPE
    frame = bytearray(Frame(Ip4(error(4, bad), W)).pack())
    frame[36] ^= 1
    assert SCRUBBER.scrub(bytes(frame), W).reason is Reason.TRANSPORT_CHECKSUM
    assert SCRUBBER.scrub(Frame(Ip4(Icmp(3, 3, b"123"), W)).pack(), W).reason is Reason.TRANSPORT_LENGTH
    closed = Scrubber(Policy.model_validate(POLICY.model_dump() | {"protocols": ["nd", "tcp"]}))
    quoted = packet_from(C, Tcp(payload=bytes(20)), 6)
    assert closed.scrub(Frame(Ip6(error(6, quoted), W)).pack(), W).reason is Reason.ICMP_TYPE
    assert closed.scrub(Frame(Ip4(error(4, bad), W)).pack(), W).reason is Reason.PROTOCOL


@pytest.mark.parametrize("version", [4, 6])
def test_a_router_may_complain_for_a_station(version: int):
    quoted = packet_from(C, Tcp(payload=bytes(20)), version)
    assert scrub(version, quoted, TOO_BIG[version], ROUTER[version]).reason is Reason.FORWARDED


def complained(passage: Passage, side: Port, version: int, quoted: bytes) -> Heard:
    return passage.says(side, error(version, quoted), version)


def sent(passage: Passage, side: Port, transport: Transport, version: int) -> bytes:
    """The IP packet that leaves, to be quoted."""
    result = passage.result(side, transport, version)
    assert heard(result)
    return left(result)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("side", Port)
def test_a_tcp_quote_names_what_its_receiver_sent(side: Port, version: int):
    talk, at = Talk(Passage(), side, version=version).open(), HEADER_BYTES[version]
    segment = talk.from_client(ACK, 1, 1, payload=bytes(100))
    quoted = sent(talk.passage, side, segment, version)
    own = complained(talk.passage, side.other, version, quoted).body[8:]
    assert own[at:] == segment.pack()[0][:8]
    answer = talk.from_server(ACK, 1, 101, payload=bytes(100))
    quoted = sent(talk.passage, side.other, answer, version)
    own = complained(talk.passage, side, version, quoted).body[8:]
    assert own[at:] == answer.pack()[0][:8]
    if version == 4:
        assert internet_checksum(own[:at]) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_a_syn_is_quoted_with_its_own_isn(version: int):
    talk, at = Talk(Passage(), version=version), HEADER_BYTES[version]
    quoted = sent(talk.passage, C, talk.from_client(SYN), version)
    own = complained(talk.passage, W, version, quoted).body[8:]
    assert own[at:] == talk.from_client(SYN).pack()[0][:8]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("port", [5000, 51000])
def test_a_udp_quote_names_what_its_receiver_sent(version: int, port: int):
    passage, at = Passage(), HEADER_BYTES[version]
    quoted = sent(passage, C, udp(port, 53), version)
    own = complained(passage, W, version, quoted).body[8:]
    assert own[at:] == port.to_bytes(2) + (53).to_bytes(2) + (13).to_bytes(2) + bytes(2)
    seen = quoted[at : at + 2]
    quoted = sent(passage, W, udp(53, int.from_bytes(seen)), version)
    own = complained(passage, C, version, quoted).body[8:]
    assert own[at : at + 4] == (53).to_bytes(2) + seen


@pytest.mark.parametrize("version", [4, 6])
def test_an_echo_quote_names_what_its_receiver_sent(version: int):
    passage, at = Passage(), HEADER_BYTES[version]
    quoted = sent(passage, C, echo(1, 7, 300, version, b"payload"), version)
    own = complained(passage, W, version, quoted).body[8:]
    assert own[at + 4 : at + 8] == (7).to_bytes(2) + (300).to_bytes(2)
    assert own[at + 1 : at + 4] == bytes(3)


@pytest.mark.parametrize(("beyond", "good"), [(0, True), (1, False), (1 << 24, False)])
def test_a_quoted_number_must_have_been_sent(beyond: int, good: bool):
    talk = Talk(Passage()).open()
    quoted = bytearray(sent(talk.passage, C, talk.from_client(ACK, 1, 1), 4))
    quoted[24:28] = ((talk.out[0] + 1 + beyond) % (1 << 32)).to_bytes(4)
    result = talk.passage.result(W, error(4, bytes(quoted)))
    assert result.reason is (Reason.FORWARDED if good else Reason.FLOW_STATE)


def test_a_quoted_request_must_be_one_that_may_be_answered():
    passage = Passage()
    quoted = bytearray(sent(passage, C, echo(1, 7, 300), 4))
    quoted[26:28] = ((int.from_bytes(quoted[26:28]) + 1) % (1 << 16)).to_bytes(2)
    assert passage.refuses(W, error(4, bytes(quoted))) is Reason.FLOW_STATE


def test_a_quote_without_flow_is_dropped():
    passage = Passage()
    for transport in (Tcp(SYN, source=50000), udp(50000, 53), udp(50, 53), echo(1, 7, 1), echo(1, 0x8007, 1)):
        assert passage.refuses(W, error(4, packet_from(C, transport, 4))) is Reason.FLOW_UNKNOWN
    assert passage.warden.words.used == [0, 0]


def test_an_error_is_no_use_of_its_flow():
    passage = Passage()
    quoted = sent(passage, C, udp(51000, 53), 4)
    for _ in range(3):
        complained(passage, W, 4, quoted)
        passage.warden.tick()
    assert passage.refuses(W, error(4, quoted)) is Reason.FLOW_UNKNOWN
    talk = Talk(passage).open()
    complained(passage, W, 4, sent(passage, C, talk.from_client(ACK, 1, 1), 4))
    talk.server_says(ACK, 1, 1)


@pytest.mark.parametrize("version", [4, 6])
def test_an_echo_leaves_with_as_many_zeros_as_it_came_with_data(version: int):
    passage = Passage()
    result = passage.result(C, echo(1, 7, 1, version, b"covert" * 20), version)
    assert heard(result).payload == bytes(120)
    assert result.removed == ((INDEX["icmp_payload"], 120),)
    again = passage.result(C, echo(1, 7, 2, version, bytes(120)), version)
    assert heard(again).payload == bytes(120)
    assert not again.altered >> INDEX["icmp_payload"] & 1
