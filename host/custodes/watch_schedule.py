# SPDX-License-Identifier: Apache-2.0
"""What leaves by a schedule, as a watcher expects it: the specification of the retimer, at the times of the taps.

The taps do not tell the cycle in which a frame reaches the retimer, only between which two cycles that must be. The retimer
is executed with those cycles between them that explain best what has left; where none do, what leaves is not what the
schedule gives. A frame that has not left as it should is given the cycle that the others make likely, so that those after it
are not called wrong for its sake.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from custodes.model.retimer import Departure, Retimer
from custodes.retimer import ARRIVAL_CYCLES, DEPARTURE_CYCLES, SCHEDULE_CYCLES, Event, Policy, Schedule, Size
from custodes.table import MAX_FRAME_BYTES
from custodes.watch import Expected, Limits

DATAPATH_HZ = 125_000_000
MILLION = 1_000_000
CLASS_BYTES = 64
"""Frames that differ by less in length may be taken for equally long."""


@dataclass(frozen=True)
class Timetable:
    """A schedule, and the retimer and clock it runs on.

    Attributes:
        clock_hz: of the datapath.
        drift_ppm: how far the clocks of warden and taps may be apart, in parts per million.
        origin_ns: a boundary at or before which the taps begin; None: that of the first frame that has left.
        tolerance_ns: by which a frame may be off its time.
    """

    schedule: Schedule
    size: Size
    clock_hz: int = DATAPATH_HZ
    drift_ppm: int = 0
    origin_ns: int | None = None
    tolerance_ns: int = 100

    @property
    def first_cycles(self) -> int:
        """From a boundary to the first frame that leaves because of it."""
        batch = self.schedule.policy == Policy.BATCH
        return DEPARTURE_CYCLES + (self.size.sort_cycles if batch else 0)

    def begun_ns(self, first_left_ns: int) -> int:
        """When cycle 0 is, where the first frame has left then."""
        if self.origin_ns is not None:
            return self.origin_ns
        return first_left_ns - self.first_cycles * 1_000_000_000 // self.clock_hz

    def padded(self, frame: bytes) -> bytes:
        """A frame as it leaves."""
        if self.schedule.policy == Policy.BATCH:
            return frame
        return frame.ljust(self.schedule.slot_bytes, b"\0")


class Clock:
    """The cycles of a device in the time of the taps.

    Args:
        begun_ns: when cycle 0 is.
        drift_ppm: the rate may be wrong by so much; `follow` corrects no more than that.
    """

    def __init__(self, begun_ns: int, clock_hz: int, drift_ppm: int) -> None:
        self._begun_ns, self._hz, self._drift_ppm = begun_ns, clock_hz, drift_ppm
        self._correction_ns = 0
        self._followed_ns = begun_ns

    def at(self, cycle: int) -> int:
        """When a cycle is."""
        return self._begun_ns + self._correction_ns + cycle * 1_000_000_000 // self._hz

    def cycle(self, time_ns: int) -> int:
        """The last that has begun at that time."""
        return (time_ns - self._begun_ns - self._correction_ns) * self._hz // 1_000_000_000

    def follow(self, expected_ns: int, seen_ns: int) -> None:
        """What should have been seen at one time has been seen at another."""
        allowed = max(seen_ns - self._followed_ns, 0) * self._drift_ppm // MILLION
        correction = max(-allowed, min(allowed, seen_ns - expected_ns))
        if correction or allowed:
            self._correction_ns += correction
            self._followed_ns = seen_ns


class Delays:
    """What the warden takes for a frame, as far as those have told that left in the first slot they could.

    The longer the frame the longer, or as long: whichever end of a frame the taps take the time of.
    """

    def __init__(self) -> None:
        self._least = [0] * (MAX_FRAME_BYTES // CLASS_BYTES + 1)
        self._most = [1 << 62] * len(self._least)

    def learn(self, length: int, least: int, most: int) -> None:
        """A frame of ``length`` bytes took between so many cycles."""
        kind = self._kind(length)
        self._least[kind] = max(self._least[kind], least)
        self._most[kind] = min(self._most[kind], most)

    def likely(self, length: int) -> int:
        """Cycles, rather too few than too many."""
        kind = self._kind(length)
        return min(max(self._least[: kind + 1]), *self._most[kind:])

    def _kind(self, length: int) -> int:
        return min(length // CLASS_BYTES, len(self._least) - 1)


Times = Callable[[bytes], deque[int]]
"""When frames like this one have left and are not yet explained, in order."""


class Scheduled:
    """Turns what the warden gives into what leaves, and when.

    Args:
        key: of the epoch, for batches.
        times: see `Times`.
    """

    def __init__(self, timetable: Timetable, begun_ns: int, key: int, limits: Limits, times: Times) -> None:
        self.clock = Clock(begun_ns, timetable.clock_hz, timetable.drift_ppm)
        self._timetable, self._limits, self._times = timetable, limits, times
        self._retimer = Retimer(timetable.size.lanes, timetable.size.store_bytes, timetable.size.frames)
        self._retimer.key = key
        self._retimer.set_schedule(timetable.schedule, -SCHEDULE_CYCLES)
        self._waiting: dict[bytes, deque[Expected]] = {}
        self._last = self._left = -(1 << 62)
        self._unexplained = 0
        self._delays = Delays()
        self.given = 0
        """Frames that the warden has given."""

    @property
    def counters(self) -> dict[Event, int]:
        """What became of frames in the retimer."""
        return dict(self._retimer.counters)

    @property
    def backlog(self) -> int:
        """Frames that have been given and neither left nor been dropped."""
        counters = self._retimer.counters
        return self.given - self._dropped - counters[Event.RELEASED] - counters[Event.OVER_SLOT]

    @property
    def _dropped(self) -> int:
        """Frames that were never in the store."""
        return sum(self._retimer.counters[event] for event in (Event.ERROR, Event.TOO_LONG, Event.FULL))

    def give(self, expected: Expected) -> None:
        """The warden gives a frame to the retimer."""
        left = self._timetable.padded(expected.frame)
        cycle = max(self._arrival(expected, left), self._last + 1)
        self._last = cycle
        self.given += 1
        dropped = self._dropped
        self._retimer.receive(expected.frame, cycle)
        if self._dropped == dropped:
            self._waiting.setdefault(left, deque()).append(expected)

    def leave(self, until_ns: int) -> Iterator[Expected]:
        """What leaves at boundaries before that; all that may be there at them has been given."""
        for departure in self._retimer.advance(max(self.clock.cycle(until_ns), 0)):
            yield self._departed(departure)

    def _departed(self, departure: Departure) -> Expected:
        if departure.dummy:
            return Expected(0, self.clock.at(departure.cycle), departure.frame, 0, departure.cycle)
        return self._waiting[departure.frame].popleft()._replace(frame=departure.frame, cycle=departure.cycle)

    def _arrival(self, expected: Expected, left: bytes) -> int:
        """The cycle in which it comes: the earliest in which it may, but not in time for the boundary before that one at
        which it seems to have left."""
        earliest = self.clock.cycle(expected.time_ns - self._limits.uncertainty_ns)
        latest = self.clock.cycle(expected.time_ns + self._limits.delay_ns + self._limits.uncertainty_ns)
        period, length = self._timetable.schedule.period, len(expected.frame)
        seen = self._times(left)
        # It leaves in the slot after that of the frame before it, if it is there by then.
        last = max(self._left, latest + ARRIVAL_CYCLES) + period * (1 + self._unexplained)
        while seen and (boundary := self._boundary(seen[0])) <= last:
            seen.popleft()
            if boundary - ARRIVAL_CYCLES >= earliest:
                first = max(earliest, boundary - period - ARRIVAL_CYCLES + 1)
                if boundary > self._left + period:  # it did not wait for those before it
                    self._delays.learn(length, first - earliest, boundary - ARRIVAL_CYCLES - earliest)
                self._left, self._unexplained = boundary, 0
                return min(first, latest)
        self._unexplained += 1
        return min(earliest + self._delays.likely(length), latest)

    def _boundary(self, left_ns: int) -> int:
        """That because of which a frame has left then. The clock may be wrong by half a slot, and by a batch's sorting."""
        period = self._timetable.schedule.period
        batch = self._timetable.schedule.policy == Policy.BATCH
        since = self.clock.cycle(left_ns) - DEPARTURE_CYCLES + (0 if batch else period // 2)
        return since - since % period
