# SPDX-License-Identifier: Apache-2.0
"""Of the upload."""

from gateware.countermeasures.entry import Countermeasure
from gateware.countermeasures.gateway import ENGINE_FORGETS

UPLOAD = "gateware/upload"
_UPLOADS = "tests/gateware/upload"
_UPLOAD = f"{_UPLOADS}/test_upload.py"
_FORGOTTEN = f"{_UPLOADS}/test_forgotten.py"
_MODES = f"{_UPLOADS}/test_modes.py"
_FLIPS = f"{_UPLOADS}/test_flips.py"
_BROKEN = "tests/prove/broken.py"
_PROOF = "tests/prove/test_broken.py::test_proof_that_a_server_serves_after_its_upload_only_holds"

UPLOADS = (
    Countermeasure(
        "UPLOAD.COUNTED",
        "weights with something before them, or behind, or that are not all there",
        (f"{UPLOAD}/modes.py", f"{UPLOAD}/weights.py"),
        (f"{_UPLOAD}::test_serves_after_the_weights_that_were_announced", _PROOF),
        (
            f"{_UPLOAD}::test_one_octet_more_or_less_than_announced_takes_power",
            f"{_UPLOAD}::test_frames_that_are_not_the_next_take_power",
            f"{_BROKEN}::takes fewer bits than announced",
            f"{_BROKEN}::takes more bits than announced",
            f"{_BROKEN}::takes no whole octets",
        ),
    ),
    Countermeasure(
        "UPLOAD.DIGEST",
        "other weights than those that were announced",
        (f"{UPLOAD}/modes.py",),
        (f"{_UPLOAD}::test_one_bit_of_the_digest_that_is_another_takes_power", _PROOF),
        (
            f"{_UPLOAD}::test_one_bit_of_the_weights_that_is_another_takes_power",
            f"{_BROKEN}::compares one word of the digest",
            f"{_BROKEN}::serves before there is a digest",
        ),
    ),
    Countermeasure(
        "UPLOAD.CANONICAL",
        "fields and padding of frames of weights that say something to the server",
        (f"{UPLOAD}/weights.py",),
        (f"{_UPLOAD}::test_zeros_may_fill_a_short_frame_and_do_not_reach_the_server",),
        (f"{_UPLOAD}::test_frames_that_are_not_as_they_say_take_power",),
    ),
    Countermeasure(
        "UPLOAD.ONCE",
        "weights that reach a server which has its own",
        (f"{UPLOAD}/weights.py", f"{UPLOAD}/watch.py"),
        (f"{_UPLOAD}::test_idle_and_back_pressure_change_nothing",),
        (f"{_UPLOAD}::test_an_upload_in_check_or_while_serving_takes_power",),
    ),
    Countermeasure(
        "UPLOAD.BACKWARD",
        "a server that says something before it may serve",
        (f"{UPLOAD}/upload.py",),
        (f"{_UPLOAD}::test_serves_after_the_weights_that_were_announced", _PROOF),
        (
            f"{_UPLOAD}::test_what_the_server_sends_before_it_serves_takes_power",
            f"{_BROKEN}::lets frames of the server pass before the digest",
        ),
    ),
    Countermeasure(
        "UPLOAD.WHOLE_FRAMES",
        "the rest of a frame that passes where its beginning did not",
        (f"{UPLOAD}/inlet.py",),
        (f"{_MODES}::test_frames_begin_to_pass_and_cease_at_once_between_two", _PROOF),
        (
            f"{_FORGOTTEN}::test_power_that_goes_at_any_moment_cuts_what_is_under_way_and_the_next_upload_goes_well",
            f"{_BROKEN}::lets frames of the world pass while weights come",
        ),
    ),
    Countermeasure(
        "UPLOAD.OFF_LONG",
        "what a server still has in its memory as it gets its next weights",
        (f"{UPLOAD}/modes.py",),
        (f"{_MODES}::test_power_stays_off_for_long_enough", _PROOF),
        (f"{_BROKEN}::gives power too early",),
    ),
    Countermeasure(
        "UPLOAD.FORGOTTEN",
        "an upload that counts for another server, or after its power has gone",
        (f"{UPLOAD}/upload.py", f"{UPLOAD}/registers.py", "gateware/devices/gateway.py"),
        (f"{_FORGOTTEN}::test_no_register_holds_anything_of_the_digest_without_power", _PROOF, ENGINE_FORGETS),
        (
            f"{_FORGOTTEN}::test_a_reset_at_every_beat_and_until_it_serves_forgets_everything",
            f"{_BROKEN}::takes an announcement after START",
            f"{_BROKEN}::keeps what was counted without power",
        ),
    ),
    Countermeasure(
        "UPLOAD.MODE.GUARDED",
        "one or two flipped bits that make a server serve, or give it power",
        (f"{UPLOAD}/modes.py",),
        (f"{_FLIPS}::test_every_flip_of_one_or_two_bits_is_a_fault",),
        (f"{_FLIPS}::test_every_flip_takes_power_and_lets_nothing_pass",),
    ),
)
