# SPDX-License-Identifier: Apache-2.0
"""What host and device say to each other over a UART: 8 data bits, no parity, 1 stop bit.

Everything is 32-bit words, the lowest byte first. A request is

=======  ==========================================================================================================
header   `REQUEST_SYNC` in bits 0-7, `Operation` in bits 10-15, sequence number in bits 16-23, words in bits 24-31
operand  of HELLO a random number; of READ and WRITE the address of the first register in bits 0-15, and once more how
         many words
values   of WRITE, one per word
check    CRC-32 of all the bytes before, as of Ethernet (IEEE 802.3, 3.2.9)
=======  ==========================================================================================================

and its reply

=======  ==========================================================================================================
header   `REPLY_SYNC`, `Status` in bits 8-9, the operation and the sequence number of the request, and how many of its
         words are done
operand  the check of the request
values   of READ, one per word that is done
check    as above
=======  ==========================================================================================================

The device does nothing before the check of a whole request is right. A session begins with HELLO, whose sequence number is
up to the host; each request after it has the next one. One that is the same as the last, check included, is not done again
but answered again. One that is neither the next nor the same, or comes before HELLO, is answered `Status.CLOSED`, and ends
the session. What is not a good request gets no answer. One that stops for `IDLE_MS` is dropped, so that the host, which
waits for longer before it sends again, is heard then, whatever came before.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

REQUEST_SYNC = 0xC5
REPLY_SYNC = 0x3A
STATUS_LOWEST, OPERATION_LOWEST, SEQUENCE_LOWEST, WORDS_LOWEST = 8, 10, 16, 24
STATUS_BITS, OPERATION_BITS, SEQUENCE_BITS, WORDS_BITS = 2, 6, 8, 8
"""Fields of a header."""
ADDRESS_BITS = 16
WORD_BYTES = 4
MIN_FRAME_BYTES = 3 * WORD_BYTES
MAX_WORDS = 64
"""In one READ or WRITE."""
MAX_FRAME_BYTES = MIN_FRAME_BYTES + MAX_WORDS * WORD_BYTES
IDLE_MS = 5
"""More than a USB adapter pauses within a frame."""
CRC_POLYNOMIAL = 0xEDB8_8320
"""Bit 31 is the coefficient of x^0: bits are fed in the order in which they are on the line."""
CRC_RESIDUE = 0xDEBB_20E3
"""What the register of the CRC holds, before it is inverted, after a frame whose check is right."""
_WORD = (1 << 32) - 1


class Operation(enum.IntEnum):
    """What a request asks for. Any two differ in at least 4 bits."""

    HELLO = 0b000111
    READ = 0b011001
    WRITE = 0b101010


class Status(enum.IntEnum):
    """What became of a request."""

    OK = 0
    REFUSED = 1
    """By the register after those that are done, whose access had no effect; those after it have not been tried."""
    MALFORMED = 2
    """Its words contradict each other. Nothing was done."""
    CLOSED = 3
    """There was no session, or it was not the next of its session, which has ended. Nothing was done."""


class FrameError(ValueError):
    """These bytes are not a frame."""


def values_after(operation: int, words: int) -> dict[int, int]:
    """Sync byte -> how many values a frame of its kind has."""
    return {
        REQUEST_SYNC: words if operation == Operation.WRITE else 0,
        REPLY_SYNC: words if operation == Operation.READ else 0,
    }


def frame_bytes(header: bytes) -> int:
    """Length of the frame that begins with these `WORD_BYTES` bytes.

    Raises:
        FrameError: no frame begins with them.
    """
    word = int.from_bytes(header, "little")
    sync, operation, words = header[0], _field(word, OPERATION_LOWEST, OPERATION_BITS), word >> WORDS_LOWEST
    if sync not in (REQUEST_SYNC, REPLY_SYNC) or operation not in list(Operation) or words > MAX_WORDS:
        raise FrameError("no header")
    return MIN_FRAME_BYTES + WORD_BYTES * values_after(operation, words)[sync]


@dataclass(frozen=True)
class Request:
    """From host to device. ``operand`` is the address, or the random number of HELLO; ``words`` counts registers."""

    operation: Operation
    sequence: int
    operand: int
    words: int = 0
    values: tuple[int, ...] = ()

    @classmethod
    def hello(cls, sequence: int, nonce: int) -> Self:
        return cls(Operation.HELLO, sequence, nonce)

    @classmethod
    def read(cls, sequence: int, address: int, words: int = 1) -> Self:
        return cls(Operation.READ, sequence, address, words)

    @classmethod
    def write(cls, sequence: int, address: int, values: Sequence[int]) -> Self:
        return cls(Operation.WRITE, sequence, address, len(values), tuple(values))

    def encode(self) -> bytes:
        """The frame.

        Raises:
            ValueError: something does not fit into it.
        """
        operand = self.operand
        if self.operation != Operation.HELLO:
            if not (1 <= self.words <= MAX_WORDS and 0 <= self.operand < 1 << ADDRESS_BITS):
                raise ValueError(f"{self.words} words from {self.operand:#x} on do not fit into a frame")
            operand |= self.words << ADDRESS_BITS
        return _encode(REQUEST_SYNC, 0, self.operation, self.sequence, self.words, (operand, *self.values))

    @classmethod
    def decode(cls, frame: bytes) -> Self:
        """The request in a whole frame. Raises `FrameError`."""
        status, operation, sequence, words, (operand, *values) = _decode(frame, REQUEST_SYNC)
        if status:
            raise FrameError("a request has no status")
        if operation == Operation.HELLO:
            if words:
                raise FrameError("HELLO has no words")
            return cls(operation, sequence, operand)
        if operand >> ADDRESS_BITS != words or not words:
            raise FrameError("the two numbers of words differ, or are 0")
        return cls(operation, sequence, operand & (1 << ADDRESS_BITS) - 1, words, tuple(values))


@dataclass(frozen=True)
class Reply:
    """From device to host, to the request whose check is ``check``, of whose ``words`` so many are done."""

    operation: Operation
    status: Status
    sequence: int
    check: int
    words: int = 0
    values: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The frame."""
        return _encode(REPLY_SYNC, self.status, self.operation, self.sequence, self.words, (self.check, *self.values))

    @classmethod
    def decode(cls, frame: bytes) -> Self:
        """The reply in a whole frame. Raises `FrameError`."""
        status, operation, sequence, words, (check, *values) = _decode(frame, REPLY_SYNC)
        return cls(operation, Status(status), sequence, check, words, tuple(values))

    def answers(self, request: bytes) -> bool:
        """Whether this is the reply to the frame ``request``, and to no other."""
        return self.check == int.from_bytes(request[-WORD_BYTES:], "little") and self.sequence == request[2]


class FrameScanner:
    """Finds good frames of one direction among whatever else has been received.

    Args:
        sync: `REQUEST_SYNC` or `REPLY_SYNC`.

    Attributes:
        skipped: how many bytes have belonged to no good frame so far.
    """

    def __init__(self, sync: int) -> None:
        self.skipped = 0
        self._sync = sync
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes of what may be the beginning of a frame."""
        return len(self._held)

    def feed(self, received: bytes) -> list[bytes]:
        """The good frames, whole, that end in these bytes."""
        self._held += received
        found: list[bytes] = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def idle(self) -> None:
        """Nothing has come for a while: what is held is no frame."""
        self.skipped += len(self._held)
        self._held.clear()

    def _next(self) -> bytes | None:
        while self._held:
            if self._held[0] != self._sync:
                self._skip()
                continue
            if len(self._held) < WORD_BYTES:
                return None
            try:
                length = frame_bytes(bytes(self._held[:WORD_BYTES]))
                if len(self._held) < length:
                    return None
                frame = bytes(self._held[:length])
                _decode(frame, self._sync)
            except FrameError:
                self._skip()
                continue
            del self._held[:length]
            return frame
        return None

    def _skip(self) -> None:
        del self._held[0]
        self.skipped += 1


def _field(word: int, lowest: int, bits: int) -> int:
    return word >> lowest & (1 << bits) - 1


def _encode(sync: int, status: int, operation: int, sequence: int, words: int, rest: Sequence[int]) -> bytes:
    header = (
        sync
        | status << STATUS_LOWEST
        | operation << OPERATION_LOWEST
        | sequence << SEQUENCE_LOWEST
        | words << WORDS_LOWEST
    )
    if not 0 <= sequence < 1 << SEQUENCE_BITS or any(not 0 <= word <= _WORD for word in rest):
        raise ValueError("a sequence number has 8 bits, a word 32")
    body = b"".join(word.to_bytes(WORD_BYTES, "little") for word in (header, *rest))
    return body + zlib.crc32(body).to_bytes(WORD_BYTES, "little")


def _decode(frame: bytes, sync: int) -> tuple[int, Operation, int, int, list[int]]:
    """Status, operation, sequence number, words, and all words between header and check."""
    if len(frame) < MIN_FRAME_BYTES or frame[0] != sync or len(frame) != frame_bytes(frame[:WORD_BYTES]):
        raise FrameError("not of this kind, or of another length")
    words = [int.from_bytes(frame[at : at + WORD_BYTES], "little") for at in range(0, len(frame), WORD_BYTES)]
    if zlib.crc32(frame[:-WORD_BYTES]) != words[-1]:
        raise FrameError("the check is wrong")
    header = words[0]
    return (
        _field(header, STATUS_LOWEST, STATUS_BITS),
        Operation(_field(header, OPERATION_LOWEST, OPERATION_BITS)),
        _field(header, SEQUENCE_LOWEST, SEQUENCE_BITS),
        _field(header, WORDS_LOWEST, WORDS_BITS),
        words[1:-1],
    )
