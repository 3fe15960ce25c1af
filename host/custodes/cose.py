# SPDX-License-Identifier: Apache-2.0
"""COSE_Sign1 (RFC 9052, 4.2) with EdDSA and an attached payload; its key is named by itself."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.deterministic import decode, encode
from custodes.orders import ALGORITHM, CONTEXT, EDDSA, KID

KEY_BYTES = 32
MESSAGE_PARTS = 4


def _protected(key: bytes) -> bytes:
    return encode({ALGORITHM: EDDSA, KID: key})


def _to_be_signed(key: bytes, payload: bytes, purpose: bytes) -> bytes:
    """The Sig_structure of RFC 9052, 4.4, with what it is for as external data."""
    return encode([CONTEXT, _protected(key), purpose, payload])


def sign1(payload: bytes, key: Ed25519PrivateKey, purpose: bytes) -> list[Any]:
    """A message that is good for one purpose only."""
    public = key.public_key().public_bytes_raw()
    return [_protected(public), {}, payload, key.sign(_to_be_signed(public, payload, purpose))]


def verify1(message: Any, purpose: bytes) -> tuple[bytes, bytes]:
    """The public key that has signed a message, and its payload.

    Raises:
        ValueError: it is none, or not signed by the key that it names, or not for this purpose.
    """
    if not isinstance(message, list) or len(message) != MESSAGE_PARTS:
        raise ValueError("is no COSE_Sign1 of Ed25519")
    protected, unprotected, payload, signature = message
    try:
        key = decode(protected)[KID]
        if not isinstance(payload, bytes) or unprotected != {} or protected != _protected(key) or len(key) != KEY_BYTES:
            raise ValueError("is no COSE_Sign1 of Ed25519")
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _to_be_signed(key, payload, purpose))
    except (TypeError, KeyError, AttributeError):
        raise ValueError("is no COSE_Sign1 of Ed25519") from None
    except InvalidSignature:
        raise ValueError("is not signed by the key that it names, or not for this") from None
    return key, payload
