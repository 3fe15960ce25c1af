# SPDX-License-Identifier: Apache-2.0
"""What two shares make: commitments, the seed of an epoch, the words that stand in for what stations choose, and the key
by which batches are sorted.

Numbers in what is hashed are big-endian. A word is used once, in order, for one flow.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

SHARE_BYTES = SALT_BYTES = DIGEST_BYTES = 32
WORD_BYTES = 16
EPOCH_BYTES = 8
KEY_BYTES = 8
COMMITMENT_PREFIX = b"custodes/coin/v1"
SEED_PREFIX = b"custodes/seed/v1"


class Word(NamedTuple):
    """The fields of a word, which is 16 bytes; its last four are unused."""

    isn_initiator: int
    isn_responder: int
    port: int
    echo_sequence: int


def commitment(party: int, epoch: int, share: bytes, salt: bytes) -> bytes:
    """What a party publishes before any share is known; ``party`` is 0 for the prover, 1 for the verifier."""
    _sized(share, salt)
    return _digest(COMMITMENT_PREFIX, bytes([party]), epoch.to_bytes(EPOCH_BYTES), share, salt)


def seed(epoch: int, prover: bytes, verifier: bytes) -> bytes:
    """That of an epoch, from both shares."""
    _sized(prover, verifier)
    return _digest(SEED_PREFIX, epoch.to_bytes(EPOCH_BYTES), prover, verifier)


def word(seed: bytes, direction: int, index: int) -> bytes:
    """Word ``index``, from 0, for flows that a cluster station (``direction`` 0) or a world station (1) begins."""
    digest = _digest(seed, b"W", bytes([direction]), (index // 2).to_bytes(8))
    return digest[WORD_BYTES:] if index % 2 else digest[:WORD_BYTES]


def retimer_key(seed: bytes) -> int:
    """The key of an epoch, by which batches are sorted: its first byte has the lowest bits. Without a seed it is 0."""
    return int.from_bytes(_digest(seed, b"R")[:KEY_BYTES], "little")


def fields(word: bytes) -> Word:
    """What a word says."""
    places = (word[:4], word[4:8], word[8:10], word[10:12])
    return Word(*(int.from_bytes(place) for place in places))


class Words:
    """Hands out the words of an epoch, each once.

    Args:
        seed: of the epoch; None: there are no words.
        limit: so many in each direction.
    """

    def __init__(self, seed: bytes | None, limit: int = (1 << 32) - 1) -> None:
        self.seed = seed
        self.limit = limit
        self.used = [0, 0]

    def take(self, direction: int) -> Word | None:
        """The next word of a direction, or None where there is none."""
        index = self.used[direction]
        if self.seed is None or index >= self.limit:
            return None
        self.used[direction] += 1
        return fields(word(self.seed, direction, index))


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _sized(*shares: bytes) -> None:
    if any(len(share) != SHARE_BYTES for share in shares):
        raise ValueError(f"shares and salts have {SHARE_BYTES} bytes")
