# SPDX-License-Identifier: Apache-2.0
"""That the proofs of sessions, of the flow table and of the upload hold, and that they can fail: the quick ones. All of
them: ``python -m tests.prove``."""

from pathlib import Path

import pytest

from .broken import COPIES, Broken
from .sby import Task, run
from .units import harness

ONE_FOR_EACH_PROOF = {copy.by: copy for copy in reversed(COPIES)}.values()


@pytest.mark.parametrize("copy", ONE_FOR_EACH_PROOF, ids=lambda copy: f"{copy.by}: {copy.what}")
def test_broken_copy_is_refuted(tmp_path: Path, copy: Broken):
    outcome = run(copy.harness(), copy.task(), tmp_path)
    assert outcome.passed, (tmp_path / f"{copy.task().name}.log").read_text()


@pytest.mark.parametrize("name", ["Associations", "KeyLoader 8", "Session", "Session cleared"])
def test_proof_of_keys_holds(tmp_path: Path, name: str):
    outcome = run(harness(name), Task("keys", "prove", 3, "yices"), tmp_path)
    assert outcome.passed, (tmp_path / "keys.log").read_text()


def test_proof_of_words_holds(tmp_path: Path):
    outcome = run(harness("Allocator"), Task("words", "prove", 2, "yices"), tmp_path)
    assert outcome.passed, (tmp_path / "words.log").read_text()


def test_proof_that_a_server_serves_after_its_upload_only_holds(tmp_path: Path):
    outcome = run(harness("Upload"), Task("serves", "prove", 2, "yices"), tmp_path)
    assert outcome.passed, (tmp_path / "serves.log").read_text()


@pytest.mark.parametrize("name", ["WordRewriter", "BeatRewriter"])
def test_nothing_leaves_of_a_frame_that_was_dropped(tmp_path: Path, name: str):
    outcome = run(harness(name), Task("dropped", "bmc", 10, "yices"), tmp_path)
    assert outcome.passed, (tmp_path / "dropped.log").read_text()


def test_task_that_refutes_does_not_pass_without_a_failure(tmp_path: Path):
    outcome = run(harness("SkidBuffer"), Task("whole", "bmc", 4, "yices", skip=2, refutes=True), tmp_path)
    assert (outcome.passed, outcome.status) == (False, "PASS")
