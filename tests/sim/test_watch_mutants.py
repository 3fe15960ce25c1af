# SPDX-License-Identifier: Apache-2.0
"""Every mutant of the border's gateware that shows itself is caught by a watcher."""

from __future__ import annotations

from collections import Counter

import pytest

from custodes.table import Port
from custodes.watch import Verdict
from custodes.watch_epoch import check
from sim.mutants import Mutants, read_list
from tests.sim.mutant_border import build, conversation, run

MUTANTS = Mutants(120)
AT_LEAST = 50
"""Mutants that are caught; about three of eight change nothing that this conversation brings to light."""


def test_every_mutant_that_shows_itself_is_caught(capsys: pytest.CaptureFixture[str]):
    """What an honest border shows agrees. A mutant that shows anything else, a bit of a frame, a cycle or a record, must
    not, unless all that it does is to take longer than an honest one and no longer than a warden may. Where frames do not
    come, they are missing."""
    library, sent = build(MUTANTS), conversation()
    honest = run(library, 0, sent)
    outcome = check(honest.epoch(sent, honest.origin))
    assert outcome.good, outcome.findings
    assert {record.direction for record in honest.records} == set(Port) and len(honest.records) == 6
    assert honest.records[-1].ticks > honest.records[0].ticks
    count, missed, silent = Counter[str](), list[str](), list[str]()
    for number, mutant in enumerate(read_list(library), 1):
        shown = run(library, number, sent)
        if shown == honest:
            count["same"] += 1
            continue
        outcome = check(shown.epoch(sent, honest.origin))
        if outcome.good and shown.delayed(honest) and len(shown.records) == len(honest.records):
            count["slow"] += 1
        elif outcome.good:
            missed.append(mutant.describe())
        else:
            count["caught"] += 1
        fewer = any(len(shown.left[port]) < len(honest.left[port]) for port in Port)
        if fewer and not outcome.frames.verdicts[Verdict.MISSING]:
            silent.append(mutant.describe())
    with capsys.disabled():
        told = f" {count['caught']} of {count['caught'] + len(missed)} mutants caught"
        print(f"{told}, {count['same']} show nothing, {count['slow']} are slow within limits", end="")
    assert missed == [] and silent == []
    assert count["caught"] >= AT_LEAST
