# SPDX-License-Identifier: Apache-2.0
"""Every number of a record, and the moment at which it was closed, is checked by the watcher; chains agree throughout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from custodes.fingerprint import Flag
from custodes.model.fingerprint import Fingerprint
from custodes.table import Port
from custodes.watch import Seen, Verdict
from custodes.watch_beats import BYTE_PS, Beats
from custodes.watch_epoch import Outcome, check
from tests.host.watch_traces import (
    BATCHES,
    BEAT_NS,
    CYCLE_NS,
    LIMITS,
    NUMBER,
    SLOTS,
    START_NS,
    Trace,
    closed,
    run,
    ticking,
)

ROUNDS = 2
MOVED = 3
"""Records at least of which a frame tells when they end; in batches few frames do."""


BEFORE = 41
PORTS = ((Port.CLUSTER,), (Port.WORLD,), tuple(Port))
Until = Callable[[int], int]


@pytest.fixture(scope="module", params=[None, SLOTS, BATCHES], ids=["at once", "slots", "batches"])
def trace(request: pytest.FixtureRequest) -> Trace:
    return run(schedule=request.param, rounds=ROUNDS)


@pytest.fixture(scope="module")
def ticks() -> tuple[Trace, Until]:
    trace, until = ticking()
    assert found(trace).good and found(trace, beat_ns=None).good
    return trace, until


def found(trace: Trace, **more: object) -> Outcome:
    return check(trace.epoch(**more))


def beats(trace: Trace) -> int:
    return len(trace.records) // len(Port)


def last_byte_ns(seen: Seen) -> int:
    return seen.time_ns + CYCLE_NS * len(seen.frame)


def moved(trace: Trace, ports: tuple[Port, ...], number: int, to_ns: int) -> Trace:
    """The same, with one record of these directions closed at another time."""
    return trace.copy().record(closes=lambda port, beat: to_ns if port in ports and beat == number else closed(beat))


def lied(trace: Trace, name: str, change: int, beat: int, ports: tuple[Port, ...], **more: object) -> Trace:
    """The same, with one number of a record changed before its chain is made."""

    def lie(numbers: dict[str, int], direction: Port, number: int) -> None:
        if direction in ports and number == beat:
            numbers[name] = max(numbers[name] + change, 0)

    return trace.copy().record(lie=lie, **more)  # pyright: ignore


def told(trace: Trace, besides: tuple[Port, int]) -> tuple[int, int]:
    """Between which times the record of beat 0 was closed, as those frames say that leave at all beats but one."""
    low, high = 0, 2 * START_NS
    for direction in Port:
        ended = [last_byte_ns(seen) for seen in trace.left[direction.other]]
        for beat in range(beats(trace)):
            if (direction, beat) != besides:
                low = max([low, *(ns - beat * BEAT_NS for ns in ended if ns <= closed(beat))])
                high = min([high, *(ns - beat * BEAT_NS for ns in ended if ns > closed(beat))])
    return low - 2 * LIMITS.uncertainty_ns, high + 2 * LIMITS.uncertainty_ns


@pytest.mark.parametrize("direction", Port)
@pytest.mark.parametrize("later", [False, True])
def test_a_record_that_ends_one_frame_away_is_a_mismatch(trace: Trace, direction: Port, later: bool):
    """Unless that frame's last byte is so near to the beat that no other frame tells on which side of it."""
    ended = [last_byte_ns(seen) for seen in trace.left[direction.other]]
    tried = 0
    for beat in range(beats(trace) - 1):
        close, (low, high) = closed(beat), told(trace, (direction, beat))
        if later:
            to_ns = min((ns for ns in ended if close < ns <= close + BEAT_NS), default=0)
            tells = to_ns > high + beat * BEAT_NS
        else:
            to_ns = max((ns for ns in ended if close - BEAT_NS < ns <= close), default=START_NS * 2) - 1
            tells = to_ns < low + beat * BEAT_NS
        if tells:
            edited = moved(trace, (direction,), beat, to_ns)
            counts = [
                (one.frames_out, other.frames_out) for one, other in zip(trace.records, edited.records, strict=True)
            ]
            assert sum(abs(one - other) for one, other in counts) == 2
            assert any("was closed at another time" in finding for finding in found(edited).findings), beat
            tried += 1
    assert tried >= MOVED


@pytest.mark.parametrize("ports", PORTS)
def test_a_record_that_ends_half_a_beat_away_is_a_mismatch(trace: Trace, ports: tuple[Port, ...]):
    """Where frames leave meanwhile, or several come: a single one may have been on its way."""
    tried = 0
    for beat in range(1, beats(trace) - 1, 3):
        for shift in (-BEAT_NS // 2, BEAT_NS // 2):
            edited = moved(trace, ports, beat, closed(beat) + shift)
            pairs = [*zip(trace.records, edited.records, strict=True)]
            left = sum(abs(one.frames_out - other.frames_out) for one, other in pairs)
            came = sum(abs(one.frames_in - other.frames_in) for one, other in pairs)
            if left or came > 2 * 2:
                assert not found(edited).records.good, (beat, shift)
                tried += 1
    assert tried > MOVED


def test_a_record_too_much_or_too_few_in_the_middle_is_a_mismatch(trace: Trace):
    for beat in range(1, beats(trace) - 2, 3):
        for more in (-1, 1):

            def closes(direction: Port, number: int, beat: int = beat, more: int = more) -> int:
                return closed(number + (more if number >= beat else 0))

            assert not found(trace.copy().record(closes=closes)).records.good, (beat, more)


def test_records_of_nothing_do_not_stand_for_those_that_are_missing(trace: Trace):
    """As many as there should be, closed one after the other before the first frame."""
    edited = trace.copy().record(closes=lambda _, beat: START_NS)
    assert not any(record.frames_in or record.frames_out for record in edited.records)
    outcome = found(edited)
    assert outcome.records.verdicts[Verdict.MISSING] == len(Port)
    assert f"records are not there after record {beats(trace) - 1}" in outcome.findings[0]


@pytest.mark.parametrize("ports", PORTS)
@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("name", ["epoch", "words"])
def test_a_number_that_is_off_by_one_is_a_mismatch(trace: Trace, name: str, change: int, ports: tuple[Port, ...]):
    """In the first record and the last, and while frames wait for their slots. A word that a frame takes shortly before the
    end may be in the record or not."""
    tried = 0
    for beat in {*range(0, beats(trace), 4), beats(trace) - 1}:
        edited = lied(trace, name, change, beat, ports)
        near = any(abs(time_ns - closed(beat)) < LIMITS.delay_ns for time_ns, _, _ in trace.used)
        if edited.records != trace.records and not (near and name == "words"):
            assert any(f"record {beat} says " in finding for finding in found(edited).findings), beat
            tried += 1
    assert tried >= MOVED


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("beat_ns", [BEAT_NS, None])
@pytest.mark.parametrize("port", Port)
def test_ticks_that_one_direction_has_and_the_other_has_not_are_a_mismatch(
    ticks: tuple[Trace, Until], port: Port, beat_ns: int | None, change: int
):
    trace, until = ticks
    for beat in range(beats(trace)):
        edited = lied(trace, "ticks", change, beat, (port,), ticks=until)
        assert edited.records == trace.records or not found(edited, beat_ns=beat_ns).records.good, beat


@pytest.mark.parametrize("change", [-1, 1])
def test_ticks_that_are_not_in_step_with_the_beats_are_a_mismatch(ticks: tuple[Trace, Until], change: int):
    """Though hardly any frames pass. Only in that record that comes nearest to a tick may it be either."""
    trace, until = ticks
    edits = [lied(trace, "ticks", change, beat, tuple(Port), ticks=until) for beat in range(beats(trace))]
    edits = [edited for edited in edits if edited.records != trace.records]
    assert len(edits) > 20 and sum(found(edited).good for edited in edits) <= 1


@pytest.mark.parametrize("byte_ps", BYTE_PS)
def test_taps_may_take_the_time_of_the_first_byte_or_of_the_last(trace: Trace, byte_ps: int):
    other = trace.copy()
    for port in Port:
        other.left[port] = [
            seen._replace(time_ns=last_byte_ns(seen) - len(seen.frame) * byte_ps // 1000) for seen in trace.left[port]
        ]
    outcome = found(other, timetable=None, limits=replace(LIMITS, delay_ns=20_000))
    assert outcome.records.good, outcome.records.findings


def test_what_is_learned_holds_for_one_way_of_taking_times():
    """Of two records, each of which can be explained, but not in the same way."""
    beats = Beats(BEAT_NS)
    assert beats.learn(0, [0, 0, 100], [10, 10, 110])
    assert not beats.learn(1, [BEAT_NS + 20, BEAT_NS + 20, BEAT_NS], [BEAT_NS + 30, BEAT_NS + 30, BEAT_NS + 90])
    assert beats.learn(1, [BEAT_NS + 5, BEAT_NS + 20, BEAT_NS], [BEAT_NS + 30, BEAT_NS + 30, BEAT_NS + 90])
    assert not beats.learn(2, [2 * BEAT_NS + 11, 2 * BEAT_NS, 2 * BEAT_NS + 100], [3 * BEAT_NS] * 3)
    assert beats.closed(2) == [(2 * BEAT_NS + 5, 2 * BEAT_NS + 10)]


def begun_later(trace: Trace, **numbers: int) -> Trace:
    """The same of a device that has run for a while: a record of before the first frame, and all others after it."""
    later = trace.copy()
    later.records = []
    for port in Port:
        fingerprint = Fingerprint(port, bytes([port + 1] * 32), BEFORE)
        left = iter(trace.left[port.other])
        first = {"epoch": NUMBER, "words": 0} | numbers
        later.records.append(fingerprint.close(**first))
        for record in (one for one in trace.records if one.direction is port):
            for _ in range(record.frames_out):
                fingerprint.leave(next(left).frame)
            later.records.append(fingerprint.close(record.epoch, record.frames_in, record.words, record.ticks))
    return later


def test_the_record_before_the_first_frame_is_one_of_another_epoch_or_of_no_words(trace: Trace):
    assert found(begun_later(trace)).good
    assert found(begun_later(trace, epoch=NUMBER - 1, words=1000)).good
    assert any("says 3 words, not 0" in finding for finding in found(begun_later(trace, words=3)).findings)
    assert any(f"says epoch {NUMBER + 1}" in text for text in found(begun_later(trace, epoch=NUMBER + 1)).findings)
    assert found(begun_later(trace)).records.verdicts[Verdict.AGREES] == len(trace.records)


def test_a_flag_is_a_mismatch_though_the_chain_agrees(trace: Trace):
    for flag in Flag:
        for beat in (0, beats(trace) - 1):
            edited = trace.copy().record(
                lie=lambda numbers, _, number, beat=beat, flag=flag: numbers.update(flags=flag if number == beat else 0)
            )
            assert any("says itself that it is not complete" in finding for finding in found(edited).findings)
