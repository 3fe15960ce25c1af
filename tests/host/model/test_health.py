# SPDX-License-Identifier: Apache-2.0
"""The health tests of the specification: published cutoffs, steps of the standard, false alarms as often as designed."""

from random import Random

import pytest

from custodes.control_registers import Noise
from custodes.model.health import (
    FAILURES_MAX,
    STARTUP_SAMPLES,
    AdaptiveProportion,
    Claim,
    Health,
    RepetitionCount,
    State,
    count_proportions,
    count_repetitions,
)

RELAXED = Claim("1", alpha_log2=10)
"""Whose failures are often enough to be counted."""
MEASURED_BITS, MEASURED_TIMES = 1 << 22, 32
SIGMAS = 4.5
"""Of a measurement that is off by chance, 7 in a million are further off."""


def bits(random: Random, count: int) -> str:
    return f"{random.getrandbits(count):0{count}b}"


@pytest.mark.parametrize(
    ("entropy", "window", "cutoff"),
    [
        # SP 800-90B, table 2: binary sources, then others, with alpha 2^-20.
        ("0.2", 1024, 941),
        ("0.4", 1024, 840),
        ("0.6", 1024, 748),
        ("0.8", 1024, 664),
        ("1", 1024, 589),
        ("0.5", 512, 410),
        ("1", 512, 311),
        ("2", 512, 177),
        ("4", 512, 62),
        ("8", 512, 13),
    ],
)
def test_cutoffs_of_the_adaptive_proportion_test_are_those_published(entropy: str, window: int, cutoff: int):
    assert Claim(entropy, 20, window).proportion_cutoff == cutoff


def test_cutoffs_of_the_repetition_count_test_follow_its_formula():
    assert Claim("1", 20).repetition_cutoff == 21
    assert Claim("2", 20).repetition_cutoff == 11  # the example of 4.4.1
    assert [Claim(entropy, 30).repetition_cutoff for entropy in ("0.3", "0.5", "0.7")] == [101, 61, 44]


def test_repetition_count_test_fails_with_the_sample_that_makes_the_run_long_enough():
    test = RepetitionCount(Claim("1", 3))
    assert test.cutoff == 4
    failures = [test.take(int(sample)) for sample in "0001000111110000"]
    assert [at for at, failed in enumerate(failures) if failed] == [10, 15]


def test_adaptive_proportion_test_counts_the_first_sample_of_each_window():
    test = AdaptiveProportion(Claim("1", 3, window=8))
    assert test.cutoff == 7
    assert not any(test.take(int(sample)) for sample in "00000011" + "11011011")
    assert [test.take(int(sample)) for sample in "10111111"] == [False] * 7 + [True]


@pytest.mark.parametrize("claim", [RELAXED, Claim("0.5", 4), Claim("1", 4, window=16)], ids=str)
def test_fast_counts_are_those_of_the_steps(claim: Claim):
    samples = bits(Random(1), 1 << 16)
    repetition, proportion = RepetitionCount(claim), AdaptiveProportion(claim)
    failures = [(repetition.take(int(sample)), proportion.take(int(sample))) for sample in samples]
    assert count_repetitions(claim, samples) == sum(failed for failed, _ in failures)
    assert count_proportions(claim, samples)[0] == sum(failed for _, failed in failures)


def test_false_alarms_of_the_repetition_count_test_are_as_many_as_designed():
    random = Random(2)
    found = sum(count_repetitions(RELAXED, bits(random, MEASURED_BITS)) for _ in range(MEASURED_TIMES))
    designed = RELAXED.repetition_rate() * MEASURED_BITS * MEASURED_TIMES
    print(f"repetition count test: {found} failures, {designed:.0f} designed")
    assert abs(found - designed) < SIGMAS * designed**0.5
    assert designed > 1000, "or else nothing is said"


def test_false_alarms_of_the_adaptive_proportion_test_are_as_many_as_designed():
    random = Random(3)
    runs = [count_proportions(RELAXED, bits(random, MEASURED_BITS)) for _ in range(MEASURED_TIMES)]
    found, windows = (sum(run[part] for run in runs) for part in (0, 1))
    designed = RELAXED.proportion_rate() * windows
    print(f"adaptive proportion test: {found} failures of {windows} windows, {designed:.1f} designed")
    assert abs(found - designed) < SIGMAS * designed**0.5
    assert designed > 100, "or else nothing is said"


def test_rates_of_sources_that_just_meet_the_claim_are_no_more_than_alpha():
    for entropy in ("0.3", "0.5", "0.9"):
        claim = Claim(entropy, 20)
        ones = 2.0 ** -float(entropy)
        assert claim.repetition_rate(ones) < 2**-20
        assert claim.proportion_rate(ones) < 2**-19  # the first sample equals itself: up to twice the formula


def test_source_is_ready_after_the_startup_samples_and_not_before():
    random, health = Random(4), Health(Claim("0.5", 30))
    states = [health.take(random.getrandbits(1)) for _ in range(STARTUP_SAMPLES + 10)]
    assert states == [State.STARTUP] * (STARTUP_SAMPLES - 1) + [State.READY] * 11


def test_alarm_stays_and_failures_go_on_being_counted_up_to_their_maximum():
    health = Health(Claim("1", 1, window=8))
    for _ in range(3 * FAILURES_MAX):
        health.take(0)
    assert health.repetitions == FAILURES_MAX
    for at in range(100):
        assert health.take(at & 1) is State.ALARM


def test_states_have_the_numbers_that_registers_show():
    assert {state.name: state.value for state in State} == {state.name: state.value for state in Noise}
