# SPDX-License-Identifier: Apache-2.0
"""Covert timing channels of our own, to measure what a retimer leaves of them.

Each knows the schedule that it is up against, and fits its symbols to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, permutations
from random import Random
from typing import NamedTuple


class Sent(NamedTuple):
    """A frame of flow number ``flow`` that ends in ``cycle``."""

    cycle: int
    flow: int = 0


class Seen(NamedTuple):
    """A frame that leaves, its first byte in ``cycle``. ``flow``: that of its header; None for a dummy."""

    cycle: int
    flow: int | None = 0


class Code(ABC):
    """A way to say symbols with frames.

    Attributes:
        name: for people.
        alphabet: symbols are the numbers below.
        periods: slots or windows of the schedule that the measure of time, `span`, has.
        sees_flows: the receiver sees headers, and not just when something leaves.
    """

    name: str
    alphabet: int
    periods = 1
    sees_flows = False

    def __init__(self, period_cycles: int, frame_cycles: int) -> None:
        """``period_cycles``: of a slot or window. ``frame_cycles``: from one frame to the next at line rate."""
        self.span = self.periods * period_cycles
        self.frame_cycles = frame_cycles

    @abstractmethod
    def send(self, symbols: Sequence[int], random: Random) -> Iterator[Sent]:
        """Frames that say the symbols, from cycle 0 on."""

    @abstractmethod
    def read(self, seen: Sequence[Seen], count: int) -> list[object]:
        """What the receiver makes of what it sees, per symbol; by then the delay of the schedule has been taken off."""

    def _spans(self, seen: Iterable[Seen], count: int) -> list[list[Seen]]:
        """What is seen in each of the first spans."""
        found: list[list[Seen]] = [[] for _ in range(count)]
        for frame in seen:
            if 0 <= frame.cycle // self.span < count:
                found[frame.cycle // self.span].append(frame)
        return found


class OnOff(Code):
    """A frame in the middle of a span, or none."""

    name = "on/off"
    alphabet = 2

    def send(self, symbols: Sequence[int], random: Random) -> Iterator[Sent]:
        for at, symbol in enumerate(symbols):
            if symbol:
                yield Sent(at * self.span + self.span // 2)

    def read(self, seen: Sequence[Seen], count: int) -> list[object]:
        return [len(frames) for frames in self._spans(seen, count)]


class Jitter(Code):
    """Frames come when somebody types, but a little later: so that the time since the last one is an even multiple of the
    span, or an odd one. As the JitterBug of Shah, Molina and Blaze (USENIX Security 2006)."""

    name = "jitter"
    alphabet = 2
    NATURAL_SPANS = 4

    def send(self, symbols: Sequence[int], random: Random) -> Iterator[Sent]:
        cycle = self.span // 2
        yield Sent(cycle)
        for symbol in symbols:
            natural = random.expovariate(1 / (self.NATURAL_SPANS * self.span))
            cycle += (2 * (1 + int(natural // (2 * self.span))) + symbol) * self.span
            yield Sent(cycle)

    def read(self, seen: Sequence[Seen], count: int) -> list[object]:
        gaps = [round((after.cycle - before.cycle) / self.span) for before, after in pairwise(seen[: count + 1])]
        return [*(gap % 2 for gap in gaps), *[None] * (count - len(gaps))]


class Position(Code):
    """A frame in each span, at a place in it that is the symbol."""

    name = "position"
    alphabet = 8

    def send(self, symbols: Sequence[int], random: Random) -> Iterator[Sent]:
        for at, symbol in enumerate(symbols):
            yield Sent(at * self.span + (2 * symbol + 1) * self.span // (2 * self.alphabet))

    def read(self, seen: Sequence[Seen], count: int) -> list[object]:
        places = [
            [frame.cycle % self.span * self.alphabet // self.span for frame in in_span]
            for in_span in self._spans(seen, count)
        ]
        return [tuple(found) for found in places]


class Count(Code):
    """As many frames in a span, one behind the other."""

    name = "count"
    alphabet = 16
    periods = 16

    def send(self, symbols: Sequence[int], random: Random) -> Iterator[Sent]:
        for at, symbol in enumerate(symbols):
            for frame in range(symbol):
                yield Sent(at * self.span + (frame + 1) * self.frame_cycles)

    def read(self, seen: Sequence[Seen], count: int) -> list[object]:
        return [len(frames) for frames in self._spans(seen, count)]


class CountInWindow(Count):
    """The same where one period has room for all of them."""

    periods = 1


class Order(Code):
    """One frame of each flow in a span, in an order that is the symbol."""

    name = "order of flows"
    FLOWS = 4
    orders = [*permutations(range(FLOWS))]
    alphabet = len(orders)
    sees_flows = True

    def send(self, symbols: Sequence[int], random: Random) -> Iterator[Sent]:
        for at, symbol in enumerate(symbols):
            for place, flow in enumerate(self.orders[symbol]):
                yield Sent(at * self.span + (place + 1) * self.frame_cycles, flow)

    def read(self, seen: Sequence[Seen], count: int) -> list[object]:
        return [tuple(frame.flow for frame in frames) for frames in self._spans(seen, count)]
