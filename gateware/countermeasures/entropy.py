# SPDX-License-Identifier: Apache-2.0
"""Of the coin flip."""

from gateware.countermeasures.entry import Countermeasure

ENTROPY = "gateware/entropy"
_COINS = "tests/gateware/entropy"
_COIN = f"{_COINS}/test_coin.py"
_FORGOTTEN = f"{_COINS}/test_forgotten.py"
_FLIPS = f"{_COINS}/test_flips.py"

COINS = (
    Countermeasure(
        "COIN.LATCHED",
        "a party that changes its commitment once it knows the other's",
        (f"{ENTROPY}/coin.py",),
        (f"{_COIN}::test_what_is_written_to_a_latched_commitment_is_lost",),
        (f"{_COIN}::test_a_second_commitment_voids_the_epoch",),
    ),
    Countermeasure(
        "COIN.COPIED",
        "a party that commits to what the other has committed to",
        (f"{ENTROPY}/coin.py",),
        (f"{_COIN}::test_commitments_that_differ_in_one_word_are_no_copies",),
        (f"{_COIN}::test_a_copied_commitment_voids_the_epoch",),
    ),
    Countermeasure(
        "COIN.EARLY",
        "a share that is known before both commitments are latched",
        (f"{ENTROPY}/coin.py",),
        (f"{_COIN}::test_each_step_is_shown",),
        (f"{_COIN}::test_a_share_before_both_commitments_voids_the_epoch",),
    ),
    Countermeasure(
        "COIN.CHECKED",
        "a share that is chosen after the commitment",
        (f"{ENTROPY}/coin.py",),
        (f"{_COIN}::test_words_are_those_of_the_specification_whoever_is_first",),
        (
            f"{_COIN}::test_a_share_that_was_not_committed_to_voids_the_epoch",
            f"{_COIN}::test_a_second_share_voids_the_epoch",
        ),
    ),
    Countermeasure(
        "COIN.EPOCH_GROWS",
        "an epoch whose shares are known that is played again",
        (f"{ENTROPY}/coin.py",),
        (f"{_COIN}::test_words_stop_when_the_epoch_ends_and_those_of_the_next_are_others",),
        (f"{_COIN}::test_an_epoch_that_is_not_later_ends_words",),
    ),
    Countermeasure(
        "COIN.FORGOTTEN",
        "shares, seeds and words that are still there when nobody needs them",
        (f"{ENTROPY}/coin.py", f"{ENTROPY}/words.py"),
        (f"{_FORGOTTEN}::test_salts_are_forgotten_when_checked_and_shares_when_there_is_a_seed",),
        (f"{_FORGOTTEN}::test_whatever_ends_an_epoch_leaves_nothing_of_it",),
    ),
    Countermeasure(
        "COIN.MODE.GUARDED",
        "one or two flipped bits that make words of shares that were not checked",
        tuple(f"{ENTROPY}/{unit}.py" for unit in ("coin", "modes", "words")),
        (f"{_FLIPS}::test_every_flip_of_one_or_two_bits_is_a_fault",),
        (
            f"{_FLIPS}::test_every_flip_withdraws_words_in_the_next_cycle_and_one_of_the_state_at_once",
            f"{_FLIPS}::test_a_flip_voids_the_epoch_and_the_next_goes_well",
        ),
    ),
)
