# SPDX-License-Identifier: Apache-2.0
"""How long an upload takes where nothing but the cable and the gateway counts."""

from __future__ import annotations

from typing import NamedTuple

from custodes.gateway_formats import UPLOAD_BYTES, UPLOAD_HEAD_BYTES

WIRE_BYTES = 24
"""Beside each frame: FCS, preamble and start, and the gap (IEEE 802.3, 4.4.2)."""
BLOCK_BYTES, BLOCK_CYCLES = 64, 65
"""What the gateway hashes, and how long that takes."""


class Rate(NamedTuple):
    """Of weights through a gateway with one lane count, at its clock."""

    name: str
    lanes: int
    clock_hz: float

    @property
    def octets_per_s(self) -> float:
        """The less of what fits onto the cable and what is hashed."""
        cable = self.lanes * UPLOAD_BYTES / (UPLOAD_HEAD_BYTES + UPLOAD_BYTES + WIRE_BYTES)
        return min(cable, BLOCK_BYTES / BLOCK_CYCLES) * self.clock_hz


LINE_RATES = (Rate("1 lane, 125 MHz: 1 Gbit/s", 1, 125e6), Rate("8 lanes, 156.25 MHz: 10 Gbit/s", 8, 156.25e6))


def upload_seconds(octets: int, rate: Rate) -> float:
    """Of so many octets of weights."""
    return octets / rate.octets_per_s
