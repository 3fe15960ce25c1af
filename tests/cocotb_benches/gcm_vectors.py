# SPDX-License-Identifier: Apache-2.0
"""Known answers: NIST's vectors of AES-GCM that the engine is made for, as in the package ``cryptography_vectors``, and what
AES makes of a block when no key is left."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cryptography_vectors

from gateware.session.frames import IV_BYTES
from gateware.session.sbox import SBOX

FOLDER = Path(cryptography_vectors.__file__).parent / "ciphers" / "AES" / "GCM"
FILES = {False: "gcmEncryptExtIV{bits}.rsp", True: "gcmDecrypt{bits}.rsp"}
KEY_BITS = (128, 256)


class Vector(NamedTuple):
    """``tag`` may be but the beginning of one; ``plain`` is None where the frame is not to be opened."""

    key: bytes
    iv: bytes
    aad: bytes
    plain: bytes | None
    sealed: bytes
    tag: bytes


def vectors(opens: bool) -> list[Vector]:
    """Those to be opened or sealed, with IVs of 96 bits."""
    found = []
    for bits in KEY_BITS:
        for record in (FOLDER / FILES[opens].format(bits=bits)).read_text().split("\n\n"):
            lines = record.splitlines()
            if not lines or not lines[0].startswith("Count"):
                continue
            fields = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
            key, iv, aad, sealed, tag = (bytes.fromhex(fields[name]) for name in ("Key", "IV", "AAD", "CT", "Tag"))
            plain = None if "FAIL" in fields else bytes.fromhex(fields["PT"])
            if len(iv) == IV_BYTES:
                found.append(Vector(key, iv, aad, plain, sealed, tag))
    return found


def zero_keyed(block: bytes, short: bool) -> bytes:
    """FIPS 197, 5.1, with round keys of zeros, as many as of a key of 128 bits or one of 256."""
    rounds = 10 if short else 14
    for number in range(rounds):
        block = bytes(SBOX[block[5 * at % 16]] for at in range(16))
        if number < rounds - 1:
            block = b"".join(_mixed(block[at : at + 4]) for at in range(0, 16, 4))
    return block


def _mixed(column: bytes) -> bytes:
    """FIPS 197, 5.1.3."""
    doubled = [byte << 1 ^ (0x11B if byte & 0x80 else 0) for byte in column]
    a, b, c, d = column
    w, x, y, z = doubled
    return bytes([w ^ x ^ b ^ c ^ d, a ^ x ^ y ^ c ^ d, a ^ b ^ y ^ z ^ d, w ^ a ^ b ^ c ^ z])
