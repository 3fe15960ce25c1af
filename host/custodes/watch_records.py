# SPDX-License-Identifier: Apache-2.0
"""The fingerprint records of a device, each made again from what the taps have seen, and all its numbers accounted for."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from custodes.fingerprint import NO_CHAIN, Flag, Record
from custodes.model.fingerprint import Fingerprint
from custodes.table import MAX_FRAME_BYTES, Port
from custodes.watch import Expected, Finding, Limits, Seen, Tally, Verdict
from custodes.watch_ticks import Ticks

BYTE_NS = 8
"""At 1 Gbit/s: what a frame takes from its first byte to its last, at most."""
UNTAKEN = 1
"""Records of each direction that may not have been taken from the device yet when the taps end."""
LATE = 1
"""Beats that may pass between the taps' first frame and the moment when the device is told how long a beat is."""


class Beats:
    """When records were closed, as far as the frames tell that are in them.

    A record of either direction was closed after every frame in it and before any that is not; ``beat_ns`` apart, if that is
    known.
    """

    def __init__(self, beat_ns: int | None) -> None:
        self._beat_ns = beat_ns
        self._between: dict[int, tuple[float, float]] = {}

    def bound(self, beat: int, after: float, before: float) -> tuple[float, float] | None:
        """Record ``beat`` was closed between these times. Returns what is known of it then; None: that cannot be."""
        key, offset = (beat, 0) if self._beat_ns is None else (0, beat * self._beat_ns)
        known = self._between.get(key, (-float("inf"), float("inf")))
        found = max(known[0], after - offset), min(known[1], before - offset)
        if found[0] > found[1]:
            return None
        self._between[key] = found
        return found[0] + offset, found[1] + offset


class Ledger:
    """Checks the records of one direction while its frames pass.

    Args:
        records: those there are, in order. The first is taken as it is unless it is the first of a device: the taps begin
            after it.
        epoch: that they have to say.
        ticks: when the flow table has ticked.

    Members:
        count: how many of the records are checked. last_beat: of the last; -1: there is none.
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
        self._in: deque[tuple[int, int]] = deque()  # time, and words used then
        self._out: deque[tuple[Seen, int]] = deque()
        self._used_in = self._used_out = 0  # of the last that is in a record, and for certain
        self._in_ns = self._out_ns = -float("inf")
        self._unbounded_in: list[Record] = []
        self._unbounded_out: list[Record] = []
        self._last: Record | None = None
        self._lost = False
        self.last_beat = records[-1].beat if records else -1
        if self._records and self._records[0].beat:
            self._last = self._records.popleft()
            self._used_in = self._used_out = self._last.words
        self.count = len(self._records)

    def entered(self, time_ns: int, used: int) -> None:
        """A frame was sent; ``used`` words have been used by it and those before it."""
        self._bound(self._unbounded_in, self._in_ns, time_ns + self._limits.delay_ns)
        self._in.append((time_ns, used))
        self._close_what_can()

    def left(self, seen: Seen, expected: Expected | None) -> None:
        """A frame has left."""
        self._bound(self._unbounded_out, self._out_ns, seen.time_ns)
        self._out.append((seen, expected.used if expected else 0))
        self._close_what_can()

    def finish(self) -> None:
        """Nothing more comes. What has passed after the last record is in none."""
        self._close_what_can()
        if self._records and not self._lost:
            record = self._records[0]
            if len(self._out) < record.frames_out:
                missing = record.frames_out - len(self._out)
                self._find(record, Verdict.MISSING, f"is of {missing} frames more than the taps have seen leave")
            else:
                missing = record.frames_in - len(self._in)
                self._find(record, Verdict.MISSING, f"is of {missing} frames more than the taps have seen come")

    def want(self, count: int, last_beat: int) -> None:
        """There should have been so many records, and one of that beat."""
        missing = max(count - self.count, last_beat - self.last_beat)
        if missing > 0 and not self._lost:
            after = "" if self.last_beat < 0 else f" after record {self.last_beat}"
            self._tally.find(
                Finding(Verdict.MISSING, self.direction.other, 0, f"at least {missing} records are not there{after}")
            )

    @property
    def after(self) -> int:
        """Frames that have left after the last record."""
        return len(self._out)

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
            self._out_ns = seen.time_ns
            self._used_out = max(self._used_out, used)
        for _ in range(record.frames_in):
            self._in_ns, self._used_in = self._in.popleft()
        made = fingerprint.close(record.epoch, record.frames_in, record.words, record.ticks, record.flags)
        least = max(self._used_out, 0 if last is None else last.words)
        problems = [
            text
            for text, found in (
                ("says itself that it is not complete", bool(record.flags & (Flag.OVERFLOW | Flag.LOST))),
                ("has another chain than what has left makes", made != record),
                (f"says epoch {record.epoch}, not {self._epoch}", record.epoch != self._epoch),
                (
                    f"says {record.words} words, not {_between(least, self._used_in)}",
                    not least <= record.words <= self._used_in,
                ),
                ("has fewer ticks than the record before it", last is not None and record.ticks < last.ticks),
            )
            if found
        ]
        self._last = record
        if problems:
            self._find(record, Verdict.MISMATCH, "; ".join(problems))
        else:
            self._tally.agrees()
        self._unbounded_in.append(record)
        self._unbounded_out.append(record)
        if self._in:
            self._bound(self._unbounded_in, self._in_ns, self._in[0][0] + self._limits.delay_ns)
        if self._out:
            self._bound(self._unbounded_out, self._out_ns, self._out[0][0].time_ns)

    def _bound(self, unbounded: list[Record], after: float, before_ns: int) -> None:
        """The next frame is in none of these records, and the one at ``after`` in the last of them."""
        slack = self._limits.uncertainty_ns
        frame_ns = BYTE_NS * MAX_FRAME_BYTES
        for record in unbounded:
            known = self._beats.bound(record.beat, after - slack, before_ns + frame_ns + slack)
            if known is None:
                self._find(record, Verdict.MISMATCH, "was closed at another time than the frames in it and beats say")
            elif not self._ticks.can_be(record.ticks, *known):
                self._find(record, Verdict.MISMATCH, f"says {record.ticks} ticks")
        unbounded.clear()

    def _find(self, record: Record, verdict: Verdict, what: str) -> None:
        port = self.direction.other
        self._tally.find(Finding(verdict, port, 0, f"record {record.beat} {what}"))


def _between(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def want_records(ledgers: Collection[Ledger], beat_ns: int | None, elapsed_ns: int) -> None:
    """Find out which records are not there at the end, where the taps have been open for ``elapsed_ns``: each direction has
    one for every beat, and as many as the other."""
    beats = 0 if beat_ns is None else elapsed_ns // beat_ns
    last = max((ledger.last_beat for ledger in ledgers), default=-1)
    for ledger in ledgers:
        ledger.want(beats - UNTAKEN - LATE, last - UNTAKEN)
