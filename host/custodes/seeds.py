# SPDX-License-Identifier: Apache-2.0
"""Seeds of words of entropy, where no coin flip makes them."""

from __future__ import annotations

import sys
from pathlib import Path

from custodes.errors import KeysError
from custodes.seed_registers import SEED_BYTES

KNOWN_SEED = bytes(SEED_BYTES)
"""For results that anybody can have again, of traffic that nobody has to be protected from: all zeros."""
_LONGEST = 1 << 10
"""Characters of a seed's file that are read."""


def load_seed(name: str) -> bytes:
    """A seed from a file of 64 hexadecimal digits; ``-`` is standard input. Raises `KeysError`."""
    try:
        text = sys.stdin.read(_LONGEST) if name == "-" else _read(name)
        seed = bytes.fromhex(text)
    except OSError as error:
        raise KeysError(f"{name}: {error.strerror}") from None
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeysError(f"{name}: should hold {2 * SEED_BYTES} hexadecimal digits")
    return seed


def _read(name: str) -> str:
    with Path(name).open() as file:
        return file.read(_LONGEST)
