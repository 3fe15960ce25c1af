# SPDX-License-Identifier: Apache-2.0
"""The whole gateway as it is simulated: with the firmware, and with a secret that is none."""

from gateware.devices.sng import Sng
from sim.nic import SECRET
from sim.nic import UNITS as NIC_UNITS

UNITS = (*NIC_UNITS, "sampler", "scrubber", "upload")


def simulated_sng(lanes: int, rom: bytes, build_id: bytes, off_cycles: int) -> Sng:
    """Raises `ValueError` where the ROM is too small."""
    return Sng(lanes, rom, SECRET, build_id, hash_domain="digest", off_cycles=off_cycles)
