# SPDX-License-Identifier: Apache-2.0
"""Deterministic CBOR (RFC 8949, 4.2.1): what host and firmware send each other, and what is signed."""

from __future__ import annotations

from typing import Any

import cbor2


def encode(value: Any) -> bytes:
    """The one encoding of a value made of integers, booleans, byte strings, text, arrays, maps and none."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Any:
    """What `encode` made of it; raises `ValueError` where that could not have made these bytes."""
    try:
        value = cbor2.loads(data, allow_indefinite=False, allow_duplicate_keys=False, max_depth=16)
        if encode(value) == data:
            return value
    except (cbor2.CBORError, TypeError, OverflowError) as error:
        raise ValueError(f"is not CBOR: {error}") from None
    raise ValueError("is not deterministic CBOR")
