# SPDX-License-Identifier: Apache-2.0
"""The gate of a gateway as an executable specification: what passes between the world and a server, and when the server has
power. Cycles do not count here: whoever runs it says when something takes too long, or long enough."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from custodes.gateway_formats import ETHERTYPE, UPLOAD_BYTES, UPLOAD_HEAD_BYTES, Kind
from custodes.upload_modes import Fault, Mode, UploadOrder

MIN_FRAME_BYTES = 60
"""A shorter frame may be filled up to here with zeros: IEEE 802.3, 3.2.8, without the FCS."""
MAX_OCTETS = (1 << 48) - 1
"""As many as the place of an octet can tell."""


class Left(NamedTuple):
    """Frames that leave for either side."""

    server: tuple[bytes, ...] = ()
    world: tuple[bytes, ...] = ()


NOTHING = Left()


def weights(octets: bytes, destination: bytes, source: bytes) -> list[bytes]:
    """The frames that an upload consists of."""
    return [
        destination
        + source
        + ETHERTYPE.to_bytes(2)
        + bytes([Kind.UPLOAD, 0])
        + len(piece).to_bytes(2)
        + at.to_bytes(6)
        + piece
        for at in range(0, len(octets), UPLOAD_BYTES)
        for piece in [octets[at : at + UPLOAD_BYTES]]
    ]


class Upload:
    """A gate that has just been switched on.

    Attributes:
        bits, digest: what is announced. Written in no mode but OFF.
        server, gateway: addresses that weights leave with: destination and source.
        ready: power has been off for long enough; whoever runs this says so.
        mode, fault: see `Mode` and `Fault`.
    """

    def __init__(self) -> None:
        self.bits = 0
        self.digest = bytes(32)
        self.server = self.gateway = bytes(6)
        self.ready = False
        self.mode = Mode.OFF
        self.fault = Fault.RESET
        self._hash = hashlib.sha256()
        self._counted = 0

    @property
    def power(self) -> bool:
        """Of the server."""
        return self.mode != Mode.OFF

    @property
    def counted(self) -> int:
        """Bits that have come."""
        return 8 * self._counted

    def announce(self, bits: int, digest: bytes) -> None:
        """What is to come."""
        if self.mode == Mode.OFF:
            self.bits, self.digest = bits, digest

    def order(self, order: UploadOrder) -> None:
        """What the host wants."""
        if order == UploadOrder.STOP:
            self._end(Fault.ORDERED)
        elif self.mode == Mode.OFF and self.ready:
            if self.bits % 8 or not 0 < self.bits // 8 <= MAX_OCTETS:
                self._forget(Fault.LENGTH)
            else:
                self.mode, self.ready = Mode.UPLOAD, False

    def alarm(self) -> None:
        """Something that frames pass through has failed."""
        self._end(Fault.GUARD)

    def pause(self) -> None:
        """UPLOAD_PAUSE_CYCLES have gone by since START, or since the last frame of weights; they are not 0."""
        if self.mode == Mode.UPLOAD:
            self._end(Fault.PAUSE)

    def digested(self) -> None:
        """The digest is there: some time after the last bit."""
        if self.mode == Mode.CHECK:
            if self._hash.digest() == self.digest:
                self.mode = Mode.SERVING
            else:
                self._end(Fault.DIGEST)

    def from_server(self, frame: bytes) -> Left:
        """A frame that comes from the server."""
        if self.mode == Mode.SERVING:
            return Left(world=(frame,))
        self._end(Fault.BACKWARD)
        return NOTHING

    def from_world(self, frame: bytes, error: bool = False) -> Left:
        """A frame that comes from the world, all of it in one mode; with ``error`` it is damaged. What leaves of one that
        ends the mode is cut short, and not told."""
        of_weights = frame[12:15] == ETHERTYPE.to_bytes(2) + bytes([Kind.UPLOAD])
        if self.mode == Mode.SERVING:
            if not of_weights:
                return Left(server=(frame,))
            self._end(Fault.SECOND)
        elif self.mode != Mode.OFF and of_weights and not error:
            fault = self._judge(frame)
            if fault is None:
                return self._take(frame)
            self._end(fault)
        return NOTHING

    def _judge(self, frame: bytes) -> Fault | None:
        """Of a frame of weights."""
        if self.mode == Mode.CHECK:
            return Fault.SECOND
        if len(frame) < UPLOAD_HEAD_BYTES:
            return Fault.MALFORMED
        length, place = int.from_bytes(frame[16:18]), int.from_bytes(frame[18:24])
        if length != min(UPLOAD_BYTES, self.bits // 8 - self._counted) or place != self._counted:
            return Fault.ORDER
        end = UPLOAD_HEAD_BYTES + length
        if frame[15] or len(frame) < end or len(frame) > max(end, MIN_FRAME_BYTES) or any(frame[end:]):
            return Fault.MALFORMED
        return None

    def _take(self, frame: bytes) -> Left:
        length = int.from_bytes(frame[16:18])
        octets = frame[UPLOAD_HEAD_BYTES : UPLOAD_HEAD_BYTES + length]
        self._hash.update(octets)
        self._counted += length
        if self.counted == self.bits:
            self.mode = Mode.CHECK
        return Left(server=(self.server + self.gateway + frame[12 : UPLOAD_HEAD_BYTES + length],))

    def _end(self, fault: Fault) -> None:
        if self.power:
            self._forget(fault)

    def _forget(self, fault: Fault) -> None:
        """The server has no power."""
        if self.power:
            self.ready = False
        self.mode, self.fault = Mode.OFF, fault
        self.bits, self.digest = 0, bytes(32)
        self._hash, self._counted = hashlib.sha256(), 0
