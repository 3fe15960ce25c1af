# SPDX-License-Identifier: Apache-2.0
"""Planted wrong answers are found as often as the formula says, and not where something in the chain is broken."""

from __future__ import annotations

import pytest

from custodes import planted, recomputer, recomputer_check
from custodes.detection import COUNTS, DISCERNIBLE, EPSILONS, RIGHT, SEED, TRIALS, Detected, measure_detection
from custodes.detection_page import detection_section
from custodes.model import sampler
from custodes.recompute import Judgement, TransformerPlugin, Verdict
from custodes.sample_tree import selected
from custodes.sampling_statistics import observed


def one(
    discernible: float = 1.0, epsilon: float = 0.25, count: int = 4, trials: int = TRIALS, seed: int = SEED
) -> Detected:
    (found,) = measure_detection([epsilon], [discernible], [count], trials, seed)
    return found


@pytest.fixture(scope="module")
def found() -> list[Detected]:
    return measure_detection()


def test_detection_is_what_the_formula_says_of_every_epsilon_d_and_m(found: list[Detected]):
    points = [(point.epsilon, point.discernible, point.planted) for point in found]
    assert points == [(epsilon, d, count) for epsilon in EPSILONS for d in DISCERNIBLE for count in COUNTS]
    assert [point for point in found if not point.follows] == []


def test_good_answers_are_kept_and_none_has_another_verdict_than_pass(found: list[Detected]):
    for point in found:
        assert point.amiss == ()
        assert point.epsilon in observed(point.passed, RIGHT * TRIALS, 0.9999)


def test_of_wrong_answers_that_were_kept_as_many_are_told_as_d_says(found: list[Detected]):
    for point in found:
        assert point.epsilon in observed(point.kept, point.planted * TRIALS, 0.9999)
        assert point.discernible in observed(point.told, point.kept, 0.9999)
        assert point.told == point.kept or point.discernible < 1


def test_the_page_shows_every_point(found: list[Detected]):
    page = detection_section(found)
    assert page.count("<tr>") == len(found) + 1 and f"{len(found)} of {len(found)} have" in page
    for text in (
        "\N{GREEK SMALL LETTER EPSILON} = 0.25, d = 0.5",
        "wrong answers m",
        "probability that they are found",
    ):
        assert text in page
    assert "must not be" not in page


def test_the_same_seed_gives_the_same():
    assert one(0.5, trials=40) == one(0.5, trials=40) != one(0.5, trials=40, seed=2)


def test_without_wrong_answers_or_with_such_as_nobody_can_tell_nothing_is_found():
    assert one(count=0, trials=40).found == 0
    hidden = one(0.0, trials=40)
    assert hidden.found == hidden.told == 0 and hidden.kept > 0 and hidden.agrees


def test_of_all_pairs_that_are_kept_every_wrong_one_fails_and_every_good_one_passes():
    found = one(epsilon=1.0, trials=10)
    assert (found.found, found.told, found.passed, found.agrees) == (10, 40, 10 * RIGHT, True)


def half(key: bytes, threshold: int, tag: bytes) -> bool:
    return selected(key, threshold // 2, tag)


def test_a_rule_that_keeps_half_as_many_disagrees(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampler, "selected", half)
    monkeypatch.setattr(recomputer_check, "selected", half)
    found = one()
    assert not found.follows and found.share < found.expected and found.amiss == ()


def test_a_sampler_that_keeps_fewer_than_its_rule_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampler, "selected", half)
    found = one(trials=10)
    assert found.amiss and not found.agrees
    assert all("did not come, and was to be kept" in line for line in found.amiss)
    assert "must not be: selection: pair" in detection_section([found])


def test_a_recomputer_that_lets_half_of_the_wrong_answers_pass_disagrees(monkeypatch: pytest.MonkeyPatch):
    honest = TransformerPlugin.judge

    def lenient(self: TransformerPlugin, input: bytes, output: bytes) -> Judgement:
        judged = honest(self, input, output)
        return Judgement(Verdict.PASS, "") if judged.verdict is Verdict.FAIL and sum(input) & 1 else judged

    monkeypatch.setattr(TransformerPlugin, "judge", lenient)
    found = one()
    assert not found.follows and found.share < found.expected and found.told < found.kept


def test_a_recomputer_that_fails_what_it_cannot_tell_disagrees(monkeypatch: pytest.MonkeyPatch):
    honest = TransformerPlugin.judge

    def strict(self: TransformerPlugin, input: bytes, output: bytes) -> Judgement:
        judged = honest(self, input, output)
        return Judgement(Verdict.FAIL, "") if judged.verdict is Verdict.UNVERIFIABLE else judged

    monkeypatch.setattr(TransformerPlugin, "judge", strict)
    found = one(0.5)
    assert not found.follows and found.share > found.expected and found.amiss == ()


def test_a_recomputer_with_other_weights_is_noticed(monkeypatch: pytest.MonkeyPatch):
    model = planted.Transformer(planted.make_weights(6))
    monkeypatch.setattr(recomputer, "make_plugin", lambda setting: TransformerPlugin(model))
    found = one(trials=40)
    assert not found.agrees and all("is good, and has the verdict FAIL" in line for line in found.amiss)
