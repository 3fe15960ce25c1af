# SPDX-License-Identifier: Apache-2.0
"""How much of AES-GCM is done at once, for each number of lanes."""

from dataclasses import dataclass

BLOCK_BYTES = 16
SERIAL_LANES = 4
"""Up to so many lanes a block takes so long that its product is there before the next one needs it."""
PRODUCT_CYCLES = 4
"""With more lanes: from the cycle that follows the last digit of a block to the one in which its product can be added."""


@dataclass(frozen=True)
class Rate:
    """Of ``lanes`` bytes per cycle: 1, 2, 4, 8 or 16, or a multiple of 16.

    Members:
        cycles: per block.
        blocks: at the same time.
        units: of AES rounds, one behind the other.
        passes: of a block through all units.
        rounds: that a block goes through; what AES has fewer are passed without effect.
        chains: of products, which every so many blocks belong to: the powers of the hash key that are needed.
    """

    lanes: int

    def __post_init__(self) -> None:
        if self.lanes not in (1, 2, 4, 8) and (self.lanes < BLOCK_BYTES or self.lanes % BLOCK_BYTES):
            raise ValueError(f"AES-GCM takes 1, 2, 4, 8 or a multiple of 16 lanes, not {self.lanes}")

    @property
    def cycles(self) -> int:
        return max(1, BLOCK_BYTES // self.lanes)

    @property
    def blocks(self) -> int:
        return max(1, self.lanes // BLOCK_BYTES)

    @property
    def units(self) -> int:
        # The first round of 16 adds no key to any block, and so is left out where a block takes but one pass.
        return min(self.lanes, 15)

    @property
    def passes(self) -> int:
        return self.cycles

    @property
    def rounds(self) -> int:
        return self.units * self.passes

    @property
    def serial(self) -> bool:
        return self.lanes <= SERIAL_LANES

    @property
    def chains(self) -> int:
        if self.serial:
            return 1
        return -(-(self.cycles + PRODUCT_CYCLES) // self.cycles) * self.blocks
