# SPDX-License-Identifier: Apache-2.0
"""When a flow table ticks, as a watcher can tell from the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from custodes.fingerprint import Record
from custodes.table import Port
from custodes.watch import Limits


class Ticks:
    """Ticks at equal distances.

    Args:
        period_ns: from one to the next; 0: there are none.
        zero_ns: one period before the first since reset.
    """

    def __init__(self, period_ns: int, zero_ns: int, uncertainty_ns: int) -> None:
        self._period_ns, self._zero_ns, self._uncertainty_ns = period_ns, zero_ns, uncertainty_ns

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
        infinite = float("inf")
        least = 0 if after == -infinite else self.until(after - self._uncertainty_ns)
        return count >= least and (before == infinite or count <= self.until(before + self._uncertainty_ns))


def fit(
    period_ns: int, records: Mapping[Port, Sequence[Record]], left: Mapping[Port, Iterable[int]], limits: Limits
) -> Ticks:
    """The ticks that explain what the records count: in the middle of the times at which they can have been. Where none do,
    those that explain the records so far.

    Args:
        left: when frames have left, by where they entered, from the first after an anchor of the records on.
    """
    earliest, latest = -float("inf"), float("inf")
    started: int | None = None
    for direction, said in records.items():
        times = iter(left[direction])
        following = next(times, None)
        last = None
        started = following if started is None or (following is not None and following < started) else started
        for record in said[1:] if said and said[0].beat else said:
            for _ in range(record.frames_out):
                last, following = following, next(times, None)
            if last is not None:
                low = last - limits.uncertainty_ns - (record.ticks + 1) * period_ns
                earliest = max(earliest, min(low, latest))
            if following is not None:
                high = following + limits.uncertainty_ns - record.ticks * period_ns
                latest = min(latest, max(high, earliest))
    if earliest == -float("inf") or latest == float("inf"):
        return Ticks(period_ns, started or 0, limits.uncertainty_ns)
    return Ticks(period_ns, int(earliest + latest) // 2, limits.uncertainty_ns)
