# SPDX-License-Identifier: Apache-2.0
"""Records that are not there at the end of an epoch, after which nothing else would miss them."""

from __future__ import annotations

import pytest

from custodes.table import Port
from custodes.watch import Verdict
from custodes.watch_epoch import Outcome, check
from tests.host.watch_traces import Trace, run


@pytest.fixture(scope="module")
def honest() -> Trace:
    return run()


def kept(trace: Trace, count: dict[Port, int], beat: bool) -> Outcome:
    """What is found where only the first records of each direction are there, and of beats it is known how long they are or
    not."""
    found = trace.copy()
    found.records = [
        record for port in Port for record in [one for one in trace.records if one.direction is port][: count[port]]
    ]
    return check(found.epoch() if beat else found.epoch(beat_ns=None))


def counts(trace: Trace, cluster: int, world: int) -> dict[Port, int]:
    """All records but so many."""
    beats = len(trace.records) // len(Port)
    return {Port.CLUSTER: beats - cluster, Port.WORLD: beats - world}


@pytest.mark.parametrize("beat", [True, False])
@pytest.mark.parametrize("port", Port)
def test_all_records_of_one_direction_are_missing(honest: Trace, port: Port, beat: bool):
    outcome = kept(honest, counts(honest, 0, 0) | {port: 0}, beat)
    assert outcome.records.verdicts[Verdict.MISSING] == 1 and not outcome.good
    assert outcome.records.findings[-1].port is port.other


@pytest.mark.parametrize("beat", [True, False])
def test_records_of_one_direction_end_too_early(honest: Trace, beat: bool):
    outcome = kept(honest, counts(honest, 0, 2), beat)
    (finding,) = outcome.records.findings
    assert "at least 1 records are not there after record" in finding.text


def test_records_of_both_directions_end_too_early(honest: Trace):
    assert not kept(honest, counts(honest, 5, 5), beat=True).good
    assert not kept(honest, dict.fromkeys(Port, 0), beat=True).good


@pytest.mark.parametrize("beat", [True, False])
def test_the_last_record_of_a_direction_may_not_have_been_taken_yet(honest: Trace, beat: bool):
    assert kept(honest, counts(honest, 0, 1), beat).good
    assert kept(honest, counts(honest, 1, 1), beat).good
