# SPDX-License-Identifier: Apache-2.0
"""A noise source for simulations, good or as bad as is asked for. The simulated device has the same in C++.

Its numbers are Marsaglia's xorshift of 64 bits (Journal of Statistical Software 8, 14): good enough to be tested, and no
secret.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = 1 << 16
"""Probabilities are given in parts of this."""
_WORD = (1 << 64) - 1


@dataclass
class Noise:
    """One bit after the other.

    Args:
        seed: any but 0, of 64 bits; one seed makes one sequence.
        ones: probability of a 1, in `PARTS`.
        repeats: probability that a sample is the one before, whatever that was, in `PARTS`.
        stuck: the value at which the source is stuck, or None. Its numbers go on meanwhile.
    """

    seed: int = 0x9E3779B97F4A7C15
    ones: int = PARTS // 2
    repeats: int = 0
    stuck: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.seed <= _WORD:
            raise ValueError(f"{self.seed} is no seed")
        self._state = self.seed
        self._last = 0

    def _draw(self) -> int:
        """A number below `PARTS`."""
        state = self._state
        state ^= state << 13 & _WORD
        state ^= state >> 7
        state ^= state << 17 & _WORD
        self._state = state
        return state >> 48

    def sample(self) -> int:
        """The next bit. Two numbers are drawn for each, whatever the settings."""
        again, one = self._draw() < self.repeats, self._draw() < self.ones
        self._last = self._last if again else int(one)
        return self._last if self.stuck is None else self.stuck
