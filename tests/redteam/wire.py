# SPDX-License-Identifier: Apache-2.0
"""What lies between a sender of covert bits and who reads them, and how frames are read there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from custodes.model.entropy import Words
from custodes.model.warden import Warden
from custodes.table import Port
from tests.frames import POLICY

SEED = b"what nobody of the red team knows"[:32]

Wire = Callable[[bytes, Port], bytes | None]
"""A frame that enters at a port -> what leaves at the other, None: nothing."""


def bare(frame: bytes, port: Port) -> bytes:
    """A cable."""
    return frame


def warded() -> Wire:
    """A new warden of the specification."""
    warden = Warden(POLICY, Words(SEED))
    return lambda frame, port: warden.pass_frame(frame, port).frame


class Tapped:
    """A wire, and what has left of what came in at one port."""

    def __init__(self, wire: Wire, port: Port) -> None:
        self._wire, self._port = wire, port
        self.left: list[bytes | None] = []

    def __call__(self, frame: bytes, port: Port) -> bytes | None:
        left = self._wire(frame, port)
        if port == self._port:
            self.left.append(left)
        return left


class Seen:
    """A frame as it is read on the wire, whatever the fields say."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.tci = int.from_bytes(frame[14:16]) if frame[12:14] == b"\x81\x00" else 0
        start = 18 if self.tci else 14
        self.packet = frame[start:]
        """The network layer and all that follows."""
        version = self.packet[0] >> 4
        if version == 4:
            header, end = (self.packet[0] & 15) * 4, int.from_bytes(self.packet[2:4])
        else:
            header, end = 40, 40 + int.from_bytes(self.packet[4:6])
        self.header = self.packet[:header]
        self.body = self.packet[header:end]
        """The transport layer, and what follows in the same packet."""
        self.padding = self.packet[end:]

    @property
    def ports(self) -> tuple[int, int]:
        return struct.unpack_from("!HH", self.body)

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.body[4:8])

    @property
    def acknowledgement(self) -> int:
        return int.from_bytes(self.body[8:12])

    @property
    def flags(self) -> int:
        """The lower twelve bits: reserved ones too."""
        return int.from_bytes(self.body[12:14]) & 0xFFF

    @property
    def window(self) -> int:
        return int.from_bytes(self.body[14:16])

    @property
    def urgent(self) -> int:
        return int.from_bytes(self.body[18:20])

    @property
    def payload(self) -> bytes:
        return self.body[(self.body[12] >> 4) * 4 :]

    @property
    def region(self) -> bytes:
        """Where the options are."""
        return self.body[20 : (self.body[12] >> 4) * 4]

    @property
    def options(self) -> dict[int, bytes]:
        """Kind -> data, in order."""
        return dict(_options(self.region))


def _options(region: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(region) and region[at]:
        length = 1 if region[at] == 1 else region[at + 1]
        yield region[at], region[at + 2 : at + length]
        at += length
