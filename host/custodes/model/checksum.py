# SPDX-License-Identifier: Apache-2.0
"""The Internet checksum (RFC 1071)."""

from __future__ import annotations


def ones_sum(data: bytes) -> int:
    """The 16-bit ones' complement sum, zero only where every byte is zero.

    2^16 is 1 modulo 0xFFFF, so that the whole string, read as one number, has the residue of the sum of its words.
    """
    if len(data) & 1:
        data += b"\0"
    number = int.from_bytes(data)
    return number % 0xFFFF or (0xFFFF if number else 0)


def checksum(data: bytes) -> int:
    """The checksum to store, where the checksum field itself is zero in ``data``."""
    return 0xFFFF - ones_sum(data)
