# SPDX-License-Identifier: Apache-2.0
"""Of the sessions."""

from gateware.countermeasures.entry import Countermeasure, guarded

SESSION = "gateware/session"
_SESSIONS = "tests/gateware/session"
_BROKEN = "tests/prove/broken.py"
_PROOF = "tests/prove/test_broken.py::test_proof_of_keys_holds"

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
    guarded("SESSION.MODE.GUARDED", f"{SESSION}/session.py"),
    guarded("ASSOCIATIONS.MODE.GUARDED", f"{SESSION}/associations.py"),
    guarded("LOADER.MODE.GUARDED", f"{SESSION}/loader.py"),
    guarded("FEEDER.MODE.GUARDED", f"{SESSION}/feeder.py"),
    guarded("SEQUENCER.MODE.GUARDED", f"{SESSION}/sequencer.py"),
)
