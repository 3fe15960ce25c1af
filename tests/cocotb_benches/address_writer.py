# SPDX-License-Identifier: Apache-2.0
"""Fills the address table of a unit through its write port."""

from collections.abc import Mapping

from custodes.address_table import address_key, place_addresses, row_words
from tests.cocotb_benches.pin import Pin
from tests.cocotb_benches.tb import TB


class AddressWriter:
    """Drives a port that writes one word of a row per cycle.

    Args:
        valid: the signal that says when to write.
        name: what the names of the others begin with.
    """

    def __init__(self, tb: TB, valid: Pin, name: str) -> None:
        self.tb = tb
        self.valid = valid
        fields = ("word_key", "word_bound", "number", "row", "table")
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

    async def write(self, row: int, table: int, key: int, ports: int, station: int) -> None:
        self.valid.value = 1
        for number, word in enumerate(row_words(key, ports, station)):
            for signal, value in zip(self.port, (word & 0xFFFF, word >> 16, number, row, table), strict=True):
                signal.value = value
            await self.tb.cycles(1)
        self.valid.value = 0
