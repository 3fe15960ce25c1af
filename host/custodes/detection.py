# SPDX-License-Identifier: Apache-2.0
"""How soon a server that lies is found: so many wrong answers planted among pairs, against the formula."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from custodes.gateway_formats import TAG_WORDS, WORD_BYTES
from custodes.sample_tree import DIGEST_BYTES, selected
from custodes.sampling_statistics import Interval, detection, observed, threshold

EPSILONS = (0.01, 0.05, 0.25)
COUNTS = (1, 2, 4, 8, 16, 32)
TRIALS = 500
CONFIDENCE = 0.9999
"""Of each interval; there are some twenty."""
SEED = 1


class Detected(NamedTuple):
    """Wrong answers among those of an epoch: in ``found`` of ``trials`` epochs one of them at least was kept, and so found,
    as a recomputation that compares every octet tells each."""

    epsilon: float
    planted: int
    trials: int
    found: int

    @property
    def expected(self) -> float:
        return detection(self.epsilon, 1.0, self.planted)

    @property
    def share(self) -> float:
        return self.found / self.trials

    @property
    def interval(self) -> Interval:
        """In which the probability is."""
        return observed(self.found, self.trials, CONFIDENCE)

    @property
    def agrees(self) -> bool:
        return self.expected in self.interval


def measure_detection(
    epsilons: Sequence[float] = EPSILONS, counts: Sequence[int] = COUNTS, trials: int = TRIALS, seed: int = SEED
) -> list[Detected]:
    """Every epoch has a key of its own, and its wrong answers are somewhere among its pairs; what is kept is what
    the rule of `custodes.gateway_formats` keeps. The same seed gives the same."""
    source = random.Random(seed)
    return [
        Detected(epsilon, count, trials, sum(_caught(source, epsilon, count) for _ in range(trials)))
        for epsilon in epsilons
        for count in counts
    ]


def _caught(source: random.Random, epsilon: float, count: int) -> bool:
    key = source.randbytes(DIGEST_BYTES)
    return any(selected(key, threshold(epsilon), tag) for tag in _tags(source, count))


def _tags(source: random.Random, count: int) -> Iterator[bytes]:
    epoch = source.randrange(1, 1 << 32)
    for number in source.sample(range(1 << 20), count):
        words = epoch, 0, number, source.randrange(1, 1 << 10), 0
        yield b"".join(word.to_bytes(WORD_BYTES) for word in words[:TAG_WORDS])
