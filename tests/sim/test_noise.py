# SPDX-License-Identifier: Apache-2.0
"""The noise source of simulations is as good, or as bad, as it is told to be."""

from itertools import pairwise

import pytest

from sim.noise import PARTS, Noise

SAMPLES = 50_000
TOLERANCE = 0.02
"""More than four standard deviations of any share below, but of the strongly correlated."""


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


@pytest.mark.parametrize("ones", [0.1, 0.5, 0.9])
def test_ones_come_as_often_as_asked_for(ones: float):
    noise = Noise(ones=round(ones * PARTS))
    assert abs(share([noise.sample() == 1 for _ in range(SAMPLES)]) - ones) < TOLERANCE


@pytest.mark.parametrize("repeats", [0.0, 0.5, 0.9])
def test_samples_repeat_as_often_as_asked_for(repeats: float):
    noise = Noise(repeats=round(repeats * PARTS))
    samples = [noise.sample() for _ in range(SAMPLES)]
    # Half of those that do not repeat are the same by chance.
    assert abs(share([a == b for a, b in pairwise(samples)]) - (1 + repeats) / 2) < TOLERANCE
    assert abs(share([sample == 1 for sample in samples]) - 0.5) < 3 * TOLERANCE


@pytest.mark.parametrize("value", [0, 1])
def test_stuck_source_gives_one_value_and_then_goes_on_as_if_nothing_had_been(value: int):
    noise, other = Noise(seed=7), Noise(seed=7)
    before = [noise.sample() for _ in range(100)]
    noise.stuck = value
    assert {noise.sample() for _ in range(100)} == {value}
    noise.stuck = None
    after = [noise.sample() for _ in range(100)]
    expected = [other.sample() for _ in range(300)]
    assert (before, after) == (expected[:100], expected[200:])


def test_one_seed_makes_one_sequence():
    sequences = [[noise.sample() for _ in range(200)] for noise in (Noise(5), Noise(5), Noise(6))]
    assert sequences[0] == sequences[1] != sequences[2]
    for seed in (0, 1 << 64):
        with pytest.raises(ValueError, match="seed"):
            Noise(seed)
