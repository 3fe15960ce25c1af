# SPDX-License-Identifier: Apache-2.0
"""What the layers of the specification hand to one another."""

from __future__ import annotations

from dataclasses import dataclass

from custodes.table import INDEX, Reason


class Drop(Exception):
    """The frame does not leave; carries the reason."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


@dataclass(slots=True)
class Trace:
    """What scrubbing one frame changed: a bit per row of the table, the header kinds, and the bytes removed by row."""

    altered: int = 0
    scope: int = 0
    removed: tuple[tuple[int, int], ...] = ()

    def alter(self, key: str, changed: object) -> None:
        if changed:
            self.altered |= 1 << INDEX[key]

    def remove(self, key: str, count: int) -> None:
        """``count`` bytes of the row were removed; none is no change."""
        if count:
            self.altered |= 1 << INDEX[key]
            self.removed += ((INDEX[key], count),)


@dataclass(slots=True)
class Packet:
    """An IP packet whose network layer has been admitted.

    ``pseudo`` is the pseudo-header without its length, and ``body`` the transport layer without padding.
    """

    version: int
    protocol: int
    hop_limit: int
    source: bytes
    destination: bytes
    body: bytes

    def pseudo_header(self, length: int) -> bytes:
        """RFC 9293 section 3.1 (IPv4), RFC 8200 section 8.1 (IPv6); the sum is the same with a 32-bit length."""
        return self.source + self.destination + length.to_bytes(4) + self.protocol.to_bytes(4)
