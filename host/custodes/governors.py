# SPDX-License-Identifier: Apache-2.0
"""Keys of governors in files: Ed25519, as PEM or as 64 hexadecimal digits. No message shows a private one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from custodes.errors import KeysError
from custodes.keys import STDIN
from custodes.mailbox import KEY_BYTES

MAX_FILE_BYTES = 1 << 14
_HEX = f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}"


def _content(path: Path, name: str) -> bytes:
    try:
        with open(0, "rb", closefd=False) if path == STDIN else path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeysError(f"{name}: {error.strerror}") from None
    except ValueError:
        raise KeysError(f"{name}: is no name of a file") from None
    if len(data) > MAX_FILE_BYTES:
        raise KeysError(f"{name}: larger than {MAX_FILE_BYTES} bytes")
    return data


def _hexadecimal(data: bytes) -> bytes | None:
    text = data.decode("ascii", "replace").strip()
    return bytes.fromhex(text) if re.fullmatch(_HEX, text) else None


def hexadecimal_file(path: Path) -> bytes:
    """The bytes that a file has as hexadecimal digits; raises `KeysError`."""
    name = "standard input" if path == STDIN else str(path)
    try:
        return bytes.fromhex(_content(path, name).decode("ascii").strip())
    except ValueError:
        raise KeysError(f"{name}: is not hexadecimal digits") from None


def public_key(path: Path) -> bytes:
    """The public key in a file; raises `KeysError`."""
    data = _content(path, str(path))
    raw = _hexadecimal(data)
    if raw is not None:
        return raw
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeysError(f"{path}: neither a public key in PEM nor {2 * KEY_BYTES} hexadecimal digits") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeysError(f"{path}: not an Ed25519 key")
    return key.public_bytes_raw()


def private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file, or on standard input where ``path`` is ``-``; raises `KeysError`."""
    name = "standard input" if path == STDIN else str(path)
    data = _content(path, name)
    raw = _hexadecimal(data)
    if raw is not None:
        return Ed25519PrivateKey.from_private_bytes(raw)
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise KeysError(f"{name}: is encrypted; decrypt it into a pipe, and name that: /dev/fd/3 or -") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeysError(f"{name}: neither a private key in PEM nor {2 * KEY_BYTES} hexadecimal digits") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{name}: not an Ed25519 key")
    return key


def signers(paths: Iterable[Path], governors: Sequence[bytes], threshold: int) -> dict[int, Ed25519PrivateKey]:
    """The private keys in files, by the number that their governor has.

    Raises:
        KeysError: one is no governor's, comes twice or cannot be read, or they are fewer than the threshold.
    """
    found: dict[int, Ed25519PrivateKey] = {}
    for path in paths:
        key = private_key(path)
        public = key.public_key().public_bytes_raw()
        if public not in governors:
            raise KeysError(f"{path}: is the key of no governor; its public key is {public.hex()}")
        number = governors.index(public)
        if number in found:
            raise KeysError(f"{path}: the key of governor {number} is given twice")
        found[number] = key
    if len(found) < threshold:
        raise KeysError(f"{len(found)} of {threshold} governors that must sign have given their key")
    return found
