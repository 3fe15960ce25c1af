# SPDX-License-Identifier: Apache-2.0
"""The fingerprint records of a device, each made again from what the taps have seen, and all its numbers accounted for."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

from custodes.fingerprint import NO_CHAIN, Flag, Record
from custodes.model.fingerprint import Fingerprint
from custodes.table import Port
from custodes.watch import Expected, Finding, Limits, Seen, Tally, Verdict
from custodes.watch_beats import BYTE_PS, NEVER, Beats, ends
from custodes.watch_ticks import Ticks

UNTAKEN = 1
"""Records of each direction that may not have been taken from the device yet when the taps end."""
LATE = 1
"""Beats that may pass between the taps' first frame and the moment when the device is told how long a beat is."""


class Came(NamedTuple):
    """A frame that was sent: when, the latest time at which its last byte is in the device, and the words used then."""

    time_ns: int
    latest_ns: int
    used: int


class Checked(NamedTuple):
    """A record whose frames are known: what is wrong with it, and between how many words it may count."""

    record: Record
    problems: list[str]
    least: int
    most: int


class Ledger:
    """Checks the records of one direction while its frames pass.

    Args:
        records: those there are, in order. If the first is not the first of a device, the taps begin after it, and no more
            of it is checked than its epoch, words, ticks and time.
        epoch: that they have to say.
        beats: when records were closed; of both directions.
        ticks: when the flow table has ticked.

    Members:
        last_beat: of the last record; -1: there is none.
    """

    def __init__(
        self,
        direction: Port,
        records: Sequence[Record],
        epoch: int,
        limits: Limits,
        beats: Beats,
        ticks: Ticks,
        tally: Tally,
    ) -> None:
        self.direction = direction
        self._records = deque(records)
        self._epoch, self._limits, self._beats, self._ticks, self._tally = epoch, limits, beats, ticks, tally
        self._in: deque[Came] = deque()
        self._out: deque[tuple[Seen, int]] = deque()
        self._used_in = self._used_out = 0  # of the last that is in a record, and for certain
        self._after_in = self._after_out = [-NEVER] * len(BYTE_PS)
        self._used_ns, self._used = array("q"), array("q")  # when words were used, and how many then
        self._checked: list[Checked] = []
        self._unbounded_in: list[Checked] = []
        self._unbounded_out: list[Checked] = []
        self._last: Record | None = None
        self._lost = False
        self.last_beat = records[-1].beat if records else -1
        self._anchored = bool(records) and records[0].beat > 0
        self._count = len(records) - self._anchored
        if self._anchored:
            self._anchor(self._records.popleft())

    def entered(self, seen: Seen, used: int) -> None:
        """A frame was sent; ``used`` words have been used by it and those before it."""
        came = Came(seen.time_ns, max(ends(seen)) + self._limits.delay_ns, used)
        if used > (self._used[-1] if self._used else 0):
            self._used_ns.append(came.time_ns)
            self._used.append(used)
        self._bound_in(came)
        self._in.append(came)
        self._close_what_can()

    def left(self, seen: Seen, expected: Expected | None) -> None:
        """A frame has left."""
        self._bound_out(seen)
        self._out.append((seen, expected.used if expected else 0))
        self._close_what_can()

    def finish(self) -> None:
        """Nothing more comes. What has passed after the last record is in none."""
        self._close_what_can()
        self._bound_in(None)
        self._bound_out(None)
        if self._records and not self._lost:
            record = self._records[0]
            if len(self._out) < record.frames_out:
                missing = record.frames_out - len(self._out)
                self._find(record, Verdict.MISSING, f"is of {missing} frames more than the taps have seen leave")
            else:
                missing = record.frames_in - len(self._in)
                self._find(record, Verdict.MISSING, f"is of {missing} frames more than the taps have seen come")

    def judge(self) -> None:
        """Say of each record what it is, now that all is known of the moments at which records were closed."""
        for checked in self._checked:
            record, problems, least, most = checked
            closed = self._beats.closed(record.beat)
            slack = self._limits.uncertainty_ns
            least = max(least, self._used_at(min(low for low, _ in closed) - self._limits.delay_ns - slack))
            if not least <= record.words <= most:
                problems.append(f"says {record.words} words, not {_between(least, most)}")
            if not any(self._ticks.can_be(record.ticks, *between) for between in closed) or not self._in_step(record):
                problems.append(f"says {record.ticks} ticks")
            if problems:
                self._find(record, Verdict.MISMATCH, "; ".join(problems))
            elif not (self._anchored and checked is self._checked[0]):
                self._tally.agrees()

    def want(self, missing: int) -> None:
        """So many records should be there after the last."""
        if missing > 0 and not self._lost:
            after = "" if self.last_beat < 0 else f" after record {self.last_beat}"
            self._tally.find(
                Finding(Verdict.MISSING, self.direction.other, 0, f"at least {missing} records are not there{after}")
            )

    def overdue(self, first_ns: int, last_ns: int) -> int:
        """Beats that have passed after the last record, at least, where the taps were open between these times."""
        beat_ns = self._beats.beat_ns
        if beat_ns is None:
            return 0
        closed_ns = max(high for _, high in self._beats.closed(self.last_beat))
        return int((last_ns - min(closed_ns, first_ns + (self._count + LATE) * beat_ns)) // beat_ns)

    def _anchor(self, record: Record) -> None:
        """The record before the taps' first frame. No word of this epoch had been used then."""
        own = record.epoch == self._epoch
        problems = [f"says epoch {record.epoch}, not {self._epoch}"] if record.epoch > self._epoch else []
        self._keep(Checked(record, problems, 0, 0 if own else record.words))

    def _close_what_can(self) -> None:
        while self._records and not self._lost:
            record = self._records[0]
            if len(self._in) < record.frames_in or len(self._out) < record.frames_out:
                return
            self._records.popleft()
            self._check(record)

    def _check(self, record: Record) -> None:
        last = self._last
        if record.beat != (0 if last is None else last.beat + 1):
            self._lost = True
            self._find(record, Verdict.MISSING, "does not follow the record before it")
            return
        fingerprint = Fingerprint(self.direction, NO_CHAIN if last is None else last.chain, record.beat)
        for _ in range(record.frames_out):
            seen, used = self._out.popleft()
            fingerprint.leave(seen.frame)
            self._after_out = ends(seen)
            self._used_out = max(self._used_out, used)
        for _ in range(record.frames_in):
            came = self._in.popleft()
            self._used_in = came.used
            self._after_in = [came.time_ns] * len(BYTE_PS)
        made = fingerprint.close(record.epoch, record.frames_in, record.words, record.ticks, record.flags)
        problems = [
            text
            for text, found in (
                ("says itself that it is not complete", bool(record.flags & (Flag.OVERFLOW | Flag.LOST))),
                ("has another chain than what has left makes", made != record),
                (f"says epoch {record.epoch}, not {self._epoch}", record.epoch != self._epoch),
                ("has fewer ticks than the record before it", last is not None and record.ticks < last.ticks),
            )
            if found
        ]
        before = last.words if last is not None and last.epoch == record.epoch else 0
        self._keep(Checked(record, problems, max(self._used_out, before), self._used_in))
        if self._in:
            self._bound_in(self._in[0])
        if self._out:
            self._bound_out(self._out[0][0])

    def _keep(self, checked: Checked) -> None:
        self._last = checked.record
        for kept in (self._checked, self._unbounded_in, self._unbounded_out):
            kept.append(checked)

    def _bound_in(self, following: Came | None) -> None:
        before = NEVER if following is None else following.latest_ns
        self._bound(self._unbounded_in, self._after_in, [before] * len(BYTE_PS))

    def _bound_out(self, following: Seen | None) -> None:
        if self._unbounded_out:
            before = [NEVER] * len(BYTE_PS) if following is None else ends(following)
            self._bound(self._unbounded_out, self._after_out, before)

    def _bound(self, unbounded: list[Checked], after: Sequence[float], before: Sequence[float]) -> None:
        """The next frame is in none of these records, and the one before it in the first of them."""
        slack = self._limits.uncertainty_ns
        for record, problems, _, _ in unbounded:
            if not self._beats.learn(record.beat, [one - slack for one in after], [one + slack for one in before]):
                problems.append("was closed at another time than the frames in it and beats say")
        unbounded.clear()

    def _used_at(self, time_ns: float) -> int:
        """Words of the frames that were sent until then."""
        count = 0 if time_ns == -NEVER else bisect_right(self._used_ns, time_ns)
        return self._used[count - 1] if count else 0

    def _in_step(self, record: Record) -> bool:
        beat_ns = self._beats.beat_ns
        return self._ticks.in_step(record.ticks, record.beat, None if beat_ns is None else record.beat * beat_ns)

    def _find(self, record: Record, verdict: Verdict, what: str) -> None:
        port = self.direction.other
        self._tally.find(Finding(verdict, port, 0, f"record {record.beat} {what}"))


def _between(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def finish_records(ledgers: Collection[Ledger], first_ns: int, last_ns: int) -> None:
    """Judge the records of both directions, and find out which are not there, where the taps were open between these times:
    each direction has one for every beat, and as many as the other."""
    for ledger in ledgers:
        ledger.finish()
    last = max((ledger.last_beat for ledger in ledgers), default=-1)
    for ledger in ledgers:
        ledger.judge()
        ledger.want(max(ledger.overdue(first_ns, last_ns), last - ledger.last_beat) - UNTAKEN)
