# SPDX-License-Identifier: Apache-2.0
"""COSE_Sign1 messages whose key is named by itself: what verifies, and what must not."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.cose import sign1, verify1
from custodes.deterministic import encode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
PURPOSE = b"custodes/test"


def test_a_message_gives_its_key_and_payload():
    assert verify1(sign1(b"payload", KEY, PURPOSE), PURPOSE) == (PUBLIC, b"payload")


def test_the_signature_is_over_the_sig_structure_of_rfc_9052():
    protected, unprotected, payload, signature = sign1(b"payload", KEY, PURPOSE)
    assert protected == bytes.fromhex("a2012704 5820") + PUBLIC
    assert unprotected == {}
    KEY.public_key().verify(signature, encode(["Signature1", protected, PURPOSE, payload]))


def test_a_message_is_good_for_one_purpose():
    with pytest.raises(ValueError, match="not for this"):
        verify1(sign1(b"payload", KEY, PURPOSE), b"custodes/other")


@pytest.mark.parametrize("part", [0, 2, 3])
def test_every_bit_counts(part: int):
    message = sign1(b"payload", KEY, PURPOSE)
    for bit in range(8 * len(message[part])):
        changed = bytearray(message[part])
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"COSE|signed|CBOR|bytes"):
            verify1([*message[:part], bytes(changed), *message[part + 1 :]], PURPOSE)


@pytest.mark.parametrize(
    "message", [None, 7, [], [b"", {}, b"", b""], [b"\xa0", {}, b"", b""], "text", [b"\xa1\x04\x41\x00", {}, b"", b""]]
)
def test_what_is_no_message_is_refused(message: object):
    with pytest.raises(ValueError, match=r"COSE|CBOR|signed"):
        verify1(message, PURPOSE)


def test_unprotected_headers_are_refused():
    protected, _, payload, signature = sign1(b"payload", KEY, PURPOSE)
    with pytest.raises(ValueError, match="COSE"):
        verify1([protected, {1: 2}, payload, signature], PURPOSE)
