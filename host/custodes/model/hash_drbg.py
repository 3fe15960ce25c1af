# SPDX-License-Identifier: Apache-2.0
"""Random bits from a seed: Hash_DRBG with SHA-256, NIST SP 800-90A Rev. 1, 10.1.1."""

from __future__ import annotations

import hashlib

SEED_BYTES = 55
"""``seedlen``, of the state's two numbers: table 2."""
MAX_REQUESTS = 1 << 48
"""Between two seeds: table 2."""
MAX_REQUEST_BYTES = 1 << 16
MIN_ENTROPY_BYTES = 32
"""For the security strength of 256 bits."""


class ReseedNeededError(Exception):
    """As many requests were answered as one seed is good for."""


class HashDrbg:
    """A generator, instantiated: 10.1.1.2.

    Args:
        entropy, nonce, personalization: the seed; together they are what is hashed, in this order.
        max_requests: until a new seed is needed.

    Members:
        value, constant: V and C of the standard.
        requests: ``reseed_counter``, 1 after a seed.
    """

    def __init__(
        self, entropy: bytes, nonce: bytes = b"", personalization: bytes = b"", max_requests: int = MAX_REQUESTS
    ) -> None:
        if len(entropy + nonce) < MIN_ENTROPY_BYTES:
            raise ValueError(f"a seed has at least {MIN_ENTROPY_BYTES} bytes, not {len(entropy + nonce)}")
        self.max_requests = max_requests
        self._seed(entropy + nonce + personalization)

    def reseed(self, entropy: bytes, additional: bytes = b"") -> None:
        """A new seed, into which the old state goes: 10.1.1.3."""
        if len(entropy) < MIN_ENTROPY_BYTES:
            raise ValueError(f"a seed has at least {MIN_ENTROPY_BYTES} bytes, not {len(entropy)}")
        self._seed(b"\x01" + self.value + entropy + additional)

    def generate(self, count: int, additional: bytes = b"") -> bytes:
        """So many random bytes: 10.1.1.4.

        Raises:
            ReseedNeededError: first there must be a new seed.
        """
        if not 0 <= count <= MAX_REQUEST_BYTES:
            raise ValueError(f"a request is for at most {MAX_REQUEST_BYTES} bytes, not {count}")
        if self.requests > self.max_requests:
            raise ReseedNeededError(f"{self.max_requests} requests were answered with one seed")
        if additional:
            self.value = _added(self.value, _hash(b"\x02" + self.value + additional))
        given = b"".join(_hash(_added(self.value, block.to_bytes(2))) for block in range(-(-count // 32)))[:count]
        step = _hash(b"\x03" + self.value)
        self.value = _added(self.value, step, self.constant, self.requests.to_bytes(6))
        self.requests += 1
        return given

    def _seed(self, material: bytes) -> None:
        self.value = _derived(material)
        self.constant = _derived(b"\x00" + self.value)
        self.requests = 1


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _derived(material: bytes) -> bytes:
    """Hash_df, of as many bits as the state's numbers have: 10.3.1."""
    bits = (8 * SEED_BYTES).to_bytes(4)
    return b"".join(_hash(bytes([counter]) + bits + material) for counter in (1, 2))[:SEED_BYTES]


def _added(*numbers: bytes) -> bytes:
    total = sum(int.from_bytes(number) for number in numbers)
    return (total % (1 << 8 * SEED_BYTES)).to_bytes(SEED_BYTES)
