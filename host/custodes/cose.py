# SPDX-License-Identifier: Apache-2.0
"""Messages signed by who has one key: COSE_Sign1 (RFC 9052, 4.2) with Ed25519, whose key identifier is the public key."""

from __future__ import annotations

from collections.abc import Collection

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.deterministic import decode, encode
from custodes.mailbox import KEY_BYTES
from custodes.orders import ALGORITHM, CONTEXT, EDDSA, KID


class SignatureError(Exception):
    """A message is not signed by who it must be; one clear line."""


def sign1(payload: bytes, key: Ed25519PrivateKey, detached: bool = False) -> bytes:
    """The signed message; without the payload if that goes another way."""
    protected = encode({ALGORITHM: EDDSA, KID: key.public_key().public_bytes_raw()})
    signature = key.sign(encode([CONTEXT, protected, b"", payload]))
    return encode([protected, {}, None if detached else payload, signature])


def open1(message: bytes, keys: Collection[bytes], payload: bytes | None = None) -> tuple[bytes, bytes]:
    """The public key that has signed a message, one of ``keys``, and the payload.

    Args:
        payload: that of a detached signature.

    Raises:
        SignatureError: the message is none, or by nobody of these.
    """
    try:
        protected, unprotected, inside, signature = decode(message)
        headers = decode(protected)
        who = headers[KID]
        if unprotected != {} or headers != {ALGORITHM: EDDSA, KID: who} or not isinstance(who, bytes):
            raise ValueError
        if (inside is None) is (payload is None):
            raise ValueError
        content = inside if payload is None else payload
        if not isinstance(content, bytes) or not isinstance(signature, bytes):
            raise ValueError
    except (ValueError, TypeError, KeyError):
        raise SignatureError("is no signed message") from None
    if len(who) != KEY_BYTES or who not in keys:
        raise SignatureError(f"is signed by somebody else: {who.hex()}")
    try:
        Ed25519PublicKey.from_public_bytes(who).verify(signature, encode([CONTEXT, protected, b"", content]))
    except (InvalidSignature, ValueError):
        raise SignatureError(f"has a signature that is not by {who.hex()}") from None
    return who, content
