# SPDX-License-Identifier: Apache-2.0
"""The watcher: an honest warden agrees, and each way of not being one is called what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custodes.model import Warden
from custodes.model.entropy import Words
from custodes.retimer import Schedule
from custodes.table import Port
from custodes.watch import Limits, Seen
from custodes.watch_epoch import Outcome, check
from custodes.watch_schedule import Clock, Timetable
from tests.frames import POLICY, Arp, Frame, Ip4
from tests.host.model.passage import SEED, SYN, C, Talk, W
from tests.host.watch_traces import (
    BATCHES,
    BEAT_NS,
    LIMITS,
    NUMBER,
    SIZE,
    SLOTS,
    START_NS,
    Tapped,
    Trace,
    retimed,
    run,
    ticking,
)

SCHEDULES = (None, SLOTS, replace(SLOTS, policy=1), BATCHES)


@pytest.fixture(scope="module")
def honest() -> Trace:
    return run()


def found(trace: Trace, **more: object) -> Outcome:
    return check(trace.epoch(**more))


def first(trace: Trace, **more: object) -> str:
    """The first finding of a run that does not agree."""
    outcome = found(trace, **more)
    assert not outcome.good
    return outcome.findings[0]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_honest_warden_agrees(schedule: Schedule | None):
    trace = run(schedule=schedule, rounds=3)
    outcome = found(trace)
    assert outcome.good, outcome.findings
    assert outcome.to_json()["frames"] == {"agrees": sum(map(len, trace.left.values())), "missing": 0, "mismatch": 0}
    assert outcome.to_json()["records"] == {"agrees": len(trace.records), "missing": 0, "mismatch": 0}
    assert outcome.used == trace.used[-1][1:]
    assert outcome.sent == {port: len(trace.sent[port]) for port in Port}


@pytest.mark.parametrize("schedule", [SLOTS, BATCHES])
def test_the_phase_of_a_schedule_may_be_taken_from_what_leaves(schedule: Schedule):
    trace = run(schedule=schedule)
    assert trace.timetable is not None
    assert found(trace, timetable=replace(trace.timetable, origin_ns=None)).good


def test_a_clock_that_drifts_is_followed_as_far_as_it_may():
    trace = run(schedule=SLOTS, rounds=3)
    assert trace.timetable is not None
    trace.left[W] = [Seen(seen.time_ns + (seen.time_ns - START_NS) // 20_000, seen.frame) for seen in trace.left[W]]
    assert not found(trace, beat_ns=None).good
    assert found(trace, beat_ns=None, timetable=replace(trace.timetable, drift_ppm=60)).good
    assert not found(trace, beat_ns=None, timetable=replace(trace.timetable, drift_ppm=20)).good


def test_a_clock_follows_no_faster_than_it_may_drift():
    clock = Clock(1000, 125_000_000, 100)
    assert clock.at(125) == 2000 and clock.cycle(2000) == 125
    clock.follow(1_001_000, 1_001_500)
    assert clock.at(125_000) == 1_001_100


def test_a_changed_bit_is_a_mismatch_where_it_is(honest: Trace):
    trace = honest.copy()
    seen = trace.left[W][3]
    trace.left[W][3] = seen._replace(frame=seen.frame[:20] + bytes([seen.frame[20] ^ 4]) + seen.frame[21:])
    text = first(trace)
    assert text.startswith("mismatch: to world, frame 4 differs from byte 20 on: ")
    assert found(trace).frames.verdicts.total() == found(honest).frames.verdicts.total()


def test_a_frame_that_does_not_leave_is_missing(honest: Trace):
    trace = honest.copy()
    del trace.left[C][5]
    assert first(trace).startswith("missing: to cluster, what becomes of frame ")


def test_a_frame_that_should_not_leave_is_a_mismatch(honest: Trace):
    trace = honest.copy()
    trace.left[C].insert(4, trace.left[C][4]._replace(frame=bytes(77)))
    assert first(trace) == "mismatch: to cluster, frame 5 of 77 bytes should not leave"


def test_a_frame_that_leaves_twice_is_a_mismatch(honest: Trace):
    trace = honest.copy()
    trace.left[C].insert(4, trace.left[C][4])
    assert found(trace.record()).to_json()["frames"]["mismatch"] == 1


def test_a_frame_that_is_overtaken_is_a_mismatch(honest: Trace):
    trace = honest.copy()
    one, other = trace.left[C][2:4]
    trace.left[C][2:4] = [other._replace(time_ns=one.time_ns), one._replace(time_ns=other.time_ns)]
    assert not found(trace).good
    late = honest.copy()
    late.left[C][2:4] = [other, one._replace(time_ns=other.time_ns)]
    assert "frame 4 leaves after others that came later" in first(late, limits=Limits(200, 50_000))


def test_a_frame_that_leaves_too_late_or_before_it_came_is_a_mismatch(honest: Trace):
    for shift, text in ((60_000, "leaves later than it may"), (-10_000, "leaves before it has come")):
        trace = honest.copy()
        trace.left[W][-1] = trace.left[W][-1]._replace(time_ns=trace.left[W][-1].time_ns + shift)
        assert any(text in finding for finding in found(trace).findings)


def test_times_of_a_schedule_are_checked():
    trace = run(schedule=SLOTS)
    for shift in (-200, 200, 5000):
        edited = trace.copy()
        edited.left[W][9] = edited.left[W][9]._replace(time_ns=edited.left[W][9].time_ns + shift)
        assert any("at a time that is not in the schedule" in finding for finding in found(edited).findings)
    inside = trace.copy()
    inside.left[W][9] = inside.left[W][9]._replace(time_ns=inside.left[W][9].time_ns + 90)
    assert found(inside).good


@pytest.mark.parametrize("schedule", [SLOTS, BATCHES])
def test_a_changed_frame_does_not_make_all_after_it_wrong(schedule: Schedule):
    """When it came is not known from itself: in a few cases another slot is likely, and is then wrong, too."""
    trace = run(schedule=schedule, rounds=2)
    frames = [number for number, seen in enumerate(trace.left[W]) if seen.frame[12:14] != b"\x88\xb5"]
    mismatches = []
    for number in frames[1:-1]:
        edited = trace.copy()
        frame = edited.left[W][number].frame
        edited.left[W][number] = edited.left[W][number]._replace(frame=frame[:20] + bytes([frame[20] ^ 4]) + frame[21:])
        mismatches.append(found(edited.record()).to_json()["frames"]["mismatch"])
    assert set(mismatches) <= {1, 2}
    assert mismatches.count(1) > 0.8 * len(mismatches)


def test_a_changed_frame_is_not_taken_for_a_later_one_that_is_the_same():
    passage = Tapped(Warden(POLICY, Words(SEED)), gap_ns=400_000)
    for _ in range(8):
        passage.send(C, Frame(Arp()).pack())
    left = retimed(passage.left[W], SLOTS, 0, passage.now_ns)
    trace = Trace(
        passage.sent, passage.left | {W: left}, passage.used, timetable=Timetable(SLOTS, SIZE, origin_ns=START_NS)
    )
    number = [number for number, seen in enumerate(left) if seen.frame[12:14] == b"\x08\x06"][3]
    left[number] = left[number]._replace(frame=bytes([left[number].frame[0] ^ 4]) + left[number].frame[1:])
    outcome = found(trace.record())
    assert len(outcome.findings) == 1 and f"frame {number + 1} differs from byte 0 on" in outcome.findings[0]


def test_words_of_another_seed_are_a_mismatch(honest: Trace):
    assert "differs from byte" in first(honest, seed=bytes(32))
    assert first(honest, seed=None).startswith("mismatch: to ")


def test_words_that_were_used_are_counted(honest: Trace):
    cluster, world = honest.used[-1][1:]
    assert found(honest, used=(cluster, world)).good
    text = first(honest, used=(cluster + 1, world))
    assert f"says that {cluster + 1} and {world} words were used; the frames use {cluster} and {world}" in text


def test_records_must_be_of_this_epoch(honest: Trace):
    assert f"record 0 says epoch {NUMBER}, not {NUMBER + 1}" in first(honest, number=NUMBER + 1)


def test_a_record_of_frames_that_the_taps_have_not_seen_is_missing(honest: Trace):
    trace = honest.copy()
    del trace.left[W][-1]
    assert any("frames more than the taps have seen leave" in finding for finding in found(trace).findings)


def test_without_records_frames_alone_are_checked(honest: Trace):
    outcome = found(honest, records=None)
    assert outcome.good and outcome.to_json()["records"] is None


def test_the_beat_is_checked(honest: Trace):
    assert not found(honest, beat_ns=BEAT_NS // 2).records.good
    assert found(honest, beat_ns=None).good


def simultaneous(gap_ns: int, swapped: bool) -> Trace:
    """A refused segment of the world and the SYN that makes its flow, closer to one another than the taps can tell."""
    passage = Tapped(Warden(POLICY, Words(SEED)))
    talk = Talk(passage, C, client=300)
    syn = Frame(Ip4(talk.from_client(SYN), C)).pack()
    early = Frame(Ip4(Talk(passage, W, client=80, server=300).from_client(SYN), W)).pack()
    order = [(C, syn), (W, early)]
    for side, frame in order:
        passage.send(side, frame)
    trace = Trace(passage.sent, passage.left, passage.used)
    base = trace.sent[C][0].time_ns
    trace.sent[W][0] = trace.sent[W][0]._replace(time_ns=base + (-gap_ns if swapped else gap_ns))
    trace.left[C] = [seen._replace(time_ns=base + 3000) for seen in trace.left[C]]
    trace.left[W] = [seen._replace(time_ns=base + 3000) for seen in trace.left[W]]
    trace.records = []
    return trace


def test_an_order_that_the_taps_do_not_tell_is_taken_as_it_explains_what_has_left():
    close = found(simultaneous(LIMITS.uncertainty_ns, swapped=True), records=None)
    assert close.good and close.swapped == 1
    assert found(simultaneous(LIMITS.uncertainty_ns, swapped=False), records=None).swapped == 0
    far = found(simultaneous(LIMITS.uncertainty_ns + 1, swapped=True), records=None)
    assert not far.good and far.swapped == 0


def test_ticks_are_placed_where_the_records_say():
    trace, until = ticking()
    assert trace.used[-1][1:] == (2, 0), "the flow has grown too old at the end"
    outcome = found(trace)
    assert outcome.good, outcome.findings
    assert not found(trace, policy=POLICY).good
    wrong = trace.copy().record(ticks=lambda time_ns: until(time_ns) + (time_ns > START_NS + 2_000_000))
    assert not found(wrong).records.good
