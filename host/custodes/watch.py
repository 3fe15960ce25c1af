# SPDX-License-Identifier: Apache-2.0
"""What a watcher says of the frames that leave a warden: each is compared with what the specification gives.

Two taps are at the warden's cables. At each there are two streams of frames: those that stations have *sent* into the
warden, and those that the warden let out to them. The specification, executed on what was sent, gives what has to leave, in
which order, and under a schedule also when.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from custodes.table import Port

SEARCHED_FRAMES = 512
"""Among so many that have to leave next, a frame that has left is looked for."""
REMEMBERED_FRAMES = 1024
"""That should have left and may yet turn up late."""
SHOWN_BYTES = 8


class Verdict(enum.Enum):
    """What is to be said of a frame, or of a record."""

    AGREES = "agrees"
    MISSING = "missing"
    """It had to be there, and is not."""
    MISMATCH = "mismatch"
    """It is there, and should not be: not so, not now, or not at all."""


class Seen(NamedTuple):
    """A frame at a tap, without FCS: nanoseconds since 1970 and its bytes."""

    time_ns: int
    frame: bytes


class Expected(NamedTuple):
    """What has to leave, and why.

    ``number`` is that of the frame it was made from, from 1 among those sent at its port, and ``time_ns`` that frame's;
    ``used`` are the words of that port which were used then. Of what leaves by a schedule, ``cycle`` is when; a dummy has
    the number 0.
    """

    number: int
    time_ns: int
    frame: bytes
    used: int
    cycle: int = 0


class Finding(NamedTuple):
    """Something that does not agree; ``port`` is where it left, or should have."""

    verdict: Verdict
    port: Port
    time_ns: int
    text: str

    def describe(self) -> str:
        return f"{self.verdict.value}: to {self.port.name.lower()}, {self.text}"


@dataclass(frozen=True)
class Limits:
    """How exact the taps are, and how fast the warden.

    Attributes:
        uncertainty_ns: by which times at the taps may be wrong; frames that are no further apart may have been in either
            order.
        delay_ns: from a tap in front of the warden to that behind it, at most; without a schedule, a frame that comes later
            comes too late. With one, until the frame is ready to leave.
    """

    uncertainty_ns: int = 1000
    delay_ns: int = 10_000_000


@dataclass
class Tally:
    """What was found. The first findings are kept as they are, the others are counted."""

    kept: int = 20
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def agrees(self, count: int = 1) -> None:
        self.verdicts[Verdict.AGREES] += count

    def find(self, finding: Finding) -> None:
        self.verdicts[finding.verdict] += 1
        if len(self.findings) < self.kept:
            self.findings.append(finding)

    @property
    def good(self) -> bool:
        return not (self.verdicts[Verdict.MISSING] or self.verdicts[Verdict.MISMATCH])


Left = Callable[[Seen, Expected | None], None]
"""Takes every frame that has left, in order, with what it is where the specification gives it."""


class Exit:
    """What leaves at a port as soon as it can: first in, first out.

    All that has to leave is expected in order, before anything is seen that it might be. What has left and is none of it is
    said to be a changed version of what is missing between the same two neighbours, if anything is.
    """

    def __init__(self, port: Port, limits: Limits, tally: Tally, left: Left) -> None:
        self.port, self._limits, self._tally, self._left = port, limits, tally, left
        self._number = 0
        self._expected: deque[Expected] = deque()
        self._overdue: deque[Expected] = deque()
        self._strange: list[tuple[int, Seen]] = []

    def expect(self, expected: Expected) -> None:
        self._expected.append(expected)

    def see(self, seen: Seen) -> None:
        """A frame has left."""
        self._number += 1
        self._expire(seen.time_ns)
        position = self._position(seen)
        if position is not None:
            self._part([self._expected.popleft() for _ in range(position)])
            self._flush()
            expected = self._expected.popleft()
            self._tally.agrees()
            self._left(seen, expected)
            return
        for late in self._overdue:
            if late.frame == seen.frame:
                self._overdue.remove(late)
                after = seen.time_ns - late.time_ns > self._limits.delay_ns + self._limits.uncertainty_ns
                how = "later than it may" if after else "after others that came later"
                self._find(seen.time_ns, f"frame {self._number} leaves {how}: it is frame {late.number} of its way")
                self._left(seen, late)
                return
        self._strange.append((self._number, seen))
        self._left(seen, None)

    def finish(self) -> None:
        """Nothing more has left."""
        self._part([*self._expected])
        self._flush()
        for missing in self._overdue:
            self._miss(missing)
        self._expected.clear()
        self._overdue.clear()

    def _position(self, seen: Seen) -> int | None:
        latest = seen.time_ns + self._limits.uncertainty_ns
        for position, expected in enumerate(islice(self._expected, SEARCHED_FRAMES)):
            if expected.time_ns > latest:  # it has not even been sent
                return None
            if expected.frame == seen.frame:
                return position
        return None

    def _expire(self, now_ns: int) -> None:
        oldest = now_ns - self._limits.delay_ns - self._limits.uncertainty_ns
        late: list[Expected] = []
        while self._expected and self._expected[0].time_ns < oldest:
            late.append(self._expected.popleft())
        self._part(late)

    def _part(self, absent: Sequence[Expected]) -> None:
        """Of what is absent, some has left in another form."""
        changed = min(len(absent), len(self._strange))
        for expected, (number, seen) in zip(absent[:changed], self._strange[:changed], strict=True):
            same = seen.frame == expected.frame
            what = "leaves before it has come" if same else difference(seen.frame, expected.frame)
            self._find(seen.time_ns, f"frame {number} {what}")
        del self._strange[:changed]
        self._overdue += absent[changed:]
        while len(self._overdue) > REMEMBERED_FRAMES:
            self._miss(self._overdue.popleft())

    def _flush(self) -> None:
        for number, seen in self._strange:
            self._find(seen.time_ns, f"frame {number} of {len(seen.frame)} bytes should not leave")
        self._strange.clear()

    def _find(self, time_ns: int, text: str) -> None:
        self._tally.find(Finding(Verdict.MISMATCH, self.port, time_ns, text))

    def _miss(self, expected: Expected) -> None:
        text = f"what becomes of frame {expected.number} from {self.port.other.name.lower()} has not left"
        self._tally.find(Finding(Verdict.MISSING, self.port, expected.time_ns, text))


class TimedExit:
    """What leaves at a port by a schedule: each at its time, give or take ``tolerance_ns``, and nothing besides.

    Args:
        at: when a cycle is, as far as is known by now.
    """

    def __init__(self, port: Port, tolerance_ns: int, at: Callable[[int], int], tally: Tally, left: Left) -> None:
        self.port, self._tolerance_ns, self._at, self._tally, self._left = port, tolerance_ns, at, tally, left
        self._number = 0
        self._expected: deque[Expected] = deque()

    def expect(self, expected: Expected) -> None:
        """In the order of their times."""
        self._expected.append(expected)

    def see(self, seen: Seen) -> None:
        """A frame has left; all that is due until then has been expected."""
        self._number += 1
        self._expire(seen.time_ns - self._tolerance_ns)
        due_ns = self._at(self._expected[0].cycle) if self._expected else None
        if due_ns is None or due_ns > seen.time_ns + self._tolerance_ns:
            when = "" if due_ns is None else f", {due_ns - seen.time_ns} ns before the next may"
            self._find(seen.time_ns, f"frame {self._number} leaves at a time that is not in the schedule{when}")
            self._left(seen, None)
            return
        expected = self._expected.popleft()
        if expected.frame == seen.frame:
            self._tally.agrees()
        else:
            what = f"frame {self._number} {difference(seen.frame, expected.frame)}"
            self._find(seen.time_ns, what if expected.number else f"{what}, a dummy")
        self._left(seen, expected)

    def finish(self, until_ns: int) -> None:
        """Nothing more has left until then; the tap has not seen what followed, but all that was sent."""
        self._expire(until_ns - self._tolerance_ns)
        for expected in self._expected:
            if expected.number:
                self._miss(expected)
        self._expected.clear()

    def _expire(self, before_ns: int) -> None:
        while self._expected and self._at(self._expected[0].cycle) < before_ns:
            self._miss(self._expected.popleft())

    def _find(self, time_ns: int, text: str) -> None:
        self._tally.find(Finding(Verdict.MISMATCH, self.port, time_ns, text))

    def _miss(self, expected: Expected) -> None:
        origin = self.port.other.name.lower()
        what = f"what becomes of frame {expected.number} from {origin}" if expected.number else "a dummy"
        text = f"{what} has not left at its time"
        self._tally.find(Finding(Verdict.MISSING, self.port, self._at(expected.cycle), text))


def difference(got: bytes, wanted: bytes) -> str:
    """How a frame differs from what it should be."""
    shorter = min(len(got), len(wanted))
    at = next((i for i in range(shorter) if got[i] != wanted[i]), shorter)
    have, want = got[at : at + SHOWN_BYTES].hex(" ") or "the end", wanted[at : at + SHOWN_BYTES].hex(" ") or "the end"
    sizes = "" if len(got) == len(wanted) else f" ({len(got)} bytes, not {len(wanted)})"
    return f"differs from byte {at} on: {have}, not {want}{sizes}"
