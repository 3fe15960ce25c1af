# SPDX-License-Identifier: Apache-2.0
"""The records of one direction as an executable specification: from the frames that left, and the beats between them.

Source: the layout of `custodes.fingerprint`; SHA-256 is FIPS 180-4.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from custodes.fingerprint import LENGTH_BYTES, NO_CHAIN, NO_DIGEST, Flag, Record
from custodes.table import Port


class Fingerprint:
    """The chain of one direction.

    Args:
        direction: the port at which its frames have entered.
        chain, beat: of the last record there is; as they are, a device has just been reset.

    Members:
        chain, beat: of the record that is next: the chain before it, and its number.
    """

    def __init__(self, direction: Port, chain: bytes = NO_CHAIN, beat: int = 0) -> None:
        self.direction = direction
        self.chain = chain
        self.beat = beat
        self._begin()

    def leave(self, frame: bytes) -> None:
        """The last byte of a frame has left."""
        self._digest.update(len(frame).to_bytes(LENGTH_BYTES) + frame)
        self._frames += 1

    def overflow(self) -> None:
        """The last byte of a frame has left for which the device had no room."""
        self._frames += 1
        self._flags = Flag.OVERFLOW

    def close(self, epoch: int = 0, frames_in: int = 0, words: int = 0, ticks: int = 0, flags: int = 0) -> Record:
        """The record of this beat. ``flags`` are added to those that come of `overflow`."""
        found = self._flags | flags
        record = Record(self.direction, found, self.beat, epoch, frames_in, self._frames, words, ticks)
        digest = NO_DIGEST if Flag.OVERFLOW in found else self._digest.digest()
        self.chain = hashlib.sha256(self.chain + record.head + digest).digest()
        self.beat += 1
        self._begin()
        return replace(record, chain=self.chain)

    def _begin(self) -> None:
        self._digest = hashlib.sha256()
        self._frames = 0
        self._flags = Flag(0)
