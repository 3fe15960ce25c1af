# SPDX-License-Identifier: Apache-2.0
"""Fills the address table of a unit through its write port."""

from collections.abc import Mapping
from typing import Any

from custodes.registers import address_key, place_addresses
from tests.cocotb_benches.tb import TB


class AddressWriter:
    """Drives a port with members ``row``, ``table`` and ``entry``, one row per cycle.

    Args:
        valid: the signal that says when to write.
        name: what the names of the others begin with.
    """

    def __init__(self, tb: TB, valid: Any, name: str) -> None:
        self.tb = tb
        self.valid = valid
        fields = ("row", "table", "entry_key", "entry_ports", "entry_station")
        self.port = [getattr(tb.dut, f"{name}_{field}") for field in fields]
        valid.value = 0

    async def fill(self, addresses: Mapping[bytes, tuple[int, int]]) -> None:
        """Write a row for each address: (bit mask of the ports it is behind, station)."""
        bound = {address_key(address): entry for address, entry in addresses.items()}
        for (table, row), key in place_addresses(list(bound)).items():
            await self.write(row, table, key, *bound[key])

    async def clear(self, addresses: Mapping[bytes, tuple[int, int]]) -> None:
        """Empty the rows that `fill` wrote for the same addresses."""
        for table, row in place_addresses([address_key(address) for address in addresses]):
            await self.write(row, table, 0, 0, 0)

    async def write(self, *values: int) -> None:
        for signal, value in zip(self.port, values, strict=True):
            signal.value = value
        self.valid.value = 1
        await self.tb.cycles(1)
        self.valid.value = 0
