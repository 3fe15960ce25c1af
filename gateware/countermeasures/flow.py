# SPDX-License-Identifier: Apache-2.0
"""Of the flow table."""

from gateware.countermeasures.entry import Countermeasure

FLOW = "gateware/flow"
_FLIPS = "tests/gateware/flow/test_flips.py"
_BENCH = "tests/cocotb_benches/bench_translator.py"
_BROKEN = "tests/prove/broken.py"
_PROOFS = "tests/prove/test_broken.py"

FLOWS = (
    Countermeasure(
        "FLOW.MODE.GUARDED",
        "one or two flipped bits by which a frame leaves that was not judged, or with what was found of another",
        tuple(f"{FLOW}/{unit}.py" for unit in ("allocator", "parser", "sweep", "under_way")),
        (f"{_FLIPS}::test_every_flip_of_one_or_two_bits_is_a_fault",),
        (f"{_FLIPS}::test_after_a_flip_no_other_frame_is_judged_until_a_reset",),
    ),
    Countermeasure(
        "FLOW.WORD_ONCE",
        "two flows with one word of entropy, or a flow whose numbers are not of a word",
        (f"{FLOW}/allocator.py",),
        (f"{_PROOFS}::test_proof_of_words_holds", f"{_BENCH}::without_words_no_flow_begins_and_others_go_on"),
        (
            f"{_BROKEN}::a second word for a flow",
            f"{_BROKEN}::a flow without a word",
            f"{_BROKEN}::a word of the other side",
        ),
    ),
    Countermeasure(
        "FLOW.VERDICT_FIRST",
        "a part of a frame that leaves before, or although, it is not forwarded",
        (f"{FLOW}/rewriter.py", f"{FLOW}/wide.py"),
        (f"{_PROOFS}::test_nothing_leaves_of_a_frame_that_was_dropped",),
        (
            f"{_BROKEN}::lets dropped words out",
            f"{_BROKEN}::lets dropped beats out",
            f"{_BROKEN}::does not wait for the result",
        ),
    ),
)
