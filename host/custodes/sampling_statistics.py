# SPDX-License-Identifier: Apache-2.0
"""What a share of pairs that were kept says of the probability with which they are, and what that probability finds."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, expm1, lgamma, log, log1p
from typing import NamedTuple

from custodes.gateway_formats import ALWAYS

CONFIDENCE = 0.99
_TINY = 1e-300
_STEPS = 100_000


class Interval(NamedTuple):
    """From and to, both of them inside."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


def probability(threshold: int) -> float:
    """With which a pair is kept."""
    return 1.0 if threshold == ALWAYS else threshold / (ALWAYS + 1)


def threshold(epsilon: float) -> int:
    """For a probability; 0 and 1 are exact, and nothing between becomes one of them."""
    if not 0 <= epsilon <= 1:
        raise ValueError(f"{epsilon} is no probability")
    if epsilon in (0, 1):
        return ALWAYS if epsilon else 0
    return min(max(round(epsilon * (ALWAYS + 1)), 1), ALWAYS - 1)


def observed(kept: int, pairs: int, confidence: float = CONFIDENCE) -> Interval:
    """The interval of Clopper and Pearson for a probability: it is never narrower than the confidence says."""
    if not 0 <= kept <= pairs:
        raise ValueError(f"{kept} of {pairs} cannot be")
    tail = (1 - confidence) / 2
    low = _where(lambda p: incomplete_beta(kept, pairs - kept + 1, p) >= tail) if kept else 0.0
    high = _where(lambda p: incomplete_beta(kept + 1, pairs - kept, p) >= 1 - tail) if kept < pairs else 1.0
    return Interval(low, high)


def detection(epsilon: float, discernible: float, count: int) -> float:
    """The probability that one of ``count`` wrong answers at least is found: 1 - (1 - epsilon d)^m.

    Args:
        discernible: with which recomputation tells that a wrong answer that was kept is wrong; 1 if it compares every octet.
    """
    found = epsilon * discernible
    if found >= 1:
        return float(count > 0)
    return -expm1(count * log1p(-found))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction: NIST's DLMF, 8.17.22."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    c, d = 1.0, 1 / (_safe(1 - (a + b) * x / (a + 1)))
    fraction = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d = 1 / _safe(1 + term * d)
            c = _safe(1 + term / c)
            change = c * d
            fraction *= change
        if abs(change - 1) < 1e-15:
            break
    return front * fraction


def _safe(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _where(true: Callable[[float], bool]) -> float:
    """From where on a condition holds, between 0 and 1."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if true(middle) else (middle, high)
    return high
