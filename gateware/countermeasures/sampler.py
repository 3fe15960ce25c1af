# SPDX-License-Identifier: Apache-2.0
"""Of the sampler."""

from gateware.countermeasures.entry import Countermeasure
from gateware.countermeasures.gateway import ENGINE_FORGETS

SAMPLER = "gateware/sampler"
_TESTS = "tests/gateware/sampler"
_PAIRS = f"{_TESTS}/test_sampler.py"
_SECRETS = f"{_TESTS}/test_secrets.py"

SAMPLERS = (
    Countermeasure(
        "SAMPLER.WHOLE_FRAMES",
        "a frame that passes in part, or that passes though it is in no pair",
        (f"{SAMPLER}/passage.py",),
        (f"{_PAIRS}::test_repetitions_and_what_is_stale_or_answers_nothing",),
        (f"{_PAIRS}::test_what_no_scrubber_gives_is_refused_and_leaves_nothing",),
    ),
    Countermeasure(
        "SAMPLER.COMMITTED_FIRST",
        "a pair that is changed once it is known that it is kept, or left out",
        (f"{SAMPLER}/closer.py",),
        (f"{_PAIRS}::test_pairs_are_kept_as_key_and_threshold_say",),
        (f"{_SECRETS}::test_the_leaf_leaves_before_it_is_decided_whether_the_pair_is_kept",),
    ),
    Countermeasure(
        "SAMPLER.KEY.UNREADABLE",
        "a key that is known before its epoch has ended, so that it is known which pairs are kept",
        (f"{SAMPLER}/registers.py",),
        (f"{_SECRETS}::test_an_epoch_waits_for_every_word_of_a_key_of_its_own",),
        (f"{_SECRETS}::test_a_key_cannot_be_read_until_its_epoch_has_ended",),
    ),
    Countermeasure(
        "SAMPLER.ERASED",
        "a pair that is still in the store after it was not kept",
        (f"{SAMPLER}/closer.py",),
        (f"{_SECRETS}::test_a_slot_holds_zeros_when_its_pair_has_been_worked_off",),
        (f"{_SECRETS}::test_a_slot_holds_zeros_when_its_pair_has_been_worked_off",),
    ),
    Countermeasure(
        "SAMPLER.FORGOTTEN",
        "pairs and keys that outlast the power of the server",
        (f"{SAMPLER}/closer.py", "gateware/devices/gateway.py"),
        (f"{_SECRETS}::test_a_reset_forgets_everything", ENGINE_FORGETS),
        (f"{_SECRETS}::test_a_reset_within_a_frame",),
    ),
    Countermeasure(
        "SAMPLER.MODE.GUARDED",
        "one or two flipped bits that let a frame pass that is in no pair, or end an epoch early",
        (f"{SAMPLER}/closer.py", f"{SAMPLER}/passage.py"),
        (f"{_SECRETS}::test_every_flip_of_one_or_two_bits_is_a_fault",),
        (f"{_SECRETS}::test_a_mode_that_does_not_exist_lets_nothing_pass",),
    ),
)
