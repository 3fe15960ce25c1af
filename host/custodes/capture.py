# SPDX-License-Identifier: Apache-2.0
"""Captures of Ethernet frames: pcap and pcapng, read and written exactly.

Written for two things that neither dpkt nor scapy does: times are whole nanoseconds from end to end (dpkt hands out
binary fractions of a second), and a record that is cut short or makes no sense is an error (both stop quietly).

Sources: draft-ietf-opsawg-pcap sections 4 and 5, draft-ietf-opsawg-pcapng sections 3 and 4.
"""

from __future__ import annotations

import enum
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from custodes.errors import CaptureError

ETHERNET = 1
MAX_FRAME = 262_144
"""Longest frame of a record in bytes (libpcap's limit); a record that claims more is damaged."""
MAX_BLOCK = 1 << 24
NANO = 1_000_000_000

PCAP_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""First bytes of a pcap file -> byte order, nanoseconds per unit of its fractions of a second."""
PCAPNG_MAGIC = b"\n\r\r\n"
SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
IF_TSRESOL, IF_FCSLEN, IF_TSOFFSET = 9, 13, 14
BYTE_ORDER = 0x1A2B3C4D

LINK_NAMES = {
    0: "BSD loopback",
    101: "raw IP",
    105: "802.11",
    113: "Linux cooked",
    127: "radiotap",
    276: "Linux cooked v2",
}


class Format(enum.Enum):
    """A capture file format."""

    PCAP = "pcap"
    PCAPNG = "pcapng"

    @classmethod
    def of_name(cls, path: Path, otherwise: Format) -> Format:
        """The format that the suffix of ``path`` asks for."""
        return {".pcap": cls.PCAP, ".cap": cls.PCAP, ".pcapng": cls.PCAPNG, ".ntar": cls.PCAPNG}.get(
            path.suffix.lower(), otherwise
        )


class Packet(NamedTuple):
    """A recorded frame: nanoseconds since 1970, its bytes without FCS, and how many it had on the wire."""

    time_ns: int
    frame: bytes
    wire_bytes: int

    @property
    def whole(self) -> bool:
        """Whether the frame was captured whole; a record without bytes is no frame."""
        return 0 < len(self.frame) == self.wire_bytes


class _Interface(NamedTuple):
    snaplen: int
    units_per_s: int
    offset_s: int
    fcs_bytes: int


class Capture:
    """A capture file. Iterating reads it from its start, a packet at a time, as often as wanted but once at a time.

    A frame check sequence that the file declares is taken off. Times finer than a nanosecond are rounded down. A
    record without a time (pcapng Simple Packet Block) gets that of the record before.

    Members:
        format: which of the two formats it is.
        size: bytes of the file.
        position: how far the iteration has come, in bytes.

    Raises:
        CaptureError: it cannot be read, is no capture of Ethernet frames, or ends in the middle; the message names the
            file, and the record where there is one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        with self._open() as file:
            self.size = os.fstat(file.fileno()).st_size
            magic = file.read(4)
        if not magic:
            raise self._error("the file is empty")
        if magic not in PCAP_MAGICS and magic != PCAPNG_MAGIC:
            raise self._error("not a pcap or pcapng file")
        self.format = Format.PCAPNG if magic == PCAPNG_MAGIC else Format.PCAP
        with self._open() as file:
            self._file, self._record, self.position = file, 0, 0
            if self.format is Format.PCAP:
                self._pcap_header()

    def __iter__(self) -> Iterator[Packet]:
        with self._open() as file:
            self._file, self._record, self.position = file, 0, 0
            try:
                yield from self._pcap() if self.format is Format.PCAP else self._pcapng()
            except OSError as error:
                raise self._error(error.strerror or str(error)) from None

    def _error(self, text: str) -> CaptureError:
        return CaptureError(f"{self.path}: {text}")

    def _open(self) -> BinaryIO:
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise self._error("is a directory" if self.path.is_dir() else "is not a regular file")
            return self.path.open("rb")
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        except ValueError:
            raise self._error("is not a file name") from None

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        self.position += len(data)
        if len(data) < count:
            where = f"in the middle of record {self._record}" if self._record else "inside its header"
            raise self._error(f"the capture is cut short: it ends {where}")
        return data

    def _take_or_end(self, count: int) -> bytes:
        """Like `_take` for the first bytes of a record; nothing at the end of the file."""
        if self.position >= self.size:
            return b""
        self._record += 1
        return self._take(count)

    def _check_link(self, link: int) -> None:
        if link != ETHERNET:
            name = f" ({LINK_NAMES[link]})" if link in LINK_NAMES else ""
            raise self._error(f"link type {link}{name} is not Ethernet")

    def _packet(self, time_ns: int, data: bytes, wire_bytes: int, fcs_bytes: int) -> Packet:
        wire_bytes = max(max(wire_bytes, len(data)) - fcs_bytes, 0)
        return Packet(time_ns, data[:wire_bytes], wire_bytes)

    def _check_length(self, captured: int) -> None:
        if captured > MAX_FRAME:
            raise self._error(f"record {self._record} is damaged: it claims {captured} bytes")

    def _pcap_header(self) -> tuple[str, int, int]:
        """Byte order, nanoseconds per unit, FCS bytes."""
        header = self._take(24)
        order, unit_ns = PCAP_MAGICS[header[:4]]
        major, minor, link = struct.unpack(f"{order}HH12xI", header[4:])
        if (major, minor) != (2, 4):
            raise self._error(f"pcap version {major}.{minor} is not 2.4")
        self._check_link(link & 0x03FF_FFFF)
        return order, unit_ns, (link >> 28) * 2 if link & 0x0400_0000 else 0

    def _pcap(self) -> Iterator[Packet]:
        order, unit_ns, fcs_bytes = self._pcap_header()
        unpack = struct.Struct(f"{order}IIII").unpack
        while header := self._take_or_end(16):
            seconds, fraction, captured, wire = unpack(header)
            self._check_length(captured)
            yield self._packet(seconds * NANO + fraction * unit_ns, self._take(captured), wire, fcs_bytes)

    def _pcapng(self) -> Iterator[Packet]:
        order, time_ns = "<", 0
        interfaces: list[_Interface] = []
        while head := self._take_or_end(8):
            if head[:4] == PCAPNG_MAGIC:
                mark = self._take(4)
                order = "<" if int.from_bytes(mark, "little") == BYTE_ORDER else ">"
                body = mark + self._block_body(head, order, len(mark))
                if int.from_bytes(mark, "big" if order == ">" else "little") != BYTE_ORDER or len(body) < 16:
                    raise self._error(f"record {self._record} is damaged: bad section header")
                (major,) = struct.unpack_from(f"{order}H", body, 4)
                if major != 1:
                    raise self._error(f"pcapng version {major} is not 1")
                interfaces = []
                continue
            (kind,) = struct.unpack_from(f"{order}I", head)
            body = self._block_body(head, order, 0)
            try:
                if kind == INTERFACE:
                    interfaces.append(self._interface(body, order))
                elif kind in (ENHANCED_PACKET, OLD_PACKET):
                    layout = f"{order}I" if kind == ENHANCED_PACKET else f"{order}H2x"
                    number, high, low, captured, wire = struct.unpack_from(f"{layout}IIII", body)
                    interface = interfaces[number]
                    self._check_length(captured)
                    if captured > len(body) - 20:
                        raise IndexError
                    ticks = (high << 32 | low) * NANO // interface.units_per_s
                    time_ns = ticks + interface.offset_s * NANO
                    yield self._packet(time_ns, body[20 : 20 + captured], wire, interface.fcs_bytes)
                elif kind == SIMPLE_PACKET:
                    (wire,) = struct.unpack_from(f"{order}I", body)
                    interface = interfaces[0]
                    captured = min(wire, interface.snaplen or wire)
                    if captured > len(body) - 4:
                        raise IndexError
                    yield self._packet(time_ns, body[4 : 4 + captured], wire, interface.fcs_bytes)
            except (IndexError, struct.error):
                raise self._error(f"record {self._record} is damaged") from None

    def _block_body(self, head: bytes, order: str, taken: int) -> bytes:
        """The rest of a block without its closing length; ``taken`` bytes of the body have been read."""
        (total,) = struct.unpack_from(f"{order}I", head, 4)
        if total % 4 or not 12 + taken <= total <= MAX_BLOCK:
            raise self._error(f"record {self._record} is damaged: a block of {total} bytes")
        rest = self._take(total - 8 - taken)
        if struct.unpack(f"{order}I", rest[-4:])[0] != total:
            raise self._error(f"record {self._record} is damaged: its two lengths differ")
        return rest[:-4]

    def _interface(self, body: bytes, order: str) -> _Interface:
        link, snaplen = struct.unpack_from(f"{order}H2xI", body)
        self._check_link(link)
        units_per_s, offset_s, fcs_bytes, at = 1_000_000, 0, 0, 8
        while at < len(body):
            code, length = struct.unpack_from(f"{order}HH", body, at)
            value = body[at + 4 : at + 4 + length]
            if len(value) != length or length < {IF_TSRESOL: 1, IF_FCSLEN: 1, IF_TSOFFSET: 8}.get(code, 0):
                raise IndexError
            if code == 0:
                break
            if code == IF_TSRESOL:
                units_per_s = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == IF_TSOFFSET:
                (offset_s,) = struct.unpack(f"{order}q", value[:8])
            elif code == IF_FCSLEN:
                fcs_bytes = (
                    4 if value[0] in (4, 32) else 0
                )  # the standard says bits, its example and some writers bytes
            at += 4 + (length + 3) // 4 * 4
        return _Interface(snaplen, units_per_s, offset_s, fcs_bytes)


class CaptureWriter:
    """Writes frames to an open file, with their times in nanoseconds; the file is little-endian, one interface.

    Nothing of the input but frames and times goes out: no comments, names of interfaces or secrets.
    """

    def __init__(self, file: BinaryIO, format: Format) -> None:
        self._file, self._format = file, format
        if format is Format.PCAP:
            file.write(b"\x4d\x3c\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, MAX_FRAME, ETHERNET))
        else:
            file.write(_block(SECTION, struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1)))
            resolution = struct.pack("<HHB3xI", IF_TSRESOL, 1, 9, 0)
            file.write(_block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, MAX_FRAME) + resolution))

    def write(self, time_ns: int, frame: bytes) -> None:
        """Append a frame; raises `CaptureError` where the format cannot hold its time."""
        size = len(frame)
        try:
            if self._format is Format.PCAP:
                self._file.write(struct.pack("<IIII", *divmod(time_ns, NANO), size, size) + frame)
            else:
                high, low = divmod(time_ns, 1 << 32)
                head = struct.pack("<IIIII", 0, high, low, size, size)
                self._file.write(_block(ENHANCED_PACKET, head + frame + bytes(-size % 4)))
        except struct.error:
            raise CaptureError(f"a frame's time, {time_ns} ns since 1970, does not fit {self._format.value}") from None


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + size + body + size
