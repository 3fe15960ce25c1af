# SPDX-License-Identifier: Apache-2.0
"""What a device says of the frames that have left it: one record per direction and beat, each chained to the one before.

A record is `RECORD_BYTES` long; numbers are big-endian:

====  =====  ======================================================================================================
at    bytes
====  =====  ======================================================================================================
0     4      `MAGIC`
4     1      direction: the `custodes.table.Port` at which its frames have entered
5     1      `Flag`
6     2      0
8     8      number of the beat: 0 after a reset, and one more in each record
16    8      epoch of the coin
24    4      frames that have entered since the record before
28    4      frames that have left since the record before
32    4      words of the coin that this direction has used in this epoch
36    4      ticks of the flow table since the reset
40    32     chain
====  =====  ======================================================================================================

Chain is SHA-256 of the chain of the record before (zeros after a reset), bytes 0 to 39 of this record, and the SHA-256 of
what has left: of every frame in order its length in two bytes, and its bytes from the destination address on, without FCS.
A frame counts where its last byte does. Where `Flag.OVERFLOW` is set, zeros stand in place of that last digest.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Self

from custodes.table import Port

MAGIC = b"CFR1"
HEAD_BYTES, DIGEST_BYTES = 40, 32
RECORD_BYTES = HEAD_BYTES + DIGEST_BYTES
WORD_BYTES = 4
RECORD_WORDS = RECORD_BYTES // WORD_BYTES
LENGTH_BYTES = 2
"""Of what stands before each frame that is digested."""
NO_CHAIN = NO_DIGEST = bytes(DIGEST_BYTES)
DEFAULT_BEAT_CYCLES = 125_000_000
"""A second at 1 Gbit/s."""
MIN_BEAT_CYCLES = 1 << 13
"""In so many everything that waits to be digested is: a device takes no shorter beat."""
CLOSE_CYCLES = 400
"""More than it takes to close a record; nothing is digested meanwhile."""
_BLOCK_BYTES, _BLOCK_CYCLES = 64, 65
_FRAME_CYCLES = 5
_HEAD = struct.Struct(">4sBBHQQIIII")


def digest_cycles(length: int) -> int:
    """How many cycles a device needs to digest a frame of ``length`` bytes, on average: more of them for ever do not fit."""
    return max(-(-(length + LENGTH_BYTES) * _BLOCK_CYCLES // _BLOCK_BYTES), length + _FRAME_CYCLES)


def keeps_up(length: int, cycles: int, beat_cycles: int) -> bool:
    """Whether a device digests for ever a frame of ``length`` bytes in each ``cycles``, and closes a record per beat."""
    return (cycles - digest_cycles(length)) * max(beat_cycles, MIN_BEAT_CYCLES) >= CLOSE_CYCLES * cycles


class Flag(enum.IntFlag):
    """What is not as it should be. Any of them is an alarm."""

    OVERFLOW = 1
    """Frames have left that are not in the chain: there was no room for them."""
    LOST = 2
    """The record before this one was not kept, as nobody took those before it. The chain goes through it all the same."""


@dataclass(frozen=True)
class Record:
    """A record; see the top of this file for its fields."""

    direction: Port
    flags: Flag
    beat: int
    epoch: int
    frames_in: int
    frames_out: int
    words: int
    ticks: int
    chain: bytes = NO_CHAIN

    @property
    def head(self) -> bytes:
        """All but the chain."""
        numbers = self.beat, self.epoch, self.frames_in, self.frames_out, self.words, self.ticks
        return _HEAD.pack(MAGIC, self.direction, self.flags, 0, *numbers)

    def encode(self) -> bytes:
        return self.head + self.chain

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises `ValueError` where these bytes are no record."""
        if len(data) != RECORD_BYTES or data[:4] != MAGIC:
            raise ValueError("is no record")
        _, direction, flags, reserved, beat, epoch, frames_in, frames_out, words, ticks = _HEAD.unpack(
            data[:HEAD_BYTES]
        )
        if direction not in list(Port) or flags > sum(Flag) or reserved:
            raise ValueError("is no record: it has a direction or flags that do not exist")
        chain = data[HEAD_BYTES:]
        return cls(Port(direction), Flag(flags), beat, epoch, frames_in, frames_out, words, ticks, chain)
