# SPDX-License-Identifier: Apache-2.0
"""The specification, executed on what the taps have seen go into a warden."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from custodes.model import Result, Warden
from custodes.table import Port, Reason

TRIES = 24
"""Orders that are tried for each piece of the capture, at most."""
REACH = 8
"""How many events before a frame that is not explained are tried."""
DEPENDENT = (Reason.FLOW_UNKNOWN, Reason.FLOW_STATE, Reason.FLOW_FULL, Reason.ENTROPY_EMPTY)
"""Verdicts that depend on the frames before."""


class Event(NamedTuple):
    """A frame is sent into the warden at ``port``, the ``number``-th there; or, where that is None, the flow table ticks."""

    time_ns: int
    port: Port | None
    number: int = 0
    frame: bytes = b""


class Executed(NamedTuple):
    """An event, what becomes of it, and the words of its side that have been used then."""

    event: Event
    result: Result | None
    used: int


Has = Callable[[Event, bytes], bool]
"""Whether this frame has left, and is what became of this event as far as times tell."""


class Execution:
    """A warden of the specification, and what it does with events in the order of their times.

    Where that does not explain what has left, events of different ports that are at most ``uncertainty_ns`` apart are tried
    in the other order; the one that explains more is taken.

    Members:
        swapped: how many pairs were taken the other way.
    """

    def __init__(self, warden: Warden, uncertainty_ns: int) -> None:
        self._warden = warden
        self._uncertainty_ns = uncertainty_ns
        self.swapped = 0

    def run(self, events: Sequence[Event], has: Has) -> list[Executed]:
        """What becomes of a piece of the capture, in the order that was taken."""
        close = any(self._close(*pair) for pair in pairwise(events))
        before = self._state() if close else b""
        best, order, swaps = self._execute(events), [*events], 0
        if not close:
            return best
        score, tried, restored = _score(best, has), set[tuple[Event, Event]](), True
        while len(tried) < TRIES and (first := self._pair(order, _bad(best, has), tried)) is not None:
            tried.add((order[first], order[first + 1]))
            other = [*order[:first], order[first + 1], order[first], *order[first + 2 :]]
            self._restore(before)
            found = self._execute(other)
            restored = (other_score := _score(found, has)) > score
            if restored:
                best, order, score = found, other, other_score
                swaps += 1
        if not restored:
            self._restore(before)
            best = self._execute(order)
        self.swapped += swaps
        return best

    def _close(self, one: Event, other: Event) -> bool:
        return one.port != other.port and abs(other.time_ns - one.time_ns) <= self._uncertainty_ns

    def _pair(self, order: Sequence[Event], bad: Sequence[int], tried: set[tuple[Event, Event]]) -> int | None:
        """Of the pairs that can be taken the other way, the nearest to a frame that is not explained, and not after it."""
        for at in bad:
            for first in range(min(at, len(order) - 2), max(at - REACH, -1), -1):
                pair = order[first], order[first + 1]
                if self._close(*pair) and pair not in tried:
                    return first
        return None

    def _execute(self, events: Sequence[Event]) -> list[Executed]:
        done: list[Executed] = []
        for event in events:
            if event.port is None:
                self._warden.tick()
                done.append(Executed(event, None, 0))
            else:
                result = self._warden.pass_frame(event.frame, event.port)
                done.append(Executed(event, result, self._warden.words.used[event.port]))
        return done

    def _state(self) -> bytes:
        return pickle.dumps((self._warden.translator.table, self._warden.words.used))

    def _restore(self, state: bytes) -> None:
        self._warden.translator.table, self._warden.words.used = pickle.loads(state)


def _explained(executed: Executed, has: Has) -> bool:
    result = executed.result
    if result is None:
        return True
    return result.reason not in DEPENDENT if result.frame is None else has(executed.event, result.frame)


def _bad(done: Sequence[Executed], has: Has) -> list[int]:
    return [i for i, executed in enumerate(done) if not _explained(executed, has)]


def _score(done: Sequence[Executed], has: Has) -> int:
    """Frames that leave and have left, without those that leave and have not."""
    score = 0
    for event, result, _ in done:
        if result is not None and result.frame is not None:
            score += 1 if has(event, result.frame) else -1
    return score
