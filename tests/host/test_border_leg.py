# SPDX-License-Identifier: Apache-2.0
"""The border's part of the demo: when it is good, and what its page says. `tests.sim.test_border_leg` has a device."""

from __future__ import annotations

import json

import pytest

from custodes.border_leg import BorderLeg, border_lanes
from custodes.border_page import border_section
from custodes.errors import MismatchError
from custodes.leak import Leak, judge_leaks
from tests.host.fake_leg import FINDING, leg
from tests.host.test_demo import Reader

GOOD = "border: 2 of 2 watchers agree with the device, 2 of 2 catch the sabotaged one"
BAD = [
    (leg(honest=(True, False)), "border: 1 of 2 watchers agree with the device, 2 of 2 catch the sabotaged one"),
    (leg(sabotaged=(True, False)), "border: 2 of 2 watchers agree with the device, 1 of 2 catch the sabotaged one"),
    (leg(alarms=("a record is lost",)), f"{GOOD}; a record is lost"),
    (leg(same=False), f"{GOOD}; they do not have the same words"),
]


def test_it_is_good_where_all_agree_and_all_catch_the_sabotage():
    assert leg().agrees and leg().verdict == GOOD
    leg().judge()


@pytest.mark.parametrize(("bad", "verdict"), BAD)
def test_anything_else_is_a_mismatch_that_is_told(bad: BorderLeg, verdict: str):
    with pytest.raises(MismatchError) as raised:
        bad.judge()
    assert str(raised.value) == verdict


def test_the_page_says_what_was_sabotaged_and_who_has_found_it():
    text = Reader(border_section(leg())).text
    assert "frame 5 of the capture leaves with TTL 65 in place of 64" in text
    assert text.count(FINDING) == 2
    assert "Both watchers agree with the device" in text and "Caught by both watchers" in text
    assert "20 frames and 6 records agree, nothing is missing" in text
    assert "3 of 18" in text
    assert border_section(leg()).count('class="verdict"') == 2


@pytest.mark.parametrize(("bad", "verdict"), BAD)
def test_the_page_shows_what_is_not_good(bad: BorderLeg, verdict: str):
    assert 'class="verdict bad"' in border_section(bad)


def test_people_and_programs_are_told_the_same():
    found = leg().to_json()
    facts = [value for _, value in leg().facts()]
    assert found["agrees"] and json.dumps(found)
    assert found["sabotage"] in facts
    for crossing in (found["honest"], found["sabotaged"]):
        for watcher in crossing["watchers"]:
            assert any(fact.startswith(watcher["verdict"]) for fact in facts)
    assert found["honest"]["left"] == {"cluster": 2, "world": 3}


def test_a_channel_over_its_bound_is_a_mismatch():
    good = Leak("count", "slot", 100, 1.0, 0.0, "slot", 1.0, 1.0, 1.0)
    judge_leaks([good])
    with pytest.raises(MismatchError, match="count through slot"):
        judge_leaks([good, Leak("count", "slot", 100, 1.5, 0.0, "slot", 1.0, 1.0, 1.0)])


@pytest.mark.parametrize(("asked", "lanes"), [(1, 1), (8, 8), (64, 8)])
def test_a_border_has_as_many_lanes_as_there_is_one_with(asked: int, lanes: int):
    assert border_lanes(asked) == lanes
