# SPDX-License-Identifier: Apache-2.0
"""Every sabotaged warden is caught."""

from __future__ import annotations

from itertools import chain

import pytest

from custodes.watch_epoch import check
from tests.host.watch_sabotage import edits
from tests.host.watch_traces import BATCHES, SLOTS, run
from tests.host.watch_wardens import wardens

AT_LEAST = 200
EQUIVALENT = {
    "by slots, frame 51 to world after the next": "it was sent so shortly before a slot that an honest"
    " warden may need, within its bounds, until the next"
}
"""Sabotages after which everything is as it may be after an honest run, and why."""


def test_every_sabotaged_warden_is_caught(capsys: pytest.CaptureFixture[str]):
    for schedule in (None, SLOTS, BATCHES):
        assert check(run(schedule=schedule).epoch()).good
    total, missed = 0, list[str]()
    for sabotage in chain(edits(), wardens()):
        total += 1
        if check(sabotage.trace.epoch()).good:
            missed.append(sabotage.name)
    caught = total - len(missed)
    with capsys.disabled():
        print(f" {caught} of {total} sabotaged wardens caught, {len(EQUIVALENT)} equivalent", end="")
    assert missed == [*EQUIVALENT], missed
    assert total - len(EQUIVALENT) >= AT_LEAST
