# SPDX-License-Identifier: Apache-2.0
"""When a flow table ticks, as a watcher can tell from the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from custodes.fingerprint import Record
from custodes.table import Port
from custodes.watch import Limits, Seen
from custodes.watch_beats import NEVER, ends


class Ticks:
    """Ticks at equal distances.

    Args:
        period_ns: from one to the next; 0: there are none.
        zero_ns: one period before the first since reset.
        limits: a tick that falls into the time in which the warden has a frame comes after it.
    """

    def __init__(self, period_ns: int, zero_ns: int, limits: Limits) -> None:
        self._period_ns, self._zero_ns = period_ns, zero_ns
        self._uncertainty_ns, self._late_ns = limits.uncertainty_ns, limits.delay_ns
        self._said: dict[int, int] = {}
        self._zero_after, self._zero_before = -NEVER, NEVER

    def until(self, time_ns: float) -> int:
        """How many there have been since reset."""
        if not self._period_ns:
            return 0
        return max(int((time_ns - self._zero_ns) // self._period_ns), 0)

    def between(self, after_ns: int, until_ns: int) -> Iterator[int]:
        """The times of those after one time, and until another."""
        for number in range(self.until(after_ns) + 1, self.until(until_ns) + 1):
            yield self._zero_ns + number * self._period_ns

    def can_be(self, count: int, after: float, before: float) -> bool:
        """Whether there can have been so many at some time between these."""
        least = 0 if after == -NEVER else self.until(after - self._uncertainty_ns - self._late_ns)
        return count >= least and (before == NEVER or count <= self.until(before + self._uncertainty_ns))

    def in_step(self, count: int, beat: int, since_ns: int | None) -> bool:
        """Whether a record of this beat can say so many, ``since_ns`` after that of beat 0 if that is known: as many as that
        of the other direction, and as others make likely, for ticks and beats have one clock."""
        if self._said.setdefault(beat, count) != count:
            return False
        if since_ns is None or not self._period_ns:
            return True
        after = max(self._zero_after, since_ns - (count + 1) * self._period_ns - self._late_ns)
        before = min(self._zero_before, since_ns - count * self._period_ns)
        if after <= before:
            self._zero_after, self._zero_before = after, before
        return after <= before


def fit(
    period_ns: int, records: Mapping[Port, Sequence[Record]], left: Mapping[Port, Iterable[Seen]], limits: Limits
) -> Ticks:
    """The ticks that explain what the records count: in the middle of the times at which they can have been. Where none do,
    those that explain the records so far.

    Args:
        left: what has left, by where it entered, from the first frame after an anchor of the records on.
    """
    earliest, latest = -NEVER, NEVER
    started: int | None = None
    for direction, said in records.items():
        frames = iter(left[direction])
        following = next(frames, None)
        last = None
        if following is not None:
            started = following.time_ns if started is None else min(started, following.time_ns)
        for record in said[1:] if said and said[0].beat else said:
            for _ in range(record.frames_out):
                last, following = following, next(frames, None)
            if last is not None:
                low = last.time_ns - limits.uncertainty_ns - limits.delay_ns - (record.ticks + 1) * period_ns
                earliest = max(earliest, min(low, latest))
            if following is not None:
                high = max(ends(following)) + limits.uncertainty_ns - record.ticks * period_ns
                latest = min(latest, max(high, earliest))
    if earliest == -NEVER or latest == NEVER:
        return Ticks(period_ns, started or 0, limits)
    return Ticks(period_ns, int(earliest + latest) // 2, limits)
