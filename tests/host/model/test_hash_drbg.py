# SPDX-License-Identifier: Apache-2.0
"""The specification of the random bit generator against NIST's vectors."""

import pytest

from custodes.model.hash_drbg import HashDrbg, ReseedNeededError
from tests.drbg_vectors import REQUEST_BYTES, VECTORS, Vector


@pytest.mark.parametrize("vector", VECTORS)
def test_passes_the_vectors_of_nist(vector: Vector):
    entropy, nonce, personalization = map(bytes.fromhex, (vector.entropy, vector.nonce, vector.personalization))
    drbg = HashDrbg(entropy, nonce, personalization)
    if vector.reseed:
        drbg.reseed(bytes.fromhex(vector.reseed), bytes.fromhex(vector.additional_reseed))
    first, second = map(bytes.fromhex, vector.additional)
    drbg.generate(REQUEST_BYTES, first)
    assert drbg.generate(REQUEST_BYTES, second).hex() == vector.returned


def test_a_request_for_few_bytes_gives_the_first_of_those_for_many():
    for count in (0, 1, 31, 32, 33, 95):
        assert HashDrbg(bytes(48)).generate(count) == HashDrbg(bytes(48)).generate(REQUEST_BYTES)[:count]


def test_asks_for_a_seed_after_so_many_requests():
    drbg = HashDrbg(bytes(48), max_requests=2)
    for _ in range(2):
        drbg.generate(1)
    with pytest.raises(ReseedNeededError):
        drbg.generate(1)
    drbg.reseed(bytes(32))
    drbg.generate(1)


def test_refuses_what_is_no_seed():
    with pytest.raises(ValueError, match="at least 32 bytes"):
        HashDrbg(bytes(31))
    with pytest.raises(ValueError, match="at least 32 bytes"):
        HashDrbg(bytes(32)).reseed(bytes(31))
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        HashDrbg(bytes(32)).generate(1 << 17)
