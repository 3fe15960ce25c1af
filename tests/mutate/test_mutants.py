# SPDX-License-Identifier: Apache-2.0
"""That the judge of mutants can say each of its words. The count over all units: ``python -m tests.mutate``."""

from pathlib import Path

from .mutants import KILLED, SAME, SURVIVED, Mutant, Target

SKID_BUFFER = Target("SkidBuffer", 8)


def test_mutants_of_skid_buffer_are_killed_and_differ_from_the_twin(tmp_path: Path):
    mutants = SKID_BUFFER.mutants(2, 1, tmp_path)
    assert len(mutants) == 2
    for number, mutant in enumerate(mutants):
        assert SKID_BUFFER.judge(number, mutant, tmp_path, 60).word == KILLED
        assert SKID_BUFFER.prove(mutant.command, "miter", f"miter-{number}", tmp_path, 60).status == "FAIL"


def test_device_without_mutation_is_equivalent(tmp_path: Path):
    nothing = Mutant("", "none", "top.dut", "", "", ())
    assert SKID_BUFFER.holds(tmp_path, 60)
    assert SKID_BUFFER.judge(0, nothing, tmp_path, 60).word == SAME


def test_mutant_that_only_a_removed_property_would_kill_is_a_hole(tmp_path: Path):
    killed = SKID_BUFFER.mutants(1, 1, tmp_path)[0]
    unchecked = f"{killed.command}\nchformal -assert -remove top"
    hole = Mutant(unchecked, killed.mode, killed.module, killed.cell, killed.port, killed.sources)
    assert SKID_BUFFER.judge(0, hole, tmp_path, 60).word == SURVIVED
