# SPDX-License-Identifier: Apache-2.0
"""Captures: every byte order and resolution is read exactly, and damage is an error that says what and where."""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import pytest

from custodes.capture import Capture, CaptureWriter, Format, Packet
from custodes.errors import CaptureError
from tests.host.fake import PING, START_NS, read_capture, write_capture

SECONDS, NANOSECONDS = divmod(START_NS, 10**9)


def pcap(order: str, nano: bool, records: list[tuple[int, int, bytes, int]], link: int = 1, version: int = 4) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    head = struct.pack(f"{order}IHHiIII", magic, 2, version, 0, 0, 65535, link)
    return head + b"".join(
        struct.pack(f"{order}IIII", seconds, fraction, len(data), wire) + data
        for seconds, fraction, data, wire in records
    )


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int = 1, snaplen: int = 0, *options: tuple[int, bytes]) -> bytes:
    body = struct.pack(f"{order}HHI", link, 0, snaplen)
    for code, value in options:
        body += struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(order, 1, body)


def enhanced(order: str, number: int, ticks: int, data: bytes, wire: int | None = None) -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(data), wire or len(data))
    return block(order, 6, head + data)


def read(path: Path, data: bytes) -> list[Packet]:
    path.write_bytes(data)
    return list(Capture(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture"


@pytest.mark.parametrize("order", "<>")
def test_keeps_every_nanosecond_of_a_pcap(path: Path, order: str) -> None:
    assert read(path, pcap(order, True, [(SECONDS, NANOSECONDS, PING, len(PING))])) == [
        Packet(START_NS, PING, len(PING))
    ]


@pytest.mark.parametrize("order", "<>")
def test_reads_microseconds_of_a_pcap(path: Path, order: str) -> None:
    assert read(path, pcap(order, False, [(SECONDS, 999_999, PING, 1500)])) == [
        Packet(SECONDS * 10**9 + 999_999_000, PING, 1500)
    ]


@pytest.mark.parametrize("order", "<>")
def test_reads_every_interface_of_a_pcapng_at_its_own_resolution(path: Path, order: str) -> None:
    data = section(order) + interface(order) + interface(order, 1, 0, (9, b"\x09"), (2, b"eth0"))
    data += interface(order, 1, 0, (9, b"\x80"), (14, struct.pack(f"{order}q", -5)))
    data += interface(order, 1, 0, (9, b"\x8a")) + interface(order, 1, 0, (9, b"\x0c"))
    data += enhanced(order, 0, 1_000_001, PING) + enhanced(order, 1, START_NS, PING) + enhanced(order, 2, 8, PING)
    data += enhanced(order, 3, 1025, PING) + enhanced(order, 4, 1999, PING)
    assert [packet.time_ns for packet in read(path, data)] == [
        1_000_001_000,
        START_NS,
        3 * 10**9,
        10**9 + 976_562,
        1,
    ]


def test_forgets_the_interfaces_of_the_section_before(path: Path) -> None:
    data = section("<") + interface("<", 1, 0, (9, b"\x09")) + enhanced("<", 0, 7, PING)
    data += section(">") + interface(">") + enhanced(">", 0, 7, PING)
    assert [packet.time_ns for packet in read(path, data)] == [7, 7000]


def test_skips_blocks_it_does_not_know(path: Path) -> None:
    data = (
        section("<") + interface("<") + block("<", 5, bytes(12)) + block("<", 0xBAD, b"x") + enhanced("<", 0, 7, PING)
    )
    assert len(read(path, data)) == 1


def test_reads_old_and_simple_packet_blocks(path: Path) -> None:
    old = struct.pack("<HHIIII", 0, 0, 0, 9, len(PING), len(PING)) + PING
    simple = struct.pack("<I", 100) + PING[:40]
    data = section("<") + interface("<", 1, 40) + block("<", 2, old) + block("<", 3, simple)
    assert read(path, data) == [Packet(9000, PING, len(PING)), Packet(9000, PING[:40], 100)]


@pytest.mark.parametrize("link", [1 | 0x0400_0000 | 2 << 28])
def test_takes_off_the_check_sequence_that_a_pcap_declares(path: Path, link: int) -> None:
    records = [(0, 0, PING + b"FCS!", len(PING) + 4), (0, 0, PING[:20], len(PING) + 4)]
    whole, cut = read(path, pcap("<", True, records, link))
    assert whole == Packet(0, PING, len(PING)) and whole.whole
    assert cut.frame == PING[:20] and not cut.whole


@pytest.mark.parametrize("length", [4, 32])
def test_takes_off_the_check_sequence_that_a_pcapng_declares(path: Path, length: int) -> None:
    data = section("<") + interface("<", 1, 0, (13, bytes((length,)))) + enhanced("<", 0, 0, PING + b"FCS!")
    assert read(path, data)[0].frame == PING


@pytest.mark.parametrize(
    ("captured", "wire", "whole"), [(60, 60, True), (59, 60, False), (0, 0, False), (0, 60, False)]
)
def test_knows_frames_that_were_not_captured_whole(captured: int, wire: int, whole: bool) -> None:
    assert Packet(0, bytes(captured), wire).whole is whole


@pytest.mark.parametrize("format", Format)
def test_reads_back_what_it_wrote(path: Path, format: Format) -> None:
    packets = [PING, bytes(61), bytes(range(62)), bytes(63), bytes(9000)]
    write_capture(path, packets, format)
    assert Capture(path).format is format
    assert read_capture(path) == [(START_NS + i * 1001, packet) for i, packet in enumerate(packets)]


def test_others_read_what_it_wrote(path: Path) -> None:
    from scapy.utils import RawPcapNgReader, RawPcapReader

    write_capture(path, [PING, PING])
    with RawPcapReader(str(path)) as reader:
        times = [meta.sec * 10**9 + meta.usec for _, meta in reader]
        assert reader.nano and reader.linktype == 1
    assert times == [START_NS, START_NS + 1001]
    write_capture(path, [PING, PING], Format.PCAPNG)
    with RawPcapNgReader(str(path)) as reader:
        found = [(data, meta.tshigh << 32 | meta.tslow, meta.tsresol) for data, meta in reader]
    assert found == [(PING, START_NS, 10**9), (PING, START_NS + 1001, 10**9)]


def test_can_be_read_again(path: Path) -> None:
    capture = Capture(write_capture(path, [PING] * 3))
    assert list(capture) == list(capture)
    assert capture.position == capture.size == path.stat().st_size


@pytest.mark.parametrize("format", Format)
def test_a_capture_without_packets_is_one(path: Path, format: Format) -> None:
    assert read_capture(write_capture(path, [], format)) == []


@pytest.mark.parametrize("format", Format)
def test_every_cut_is_an_error_unless_it_falls_between_records(path: Path, format: Format) -> None:
    data = write_capture(path, [PING, PING[:61]], format).read_bytes()
    head = 24 if format is Format.PCAP else 28 + 32
    per_record = 16 if format is Format.PCAP else 32
    between = {head, head + per_record + len(PING)} | ({28} if format is Format.PCAPNG else set())
    for length in range(len(data)):
        path.write_bytes(data[:length])
        if length in between:
            list(Capture(path))
        else:
            with pytest.raises(CaptureError, match=r"cut short|empty|not a pcap"):
                list(Capture(path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"GET / HTTP/1.1\r\n" * 9, "not a pcap or pcapng file"),
        (bytes(4096), "not a pcap or pcapng file"),
        (pcap("<", True, [], link=101), r"link type 101 \(raw IP\) is not Ethernet"),
        (pcap(">", False, [], link=228), "link type 228 is not Ethernet"),
        (pcap("<", True, [], version=5), "version 2.5"),
        (pcap("<", True, []) + b"\xff" * 64, "record 1 is damaged: it claims 4294967295 bytes"),
        (section("<") + interface("<", 113), r"link type 113 \(Linux cooked\)"),
        (section("<") + enhanced("<", 0, 0, PING), "record 2 is damaged"),
        (section("<") + interface("<") + enhanced("<", 1, 0, PING), "record 3 is damaged"),
        (section("<") + interface("<") + block("<", 6, bytes(8)), "record 3 is damaged"),
        (section("<") + interface("<") + block("<", 6, struct.pack("<5I", 0, 0, 0, 99, 99)), "record 3 is damaged"),
        (section("<") + interface("<", 1, 0, (9, b"")), "record 2 is damaged"),
        (section("<") + block("<", 1, struct.pack("<HHIHH", 1, 0, 0, 2, 40)), "record 2 is damaged"),
        (section("<") + struct.pack("<II", 6, 13) + bytes(40), "a block of 13 bytes"),
        (section("<") + struct.pack("<II", 6, 1 << 30), "a block of 1073741824 bytes"),
        (section("<") + struct.pack("<IIII", 5, 16, 0, 20), "its two lengths differ"),
        (b"\n\r\r\n" + bytes(24), "damaged"),
        (block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), "pcapng version 2"),
    ],
)
def test_says_what_is_wrong_with_a_file(path: Path, data: bytes, message: str) -> None:
    with pytest.raises(CaptureError, match=message) as caught:
        read(path, data)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("format", Format)
def test_damage_anywhere_is_read_or_refused_and_nothing_else(path: Path, format: Format) -> None:
    sound = write_capture(path, [PING, PING[:43], bytes(200)], format).read_bytes()
    rng = random.Random(7)
    for _ in range(2000):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        with contextlib.suppress(CaptureError):
            read(path, bytes(data))


def test_refuses_times_that_a_pcap_cannot_hold(path: Path) -> None:
    with path.open("wb") as file, pytest.raises(CaptureError, match="does not fit pcap"):
        CaptureWriter(file, Format.PCAP).write(-1, PING)


@pytest.mark.parametrize(
    ("name", "format"), [("a.PCAP", Format.PCAP), ("a.pcapng", Format.PCAPNG), ("a", Format.PCAPNG)]
)
def test_the_suffix_chooses_the_format(name: str, format: Format) -> None:
    assert Format.of_name(Path(name), Format.PCAPNG) is format
