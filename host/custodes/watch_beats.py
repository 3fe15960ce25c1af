# SPDX-License-Identifier: Apache-2.0
"""When records were closed, as a watcher can tell from the frames that are in them."""

from __future__ import annotations

from collections.abc import Sequence

from custodes.watch import Seen

BYTE_PS = (0, 800, 8000)
"""From one byte of a frame that leaves to the next, where the taps take the time of its first, at 10 and at 1 Gbit/s; 0:
they take that of its last."""
NEVER = float("inf")


def ends(seen: Seen) -> list[int]:
    """When the last byte of a frame has left, for each of `BYTE_PS`."""
    return [seen.time_ns + len(seen.frame) * byte_ps // 1000 for byte_ps in BYTE_PS]


class Beats:
    """The moments at which records were closed, those of the same beat in both directions at once.

    A record was closed after every frame in it and before any that is not; ``beat_ns`` after the one before it, if that is
    known. Which end of a frame the taps take the time of is not known, but it is the same for all that leave: what is
    learned must hold for one of `BYTE_PS`.
    """

    def __init__(self, beat_ns: int | None) -> None:
        self.beat_ns = beat_ns
        self._known: dict[int, dict[int, tuple[float, float]]] = {way: {} for way in range(len(BYTE_PS))}

    def learn(self, beat: int, after: Sequence[float], before: Sequence[float]) -> bool:
        """Record ``beat`` was closed between these times, one for each of `BYTE_PS`. Returns whether that can be; where it
        cannot, nothing is learned."""
        key, offset = self._place(beat)
        found: dict[int, tuple[float, float]] = {}
        for way, known in self._known.items():
            low, high = known.get(key, (-NEVER, NEVER))
            low, high = max(low, after[way] - offset), min(high, before[way] - offset)
            if low <= high:
                found[way] = low, high
        if found:
            self._known = {way: self._known[way] for way in found}
            for way, between in found.items():
                self._known[way][key] = between
        return bool(found)

    def closed(self, beat: int) -> list[tuple[float, float]]:
        """Between which times that record was closed, for each of `BYTE_PS` that is possible."""
        key, offset = self._place(beat)
        pairs = [known.get(key, (-NEVER, NEVER)) for known in self._known.values()]
        return [(low + offset, high + offset) for low, high in pairs]

    def _place(self, beat: int) -> tuple[int, int]:
        """Under which key it is kept when a record was closed, and how long after that it was."""
        return (beat, 0) if self.beat_ns is None else (0, beat * self.beat_ns)
