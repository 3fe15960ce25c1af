# SPDX-License-Identifier: Apache-2.0
"""Signed messages: what opens, and what must not."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.cose import SignatureError, open1, sign1
from custodes.deterministic import decode, encode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()


def test_a_message_gives_its_key_and_payload():
    assert open1(sign1(b"payload", KEY), [OTHER, PUBLIC]) == (PUBLIC, b"payload")


def test_a_detached_signature_needs_its_payload():
    message = sign1(b"payload", KEY, detached=True)
    assert open1(message, [PUBLIC], b"payload") == (PUBLIC, b"payload")
    for payload in (b"Payload", None):
        with pytest.raises(SignatureError):
            open1(message, [PUBLIC], payload)


def test_the_signature_is_over_the_sig_structure_of_rfc_9052():
    protected, unprotected, payload, signature = decode(sign1(b"payload", KEY))
    assert protected == bytes.fromhex("a2012704 5820") + PUBLIC
    assert unprotected == {}
    KEY.public_key().verify(signature, encode(["Signature1", protected, b"", payload]))


def test_a_key_that_nobody_asked_for_is_refused():
    with pytest.raises(SignatureError, match="somebody else"):
        open1(sign1(b"payload", KEY), [OTHER])


def test_every_bit_counts():
    message = sign1(b"payload", KEY)
    for bit in range(8 * len(message)):
        changed = bytearray(message)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureError):
            open1(bytes(changed), [PUBLIC])


@pytest.mark.parametrize(
    "content", [None, 7, [], "text", [b"", {}, b"", b""], [b"\xa0", {}, b"", b""], [b"\xa1\x04\x41\x00", {}, b"", b""]]
)
def test_what_is_no_message_is_refused(content: object):
    with pytest.raises(SignatureError):
        open1(encode(content), [PUBLIC])


def test_unprotected_headers_are_refused():
    protected, _, payload, signature = decode(sign1(b"payload", KEY))
    with pytest.raises(SignatureError):
        open1(encode([protected, {1: 2}, payload, signature]), [PUBLIC])
