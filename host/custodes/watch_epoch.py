# SPDX-License-Identifier: Apache-2.0
"""An epoch of a warden, checked from end to end: frames, order, times, words and records."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from custodes.fingerprint import Record
from custodes.flow_table import FLOWS, TICK_CYCLES
from custodes.model import Warden
from custodes.model.entropy import Words, retimer_key
from custodes.policy import Policy
from custodes.table import Port, Reason
from custodes.watch import Exit, Expected, Finding, Limits, Seen, Tally, TimedExit, Verdict
from custodes.watch_beats import Beats
from custodes.watch_execution import Event, Executed, Execution
from custodes.watch_records import Ledger, finish_records
from custodes.watch_schedule import DATAPATH_HZ, Scheduled, Timetable
from custodes.watch_ticks import Ticks, fit

PIECE_EVENTS = 256
PIECE_NS = 50_000_000
"""So much is executed at once; see `Execution`."""
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Epoch:
    """What there is to check an epoch with.

    Attributes:
        number, seed, limit: of the coin; without a seed, no flow begins.
        used: words of each direction that were used, as the warden has said at its end.
        sent, received: what stations at each port have sent into the warden, and what has left for them, in order; read
            several times.
        records: of both directions.
        timetable: by which frames leave for the world; None: as soon as they can.
        beat_ns: from one record to the next.
        zero_ns: when the flow table began to count ticks; None: as the records say.
        flows: slots of the flow table, which is empty when the epoch begins.
    """

    policy: Policy
    sent: Mapping[Port, Iterable[Seen]]
    received: Mapping[Port, Iterable[Seen]]
    number: int = 0
    seed: bytes | None = None
    limit: int = (1 << 32) - 1
    used: tuple[int, int] | None = None
    records: Sequence[Record] | None = None
    timetable: Timetable | None = None
    limits: Limits = field(default_factory=Limits)
    beat_ns: int | None = None
    zero_ns: int | None = None
    flows: int = FLOWS


@dataclass
class Outcome:
    """What was found in an epoch.

    Attributes:
        frames, records: what is to be said of frames and of records.
        sent, received: how many frames there were, by port.
        dropped: frames that had no business to leave, and why.
        swapped: pairs of frames whose order the taps do not tell, taken the other way.
        used: words.
        retimed: events of the retimer, by name.
    """

    number: int = 0
    frames: Tally = field(default_factory=Tally)
    records: Tally = field(default_factory=Tally)
    sent: Counter[Port] = field(default_factory=Counter)
    received: Counter[Port] = field(default_factory=Counter)
    dropped: Counter[Reason] = field(default_factory=Counter)
    swapped: int = 0
    used: tuple[int, int] = (0, 0)
    retimed: dict[str, int] = field(default_factory=dict)
    checked_records: bool = False

    @property
    def good(self) -> bool:
        return self.frames.good and self.records.good

    @property
    def findings(self) -> list[str]:
        return [found.describe() for tally in (self.frames, self.records) for found in tally.findings]

    def to_json(self) -> dict[str, Any]:
        """Keys: ``epoch``; ``frames`` and ``records`` (null where there are none): how many of each `Verdict`; ``sent`` and
        ``received`` by port; ``dropped`` by name of `Reason`; ``order_taken_otherwise``; ``words``: used, of both
        directions; ``retimed`` by name; ``first``: findings in words; ``agrees``."""
        return {
            "epoch": self.number,
            "agrees": self.good,
            "frames": {verdict.value: self.frames.verdicts[verdict] for verdict in Verdict},
            "records": {verdict.value: self.records.verdicts[verdict] for verdict in Verdict}
            if self.checked_records
            else None,
            "sent": {port.name.lower(): self.sent[port] for port in Port},
            "received": {port.name.lower(): self.received[port] for port in Port},
            "dropped": {reason.name: count for reason, count in sorted(self.dropped.items())},
            "order_taken_otherwise": self.swapped,
            "words": list(self.used),
            "retimed": self.retimed,
            "first": self.findings,
        }


class Ahead:
    """Frames that have left, read further than they are judged.

    Members:
        waiting: those that have been read and not taken.
        end_ns: when the last was.
    """

    def __init__(self, frames: Iterable[Seen]) -> None:
        self._frames = iter(frames)
        self._next = next(self._frames, None)
        self.first_ns = None if self._next is None else self._next.time_ns
        self.waiting: deque[Seen] = deque()
        self.end_ns = 0
        self._count: Counter[bytes] = Counter()
        self._times: dict[bytes, deque[int]] = {}

    def load(self, until_ns: int) -> None:
        """Read what has left until then."""
        while (seen := self._next) is not None and seen.time_ns <= until_ns:
            self.waiting.append(seen)
            self.end_ns = seen.time_ns
            self._count[seen.frame] += 1
            self._times.setdefault(seen.frame, deque()).append(seen.time_ns)
            self._next = next(self._frames, None)

    def take(self, until_ns: int) -> Iterator[Seen]:
        """Those that have left until then, as far as they have been read."""
        while self.waiting and self.waiting[0].time_ns <= until_ns:
            seen = self.waiting.popleft()
            self._count[seen.frame] -= 1
            if not self._count[seen.frame]:
                del self._count[seen.frame]
            times = self._times.get(seen.frame)
            if times and times[0] <= seen.time_ns:
                times.popleft()
            if not times:
                self._times.pop(seen.frame, None)
            yield seen

    def rest(self) -> Iterator[Seen]:
        """All others."""
        while self.waiting or self._next is not None:
            if self._next is not None:
                self.load(self._next.time_ns)
            yield from self.take(self.waiting[0].time_ns)

    def has(self, frame: bytes) -> bool:
        return frame in self._count

    def times(self, frame: bytes) -> deque[int]:
        """When such frames have left, of which it is not known yet what they are."""
        return self._times.get(frame, deque())


Progress = Callable[[int], None]


class Check:
    """The check of one epoch. `run` does it."""

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self.outcome = Outcome(epoch.number)
        self._words = Words(epoch.seed, epoch.limit)
        warden = Warden(epoch.policy, self._words, epoch.flows)
        self._execution = Execution(warden, epoch.limits.uncertainty_ns)
        self._ahead = {port: Ahead(epoch.received[port]) for port in Port}
        self._ticks = self._find_ticks()
        self._ledgers = self._open_ledgers()
        self._scheduled: Scheduled | None = None
        self._first_ns: int | None = None
        self._end_ns = 0
        frames = self.outcome.frames
        self._cluster = Exit(Port.CLUSTER, epoch.limits, frames, self._left(Port.CLUSTER))
        self._world: Exit | TimedExit = Exit(Port.WORLD, epoch.limits, frames, self._left(Port.WORLD))

    def run(self, progress: Progress = lambda frames: None) -> Outcome:
        """Check everything. ``progress`` is told now and then how many frames were sent so far."""
        done = 0
        for piece in _pieces(self._events()):
            self._begin(piece[0].time_ns)
            self._run(piece)
            progress(done := done + len(piece))
        self._begin(0)
        self._finish()
        return self.outcome

    def _begin(self, first_ns: int) -> None:
        timetable = self._epoch.timetable
        if timetable is None or self._scheduled is not None:
            return
        world = self._ahead[Port.WORLD]
        begun = timetable.begun_ns(first_ns if world.first_ns is None else world.first_ns)
        key = retimer_key(self._epoch.seed) if self._epoch.seed else 0
        self._scheduled = Scheduled(timetable, begun, key, self._epoch.limits, world.times)
        left = self._left(Port.WORLD)
        clock = self._scheduled.clock

        def follow(seen: Seen, expected: Expected | None) -> None:
            if expected is not None:
                clock.follow(clock.at(expected.cycle), seen.time_ns)
            left(seen, expected)

        self._world = TimedExit(Port.WORLD, timetable.tolerance_ns, clock.at, self.outcome.frames, follow)

    def _run(self, piece: Sequence[Event]) -> None:
        limits, horizon = self._epoch.limits, piece[-1].time_ns
        for port in Port:
            self._ahead[port].load(horizon + self._reach(port, len(piece)))
        for executed in self._execution.run(piece, self._has):
            self._take(executed)
        for seen in self._ahead[Port.CLUSTER].take(horizon - limits.uncertainty_ns - 1):
            self._cluster.see(seen)
        if self._scheduled is None:
            for seen in self._ahead[Port.WORLD].take(horizon - limits.uncertainty_ns - 1):
                self._world.see(seen)
        else:
            until = horizon - limits.uncertainty_ns
            for expected in self._scheduled.leave(until):
                self._world.expect(expected)
            for seen in self._ahead[Port.WORLD].take(until - self._tolerance_ns - 1):
                self._world.see(seen)

    def _finish(self) -> None:
        for seen in self._ahead[Port.CLUSTER].rest():
            self._cluster.see(seen)
        self._cluster.finish()
        scheduled = self._scheduled
        for seen in self._ahead[Port.WORLD].rest():
            if scheduled is not None:
                for expected in scheduled.leave(seen.time_ns + self._tolerance_ns):
                    self._world.expect(expected)
            self._world.see(seen)
        if isinstance(self._world, Exit):
            self._world.finish()
        elif scheduled is not None:
            self._finish_scheduled(scheduled, self._world)
        finish_records(self._ledgers.values(), *self._open_ns())
        self.outcome.swapped = self._execution.swapped
        self._count_words()

    def _open_ns(self) -> tuple[int, int]:
        """When the taps were open, at least: from their first frame to their last."""
        begun = [ahead.first_ns for ahead in self._ahead.values() if ahead.first_ns is not None]
        begun += [] if self._first_ns is None else [self._first_ns]
        last_ns, slack = self._latest_ns, self._epoch.limits.uncertainty_ns
        return min(begun, default=last_ns) + slack, last_ns - slack

    @property
    def _latest_ns(self) -> int:
        return max(self._end_ns, *(ahead.end_ns for ahead in self._ahead.values()))

    def _finish_scheduled(self, scheduled: Scheduled, world: TimedExit) -> None:
        end_ns = self._latest_ns
        after_ns = self._period_ns * (scheduled.backlog + 2) + self._epoch.limits.delay_ns
        for expected in scheduled.leave(end_ns + after_ns):
            world.expect(expected)
        world.finish(end_ns)
        self.outcome.retimed = {event.name.lower(): count for event, count in scheduled.counters.items()}

    def _count_words(self) -> None:
        self.outcome.used = used = (self._words.used[0], self._words.used[1])
        said = self._epoch.used
        if said is not None and said != used:
            text = (
                f"the warden says that {said[0]} and {said[1]} words were used; the frames use {used[0]} and {used[1]}"
            )
            self.outcome.frames.find(Finding(Verdict.MISMATCH, Port.WORLD, 0, text))

    def _take(self, executed: Executed) -> None:
        event, result, used = executed
        if event.port is None or result is None:
            return
        self._ledger_entered(event, used)
        if result.frame is None:
            self.outcome.dropped[result.reason] += 1
            return
        expected = Expected(event.number, event.time_ns, result.frame, used)
        if event.port is Port.WORLD:
            self._cluster.expect(expected)
        elif self._scheduled is None:
            self._world.expect(expected)
        else:
            self._scheduled.give(expected)

    def _ledger_entered(self, event: Event, used: int) -> None:
        ledger = None if event.port is None else self._ledgers.get(event.port)
        if ledger is not None:
            ledger.entered(Seen(event.time_ns, event.frame), used)

    def _left(self, port: Port) -> Callable[[Seen, Expected | None], None]:
        ledger = self._ledgers.get(port.other)

        def left(seen: Seen, expected: Expected | None) -> None:
            self.outcome.received[port] += 1
            if ledger is not None:
                ledger.left(seen, expected)

        return left

    def _has(self, event: Event, frame: bytes) -> bool:
        if event.port is Port.CLUSTER and self._epoch.timetable is not None:
            frame = self._epoch.timetable.padded(frame)
        return event.port is not None and self._ahead[event.port.other].has(frame)

    def _reach(self, port: Port, events: int) -> int:
        """How long after they were sent frames may leave."""
        limits = self._epoch.limits
        reach = limits.delay_ns + limits.uncertainty_ns
        if port is Port.WORLD and self._scheduled is not None:
            batch = 0 if self._epoch.timetable is None else self._scheduled.backlog + events
            reach += self._period_ns * (batch + 2)
        return reach

    @property
    def _tolerance_ns(self) -> int:
        return 0 if self._epoch.timetable is None else self._epoch.timetable.tolerance_ns

    @property
    def _period_ns(self) -> int:
        timetable = self._epoch.timetable
        return 0 if timetable is None else timetable.schedule.period * SECOND_NS // timetable.clock_hz

    def _events(self) -> Iterator[Event]:
        """What was sent and when it ticked, in order of their times."""
        streams = [self._numbered(port) for port in Port]
        before: int | None = None
        for event in heapq.merge(*streams, key=lambda event: (event.time_ns, event.port)):
            if before is None:
                self._first_ns = event.time_ns
            else:
                for tick_ns in self._ticks.between(before, event.time_ns):
                    yield Event(tick_ns, None)
            before = self._end_ns = event.time_ns
            yield event

    def _numbered(self, port: Port) -> Iterator[Event]:
        for number, seen in enumerate(self._epoch.sent[port], 1):
            self.outcome.sent[port] += 1
            yield Event(seen.time_ns, port, number, seen.frame)

    def _find_ticks(self) -> Ticks:
        epoch = self._epoch
        clock_hz = DATAPATH_HZ if epoch.timetable is None else epoch.timetable.clock_hz
        period = epoch.policy.flow.tick * TICK_CYCLES * SECOND_NS // clock_hz
        if epoch.zero_ns is not None or not period or not epoch.records:
            first = min(
                (next(iter(frames)).time_ns for frames in epoch.sent.values() if any(True for _ in frames)), default=0
            )
            zero = first if epoch.zero_ns is None else epoch.zero_ns
            return Ticks(period, zero, epoch.limits)
        left = {port: epoch.received[port.other] for port in Port}
        return fit(period, self._records(), left, epoch.limits)

    def _records(self) -> dict[Port, list[Record]]:
        return {port: [one for one in self._epoch.records or () if one.direction is port] for port in Port}

    def _open_ledgers(self) -> dict[Port, Ledger]:
        epoch = self._epoch
        if epoch.records is None:
            return {}
        self.outcome.checked_records = True
        beats = Beats(epoch.beat_ns)
        return {
            port: Ledger(port, records, epoch.number, epoch.limits, beats, self._ticks, self.outcome.records)
            for port, records in self._records().items()
        }


def _pieces(events: Iterator[Event]) -> Iterator[list[Event]]:
    piece: list[Event] = []
    for event in events:
        if piece and (len(piece) == PIECE_EVENTS or event.time_ns - piece[0].time_ns > PIECE_NS):
            yield piece
            piece = []
        piece.append(event)
    if piece:
        yield piece


def check(epoch: Epoch, progress: Progress = lambda frames: None) -> Outcome:
    """Check an epoch from end to end."""
    return Check(epoch).run(progress)
