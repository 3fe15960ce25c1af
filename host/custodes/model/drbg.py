# SPDX-License-Identifier: Apache-2.0
"""Hash_DRBG with SHA-256, as executable specification: NIST SP 800-90A Rev. 1, 10.1.1."""

from __future__ import annotations

import hashlib

SEED_BYTES = 55
"""Table 2: seedlen, 440 bits."""
DIGEST_BYTES = 32
RESEED_INTERVAL = 1 << 48
"""Table 2: requests after which a seed is used up."""


def hash_df(message: bytes, count: int) -> bytes:
    """10.3.1: ``count`` bytes made of a message."""
    blocks = -(-count // DIGEST_BYTES)
    length = (8 * count).to_bytes(4)
    return b"".join(hashlib.sha256(bytes([at]) + length + message).digest() for at in range(1, blocks + 1))[:count]


class HashDrbg:
    """Random bytes out of entropy.

    Args:
        entropy, nonce: at least 32 and 16 bytes of full entropy (8.6.7, 10.1).
        personalization: makes it another one, even from the same entropy.
    """

    def __init__(self, entropy: bytes, nonce: bytes, personalization: bytes = b"") -> None:
        self._seed(entropy + nonce + personalization)

    def _seed(self, material: bytes) -> None:
        seed = hash_df(material, SEED_BYTES)
        self._value = int.from_bytes(seed)
        self._constant = int.from_bytes(hash_df(b"\0" + seed, SEED_BYTES))
        self.requests = 1

    def reseed(self, entropy: bytes, additional: bytes = b"") -> None:
        """10.1.1.3."""
        self._seed(b"\x01" + self._value.to_bytes(SEED_BYTES) + entropy + additional)

    def generate(self, count: int, additional: bytes = b"") -> bytes:
        """10.1.1.4: so many bytes.

        Raises:
            ValueError: the seed is used up.
        """
        if self.requests > RESEED_INTERVAL:
            raise ValueError("the DRBG must be reseeded")
        if additional:
            self._add(int.from_bytes(self._hash(b"\x02", additional)))
        blocks = -(-count // DIGEST_BYTES)
        data = [(self._value + at) % (1 << 8 * SEED_BYTES) for at in range(blocks)]
        made = b"".join(hashlib.sha256(value.to_bytes(SEED_BYTES)).digest() for value in data)[:count]
        self._add(int.from_bytes(self._hash(b"\x03")) + self._constant + self.requests)
        self.requests += 1
        return made

    def _hash(self, kind: bytes, additional: bytes = b"") -> bytes:
        return hashlib.sha256(kind + self._value.to_bytes(SEED_BYTES) + additional).digest()

    def _add(self, number: int) -> None:
        self._value = (self._value + number) % (1 << 8 * SEED_BYTES)
