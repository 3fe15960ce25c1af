# SPDX-License-Identifier: Apache-2.0
"""The whole processor as it is simulated: with the firmware, and with a secret that is none."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from gateware.devices.nic import Nic

GATEWARE = Path(__file__).parent.parent / "gateware"
UNITS = ("control", "devices", "hash", "session", "stream", "trng")
SECRET = hashlib.sha256(b"custodes/simulated device").digest()
"""The same in every simulated device, and known to everybody."""
UNKNOWN = bytes(32)
"""The build id of a design that is not told its own."""


def design_digest(rom: bytes, units: Iterable[str] = UNITS) -> bytes:
    """SHA-256 of the sources, in these folders, that a simulated device is made of."""
    digest = hashlib.sha256(rom)
    for unit in units:
        for path in sorted((GATEWARE / unit).rglob("*.py")):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def simulated_nic(lanes: int, rom: bytes, build_id: bytes = UNKNOWN) -> Nic:
    """Raises `ValueError` where the ROM is too small."""
    return Nic(lanes, rom, SECRET, build_id, hash_domain="digest")
