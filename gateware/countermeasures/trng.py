# SPDX-License-Identifier: Apache-2.0
"""Of the random numbers."""

from gateware.countermeasures.entry import Countermeasure

TRNG = "gateware/trng"
_NOISE = "tests/gateware/trng"
_HEALTH = f"{_NOISE}/test_health.py"
_NOISE_FLIPS = f"{_NOISE}/test_flips.py"
_BAD_SOURCES = (
    f"{_HEALTH}::test_stuck_source_trips_the_alarm_within_the_cutoff",
    f"{_HEALTH}::test_biased_source_trips_the_alarm_in_less_than_two_windows",
    f"{_HEALTH}::test_correlated_source_trips_the_alarm_of_the_repetition_count_test",
)

RANDOM = (
    Countermeasure(
        "HASH.OWNER.GUARDED",
        "one or two flipped bits that give an engine to another user, or to two",
        ("gateware/hash/shared.py",),
        ("tests/gateware/hash/test_shared.py::test_every_flip_of_one_or_two_bits_is_a_fault",),
        ("tests/gateware/hash/test_shared.py::test_an_owner_that_does_not_exist_is_nobody",),
    ),
    Countermeasure(
        "NOISE.HEALTH",
        "random numbers from a source that is stuck, leans or repeats itself",
        (f"{TRNG}/health.py",),
        (f"{_HEALTH}::test_every_state_and_count_is_that_of_the_specification",),
        _BAD_SOURCES,
    ),
    Countermeasure(
        "NOISE.STARTUP",
        "random numbers from a source that has never worked",
        (f"{TRNG}/health.py",),
        (f"{_HEALTH}::test_bad_source_never_gets_through_the_startup_test",),
        (f"{_NOISE}/test_trng.py::test_a_source_that_fails_the_startup_test_makes_nothing",),
    ),
    Countermeasure(
        "NOISE.ALARM.LATCHED",
        "a source that is bad now and then",
        (f"{TRNG}/health.py",),
        (f"{_HEALTH}::test_restart_repeats_the_startup_test_but_ends_no_alarm",),
        _BAD_SOURCES,
    ),
    Countermeasure(
        "NOISE.RAW_APART",
        "whoever reads raw samples and so knows a seed",
        (f"{TRNG}/trng.py",),
        (f"{_NOISE}/test_trng.py::test_words_are_made_of_two_digests_of_samples_after_the_startup_test",),
        (f"{_NOISE}/test_trng.py::test_no_sample_that_a_reader_of_raw_samples_sees_is_in_a_seed",),
    ),
    Countermeasure(
        "NOISE.FORGOTTEN",
        "what random numbers were made of, after an alarm or when everything is zeroised",
        (f"{TRNG}/trng.py", f"{TRNG}/full_entropy.py"),
        (
            f"{_NOISE}/test_full_entropy.py::test_behind_an_alarm_nothing_is_offered_and_nothing_left",
            f"{_NOISE}/test_wipe.py::test_every_memory_is_overwritten_in_the_designed_time_while_the_reason_lasts",
        ),
        (f"{_NOISE}/test_drbg.py::test_clear_forgets_everything",),
    ),
    Countermeasure(
        "NOISE.MODE.GUARDED",
        "one or two flipped bits that make another mode, and words that come out of it",
        tuple(f"{TRNG}/{unit}.py" for unit in ("conditioner", "drbg", "health", "message")),
        (f"{_NOISE_FLIPS}::test_every_flip_of_one_or_two_bits_is_a_fault",),
        (f"{_NOISE_FLIPS}::test_every_flip_withdraws_words_in_the_same_cycle",),
    ),
)
