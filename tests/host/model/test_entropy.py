# SPDX-License-Identifier: Apache-2.0
"""Commitments, seeds and words, written down a second time from their definition."""

from hashlib import sha256
from struct import pack

import pytest

from custodes.model.entropy import Words, commitment, fields, retimer_key, seed, word

PROVER, VERIFIER, SALT = (bytes(range(at, at + 32)) for at in (0, 32, 64))
EPOCH = 0x0102030405060708


@pytest.mark.parametrize("party", [0, 1])
def test_a_commitment_binds_party_epoch_share_and_salt(party: int):
    message = b"custodes/coin/v1" + pack(">BQ", party, EPOCH) + PROVER + SALT
    made = commitment(party, EPOCH, PROVER, SALT)
    assert made == sha256(message).digest()
    others = [(1 - party, EPOCH, PROVER, SALT), (party, EPOCH + 1, PROVER, SALT), (party, EPOCH, SALT, PROVER)]
    assert made not in [commitment(*other) for other in others]


def test_a_seed_is_made_of_both_shares_and_the_epoch():
    assert seed(EPOCH, PROVER, VERIFIER) == sha256(b"custodes/seed/v1" + pack(">Q", EPOCH) + PROVER + VERIFIER).digest()
    assert len({seed(EPOCH, PROVER, VERIFIER), seed(EPOCH, VERIFIER, PROVER), seed(EPOCH + 1, PROVER, VERIFIER)}) == 3


def test_words_are_halves_of_digests_for_each_direction():
    for direction in (0, 1):
        stream = b"".join(sha256(SALT + b"W" + pack(">BQ", direction, block)).digest() for block in range(3))
        assert b"".join(word(SALT, direction, index) for index in range(6)) == stream


def test_the_key_of_the_retimer_is_the_begin_of_a_digest_with_its_first_byte_lowest():
    digest = sha256(SALT + b"R").digest()
    assert retimer_key(SALT) == sum(octet << 8 * at for at, octet in enumerate(digest[:8]))


def test_fields_are_big_endian_and_the_end_is_unused():
    found = fields(bytes(range(16)))
    assert found == (0x00010203, 0x04050607, 0x0809, 0x0A0B)
    assert fields(bytes(range(12)) + bytes(4)) == found


def test_words_come_once_in_order_up_to_the_limit():
    words = Words(SALT, limit=3)
    taken = [words.take(1) for _ in range(4)]
    assert taken == [*(fields(word(SALT, 1, index)) for index in range(3)), None]
    assert words.used == [0, 3]
    assert words.take(0) == fields(word(SALT, 0, 0))


def test_without_a_seed_there_are_no_words():
    assert Words(None).take(0) is None


def test_shares_of_another_size_are_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(0, 1, PROVER, SALT[:-1])
    with pytest.raises(ValueError, match="32 bytes"):
        seed(1, b"", VERIFIER)
