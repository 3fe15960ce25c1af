# SPDX-License-Identifier: Apache-2.0
"""Which weights a server behind a gateway may be given: a manifest, signed by several who must agree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.cose import SignatureError, open1, sign1
from custodes.deterministic import decode, encode
from custodes.errors import CaptureError, KeysError

MANIFEST = "custodes/manifest/v1"
DIGEST_BYTES = 32
PARTS = 4
MAX_BYTES = (1 << 48) - 1
"""An upload frame has no more bits for where its octets belong."""
MAX_MANIFEST_BYTES = 1 << 16
MAX_MODEL = 128
CHUNK_BYTES = 1 << 20
Told = Callable[[int], None]


@dataclass(frozen=True)
class Manifest:
    """Of the weights of one model: ``bits`` is how many they are, a multiple of 8."""

    model: str
    bits: int
    sha256: bytes

    @property
    def octets(self) -> int:
        return self.bits // 8

    def encoded(self) -> bytes:
        return encode([MANIFEST, self.model, self.bits, self.sha256])

    @classmethod
    def decoded(cls, payload: bytes) -> Manifest:
        """Raises `ValueError`."""
        content = decode(payload)
        if isinstance(content, list) and len(content) == PARTS:
            kind, model, bits, sha256 = content
            good = kind == MANIFEST and isinstance(model, str) and model.isprintable() and 0 < len(model) <= MAX_MODEL
            good = good and type(bits) is int and bits % 8 == 0 and 0 < bits <= 8 * MAX_BYTES
            if good and isinstance(sha256, bytes) and len(sha256) == DIGEST_BYTES:
                return cls(model, bits, sha256)
        raise ValueError("does not say model, bits and SHA-256")

    def check(self, weights: Path, told: Told = lambda octets: None) -> None:
        """Raise `KeysError` unless a file has these weights; ``told`` is called with the octets that have been read."""
        octets, digest = digest_of(weights, told)
        if octets != self.octets:
            raise KeysError(f"{weights}: has {octets} bytes, and the manifest says {self.octets}")
        if digest != self.sha256:
            raise KeysError(f"{weights}: has the SHA-256 {digest.hex()}, and the manifest says {self.sha256.hex()}")


def digest_of(weights: Path, told: Told = lambda octets: None) -> tuple[int, bytes]:
    """The length of a file and its SHA-256; raises `CaptureError` where it cannot be read."""
    digest, octets = hashlib.sha256(), 0
    try:
        with weights.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                octets += len(chunk)
                told(octets)
    except OSError as error:
        raise CaptureError(f"{weights}: {error.strerror}") from None
    return octets, digest.digest()


def signed_manifest(manifest: Manifest, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """What a manifest file has in it."""
    return encode([sign1(manifest.encoded(), key) for key in keys])


def load_manifest(path: Path, governors: Sequence[bytes], threshold: int) -> Manifest:
    """A manifest that so many of the governors have signed.

    Raises:
        KeysError: it is none, or too few have, or they have signed different ones.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from None
    try:
        if len(data) > MAX_MANIFEST_BYTES:
            raise ValueError(f"is larger than {MAX_MANIFEST_BYTES} bytes")
        messages = decode(data)
        if not isinstance(messages, list) or not all(isinstance(message, bytes) for message in messages):
            raise ValueError("is no list of signed manifests")
        found = [open1(message, governors) for message in messages]
        signers = {key for key, _ in found}
        if len({payload for _, payload in found}) > 1:
            raise ValueError("its signatures are of different manifests")
        if len(signers) < threshold or not found:
            raise ValueError(f"{len(signers)} of {threshold} governors that must sign have signed it")
        return Manifest.decoded(found[0][1])
    except (ValueError, SignatureError) as error:
        raise KeysError(f"{path}: {error}") from None
