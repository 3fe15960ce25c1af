# SPDX-License-Identifier: Apache-2.0
"""How well a covert channel works, in bits, and what chance alone does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import NamedTuple

SIGNIFICANCE = 1e-9
"""A channel that carries nothing exceeds the bound with at most this probability."""
BITS = 1024
"""That each channel is to carry."""


@lru_cache
def bound(bits: int = BITS) -> int:
    """The most bits that are right by chance; more, or as many wrong, are something (exact binomial, two-sided)."""
    tail, right = 0, bits + 1
    limit = 2**bits // round(2 / SIGNIFICANCE)
    while tail + math.comb(bits, right - 1) <= limit:
        right -= 1
        tail += math.comb(bits, right)
    return right - 1


class Recovered(NamedTuple):
    """What came of a message: of ``bits``, so many are ``right``."""

    bits: int
    right: int

    @property
    def perfect(self) -> bool:
        return self.right == self.bits

    @property
    def chance(self) -> bool:
        """Nothing that coins would not have done as well. All bits wrong is a channel, too."""
        return self.bits - bound(self.bits) <= self.right <= bound(self.bits)


def message(seed: int, width: int, bits: int = BITS, distinct: bool = False) -> list[int]:
    """Random symbols of so many bits each, ``bits`` in all or a few less; where they are to be distinct, none twice."""
    random = Random(seed)
    if distinct:
        return random.sample(range(1 << width), bits // width)
    return [random.getrandbits(width) for _ in range(bits // width)]


def recovered(sent: Sequence[int], read: Sequence[int | None], width: int) -> Recovered:
    """How many bits were read right. What did not arrive is guessed."""
    assert len(sent) == len(read)
    guess = Random(0)
    wrong = 0
    for symbol, found in zip(sent, read, strict=True):
        value = guess.getrandbits(width) if found is None else found & (1 << width) - 1
        wrong += (symbol ^ value).bit_count()
    bits = len(sent) * width
    return Recovered(bits, bits - wrong)
