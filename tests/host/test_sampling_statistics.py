# SPDX-License-Identifier: Apache-2.0
"""The observed epsilon, its interval, and what epsilon finds: against exact sums, and 100,000 pairs of the specification."""

from __future__ import annotations

from math import comb
from random import Random

import pytest

from custodes.gateway_formats import ALWAYS
from custodes.sample_tree import selected
from custodes.sampling_statistics import detection, incomplete_beta, observed, probability, threshold

PAIRS = 100_000


def at_least(kept: int, pairs: int, p: float) -> float:
    return sum(comb(pairs, k) * p**k * (1 - p) ** (pairs - k) for k in range(kept, pairs + 1))


@pytest.mark.parametrize(("kept", "pairs"), [(1, 10), (5, 10), (9, 10), (3, 100), (50, 100)])
def test_the_interval_ends_where_tails_are_as_likely_as_said(kept: int, pairs: int):
    low, high = observed(kept, pairs, 0.95)
    assert at_least(kept, pairs, low) == pytest.approx(0.025, rel=1e-6)
    assert 1 - at_least(kept + 1, pairs, high) == pytest.approx(0.025, rel=1e-6)


def test_the_interval_of_all_and_of_none_reaches_the_end():
    assert observed(0, 10, 0.95) == pytest.approx((0, 1 - 0.025**0.1))
    assert observed(10, 10, 0.95) == pytest.approx((0.025**0.1, 1))
    assert observed(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="cannot be"):
        observed(2, 1)


def test_the_incomplete_beta_function_at_its_ends_and_in_the_middle():
    assert [incomplete_beta(2, 3, x) for x in (0, 1)] == [0, 1]
    assert incomplete_beta(7, 7, 0.5) == pytest.approx(0.5)
    assert incomplete_beta(3e6, 3e6, 0.5) == pytest.approx(0.5)


def test_thresholds_are_exact_at_the_ends():
    assert [threshold(epsilon) for epsilon in (0, 0.5, 1)] == [0, 1 << 63, ALWAYS]
    assert (threshold(1e-30), threshold(1 - 2**-53), threshold(1 - 2**-60)) == (1, (1 << 64) - (1 << 11), ALWAYS)
    assert [probability(value) for value in (0, 1 << 62, ALWAYS)] == [0, 0.25, 1]
    for epsilon in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="no probability"):
            threshold(epsilon)


@pytest.mark.parametrize("epsilon", [0, 1e-3, 0.05, 0.5, 1])
def test_of_100_000_pairs_as_many_are_kept_as_is_set(epsilon: float):
    key, setting = Random(int(epsilon * 1000)).randbytes(32), threshold(epsilon)
    tags = ((1).to_bytes(4) + i.to_bytes(8) + (i % 97).to_bytes(4) + bytes(4) for i in range(1, PAIRS + 1))
    kept = sum(selected(key, setting, tag) for tag in tags)
    assert epsilon in observed(kept, PAIRS)
    assert kept == PAIRS * epsilon if epsilon in (0, 1) else 0 < kept < PAIRS


def test_planted_answers_are_found_as_often_as_is_said():
    """4,000 servers, each of which lies m times: how many of them are found."""
    epsilon, key = 0.1, Random(1).randbytes(32)
    for count in (1, 5, 20):
        found = sum(
            any(selected(key, threshold(epsilon), number.to_bytes(12) + bytes(8)) for number in range(at, at + count))
            for at in range(count * 10**6, count * 10**6 + 4000 * count, count)
        )
        assert detection(epsilon, 1, count) in observed(found, 4000, 0.999)


def test_detection_at_its_ends():
    assert detection(1, 1, 1) == 1 and detection(1, 1, 0) == 0 and detection(0, 1, 100) == 0
    assert detection(0.1, 0.5, 3) == pytest.approx(1 - 0.95**3)
    assert detection(1e-12, 1, 10) == pytest.approx(1e-11)
