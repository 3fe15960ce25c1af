# SPDX-License-Identifier: Apache-2.0
"""Every countermeasure: what it is against, where it is, what shows that it works, and what attacks it.

In the source, ``SEC_CM: LABEL`` stands where it is. A test and an injection are ``file::name``: a test of pytest, or a copy
of a unit that is broken on purpose and found out: in ``tests/prove/broken.py`` by a proof, in
``tests/gateware/control/removed.py`` by the countermeasure's own test. A label without an entry, an entry without a label,
and a test or an injection that is not there fail `tests/test_countermeasures.py`.
"""

from typing import NamedTuple

SESSION = "gateware/session"
CONTROL = "gateware/control"
TRNG = "gateware/trng"
_SESSIONS = "tests/gateware/session"
_CONTROLS = "tests/gateware/control"
_NOISE = "tests/gateware/trng"
_BROKEN = "tests/prove/broken.py"
_REMOVED = f"{_CONTROLS}/removed.py"
_PROOF = "tests/prove/test_broken.py::test_proof_of_keys_holds"
_FLIPS = f"{_CONTROLS}/test_flips.py::test_every_flip_of_one_or_two_bits_is_a_fault"
_WHOLE = f"{_CONTROLS}/test_whole.py::test_every_flip_in_every_mode_register_ends_the_device_in_time"
_LIFECYCLE = f"{_CONTROLS}/test_lifecycle.py"
_FIREWALL = f"{_CONTROLS}/test_firewall.py"
_SECRET = f"{_CONTROLS}/test_secret.py"


class Countermeasure(NamedTuple):
    """``units`` are the files with its label; ``tests`` show that it works, ``injections`` attack it or take it away."""

    label: str
    against: str
    units: tuple[str, ...]
    tests: tuple[str, ...]
    injections: tuple[str, ...]


def _guarded(label: str, *units: str) -> Countermeasure:
    """A mode register in which one or two bits that flip are noticed."""
    return Countermeasure(label, "one or two flipped bits that make another mode", units, (_FLIPS,), (_WHOLE,))


SESSIONS = (
    Countermeasure(
        "KEY.SW_UNREADABLE",
        "whoever reads registers reads a key, a salt or an SSCI",
        (f"{SESSION}/session.py",),
        (f"{_SESSIONS}/test_secrets.py::test_no_register_shows_a_key_or_a_salt", _PROOF),
        (f"{_BROKEN}::reads back a key", f"{_BROKEN}::reads back a salt"),
    ),
    Countermeasure(
        "KEY.NOT_KEPT",
        "what came with a key is still there after its command",
        (f"{SESSION}/session.py",),
        (_PROOF,),
        (f"{_BROKEN}::keeps the salt after the load", f"{_BROKEN}::keeps words to be forgotten"),
    ),
    Countermeasure(
        "KEY.WHOLE",
        "a key of which a part is known or zero",
        (f"{SESSION}/session.py",),
        (_PROOF,),
        (f"{_BROKEN}::loads half a key",),
    ),
    Countermeasure(
        "KEY.OVERWRITTEN",
        "a key that outlives its use, or is overwritten while a frame has it",
        (f"{SESSION}/associations.py",),
        (f"{_SESSIONS}/test_secrets.py::test_power_lost_while_a_key_is_loaded_forgets_it", _PROOF),
        (f"{_BROKEN}::skips a row", f"{_BROKEN}::overwrites a key in use"),
    ),
    Countermeasure(
        "KEY.ZEROISED_STAYS",
        "a key that comes back after it has been taken away",
        (f"{SESSION}/associations.py",),
        (f"{_SESSIONS}/test_secrets.py::test_status_says_what_goes_on", _PROOF),
        (f"{_BROKEN}::a load revives", f"{_BROKEN}::lets zeroised frames out", f"{_BROKEN}::opens zeroised frames"),
    ),
    Countermeasure(
        "NONCE.MONOTONIC",
        "two frames with one key and nonce",
        (f"{SESSION}/sealer.py",),
        (f"{_SESSIONS}/test_nonces.py::test_no_nonce_is_used_twice",),
        (f"{_BROKEN}::PN not advanced",),
    ),
    Countermeasure(
        "NONCE.EXHAUSTION",
        "packet numbers that start over",
        (f"{SESSION}/direction.py",),
        (f"{_SESSIONS}/test_packet_numbers.py::test_transmit_association_ends_with_its_last_pn",),
        (f"{_BROKEN}::exhausted one too late",),
    ),
    Countermeasure(
        "FRAME.TAG_FIRST",
        "text of a forgery that leaves",
        (f"{SESSION}/opener.py",),
        (f"{_SESSIONS}/test_forgeries.py::test_no_frame_with_a_flipped_bit_is_taken",),
        (f"{_BROKEN}::opens what is not right", f"{_BROKEN}::does not wait for the tag"),
    ),
    Countermeasure(
        "FRAME.VERDICT_FIRST",
        "a byte that leaves before the verdict on its frame",
        (f"{SESSION}/gate.py",),
        (f"{_SESSIONS}/test_forgeries.py::test_nothing_of_a_forgery_leaves_between_good_frames",),
        (f"{_BROKEN}::does not wait for the verdict", f"{_BROKEN}::lets bad frames out"),
    ),
    Countermeasure(
        "FRAME.REPLAY",
        "a frame that is taken twice, or late",
        (f"{SESSION}/opener.py",),
        (f"{_SESSIONS}/test_packet_numbers.py::test_takes_late_frames_within_the_window_only",),
        (f"{_BROKEN}::takes a late PN",),
    ),
    Countermeasure(
        "SESSION.TAMPER_STOPS",
        "frames that leave after tampering",
        (f"{SESSION}/session.py",),
        (
            f"{_SESSIONS}/test_secrets.py::test_tampering_ends_everything_until_a_reset",
            f"{_SESSIONS}/test_secrets.py::test_no_frame_leaves_after_tampering",
        ),
        (f"{_BROKEN}::sends on after tampering",),
    ),
    _guarded("SESSION.MODE.GUARDED", f"{SESSION}/session.py"),
    _guarded("ASSOCIATIONS.MODE.GUARDED", f"{SESSION}/associations.py"),
    _guarded("LOADER.MODE.GUARDED", f"{SESSION}/loader.py"),
    _guarded("FEEDER.MODE.GUARDED", f"{SESSION}/feeder.py"),
    _guarded("SEQUENCER.MODE.GUARDED", f"{SESSION}/sequencer.py"),
)

LIFE = (
    Countermeasure(
        "LIFECYCLE.STATE.GUARDED",
        "one or two flipped bits that make another state of the device",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_CONTROLS}/test_flips.py::test_every_flip_in_the_lifecycle_zeroises",),
        (_WHOLE,),
    ),
    Countermeasure(
        "LIFECYCLE.ONE_WAY",
        "firmware that leads back to an earlier state",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_firmware_gets_what_it_asks_for_only_where_there_is_such_a_step",),
        (f"{_REMOVED}::LIFECYCLE.ONE_WAY",),
    ),
    Countermeasure(
        "LIFECYCLE.RENEW",
        "raw keys of the blank state that outlive it",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_what_was_loaded_while_blank_is_taken_away",),
        (f"{_REMOVED}::LIFECYCLE.RENEW",),
    ),
    Countermeasure(
        "ALARM.ENDS_DEVICE",
        "a device that goes on after an alarm, or zeroises too late",
        (f"{CONTROL}/lifecycle.py",),
        (
            f"{_LIFECYCLE}::test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever",
            f"{_LIFECYCLE}::test_bricking_zeroises_in_time",
        ),
        (f"{_REMOVED}::ALARM.ENDS_DEVICE",),
    ),
    Countermeasure(
        "ALARM.LATCHED",
        "an alarm that is gone before anybody looks",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_every_cause_is_kept",),
        (
            f"{_REMOVED}::ALARM.LATCHED",
            f"{_LIFECYCLE}::test_clearing_the_alarms_does_not_undo_them",
            f"{_LIFECYCLE}::test_a_bit_that_flips_among_the_alarms_is_one",
        ),
    ),
    Countermeasure(
        "TAMPER.INPUT",
        "a case that is opened",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever",),
        (f"{_REMOVED}::TAMPER.INPUT",),
    ),
    Countermeasure(
        "WATCHDOG.BOUNDED",
        "firmware that does not come back, and a counter whose bits flip",
        (f"{CONTROL}/watchdog.py",),
        (
            f"{_CONTROLS}/test_watchdog.py::test_barks_so_many_cycles_after_it_was_fed_and_for_ever",
            f"{_LIFECYCLE}::test_firmware_that_does_not_feed_the_watchdog_ends_the_device",
        ),
        (
            f"{_REMOVED}::WATCHDOG.BOUNDED",
            f"{_CONTROLS}/test_watchdog.py::test_barks_in_time_whatever_its_counter_is_changed_to",
        ),
    ),
    Countermeasure(
        "SECRET.READ_ONCE",
        "code that reads the device secret after the one that derives keys from it",
        (f"{CONTROL}/secret.py",),
        (f"{_SECRET}::test_each_word_reads_once",),
        (f"{_REMOVED}::SECRET.READ_ONCE",),
    ),
    Countermeasure(
        "SECRET.LOCK",
        "the same, of words that have not been read",
        (f"{CONTROL}/secret.py",),
        (
            f"{_SECRET}::test_nothing_reads_once_it_is_locked",
            f"{_SECRET}::test_nothing_reads_in_the_cycle_that_locks_it",
        ),
        (f"{_REMOVED}::SECRET.LOCK",),
    ),
    Countermeasure(
        "SECRET.BOOT_ONLY",
        "the same, in a device that serves a host already, or has been tampered with",
        (f"{CONTROL}/lifecycle.py",),
        (
            f"{_LIFECYCLE}::test_secret_reads_in_boot_only",
            f"{_LIFECYCLE}::test_secret_does_not_read_after_an_alarm",
        ),
        (f"{_REMOVED}::SECRET.BOOT_ONLY",),
    ),
    Countermeasure(
        "SECRET.LATCH.GUARDED",
        "one or two flipped bits that make a word readable again",
        (f"{CONTROL}/secret.py",),
        (_FLIPS,),
        (f"{_SECRET}::test_no_flip_of_one_or_two_bits_makes_a_word_readable_again", _WHOLE),
    ),
    Countermeasure(
        "FIREWALL.MAP",
        "a register that is not documented",
        (f"{CONTROL}/firewall.py",),
        (f"{_FIREWALL}::test_every_address_of_the_nic_is_judged_as_its_map_says",),
        (f"{_REMOVED}::FIREWALL.MAP",),
    ),
    Countermeasure(
        "FIREWALL.STATE",
        "raw keys and raw noise outside the blank state; anything in a state that does not exist",
        (f"{CONTROL}/firewall.py",),
        (
            f"{_FIREWALL}::test_lets_through_what_the_map_says_and_refuses_all_else_in_every_state",
            f"{_FIREWALL}::test_keys_are_loaded_through_registers_while_blank_only",
        ),
        (f"{_REMOVED}::FIREWALL.STATE",),
    ),
    Countermeasure(
        "FIREWALL.JUDGED_AGAIN",
        "an access that has been allowed in one state and is carried out in the next",
        (f"{CONTROL}/firewall.py",),
        (f"{_FIREWALL}::test_a_request_that_waits_is_withdrawn_when_the_state_changes",),
        (f"{_REMOVED}::FIREWALL.JUDGED_AGAIN",),
    ),
    Countermeasure(
        "FIREWALL.MODE.GUARDED",
        "one or two flipped bits that let an access through",
        (f"{CONTROL}/firewall.py",),
        (_FLIPS,),
        (f"{_FIREWALL}::test_a_fault_at_any_time_lets_nothing_through_and_the_next_access_is_answered", _WHOLE),
    ),
    Countermeasure(
        "ENCODING.KEPT",
        "synthesis that stores bits once which must be stored apart",
        (f"{CONTROL}/guarded.py",),
        (f"{_CONTROLS}/test_guarded.py::test_synthesis_keeps_every_bit",),
        (
            f"{_CONTROLS}/test_guarded.py::test_without_that_synthesis_makes_one_flip_flop_of_bits_that_are_the_same",
            f"{_CONTROLS}/test_guarded.py::test_modes_that_two_flips_lead_between_are_refused",
        ),
    ),
)

_HEALTH = f"{_NOISE}/test_health.py"
_NOISE_FLIPS = f"{_NOISE}/test_flips.py"
_BAD_SOURCES = (
    f"{_HEALTH}::test_stuck_source_trips_the_alarm_within_the_cutoff",
    f"{_HEALTH}::test_biased_source_trips_the_alarm_in_less_than_two_windows",
    f"{_HEALTH}::test_correlated_source_trips_the_alarm_of_the_repetition_count_test",
)

RANDOM = (
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
        "NOISE.MODE.GUARDED",
        "one or two flipped bits that make another mode, and words that come out of it",
        tuple(f"{TRNG}/{unit}.py" for unit in ("conditioner", "drbg", "health", "message", "shared")),
        (f"{_NOISE_FLIPS}::test_every_flip_of_one_or_two_bits_is_a_fault",),
        (f"{_NOISE_FLIPS}::test_every_flip_withdraws_words_in_the_same_cycle",),
    ),
)

COUNTERMEASURES = (*SESSIONS, *LIFE, *RANDOM)
