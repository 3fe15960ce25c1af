# SPDX-License-Identifier: Apache-2.0
"""Health tests of a binary noise source, as executable specification: NIST SP 800-90B, 4.3 and 4.4.

Cutoffs are worked out in decimals of 60 digits, rates from the exact distributions of independent samples.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from math import ceil, comb

DIGITS = 60
STARTUP_SAMPLES = 1024
"""4.3, requirement 4: at least so many, one after the other."""
FAILURES_MAX = 0xFFFF
"""Where the counters of failures stop."""


class State(enum.IntEnum):
    """Of the source; the numbers are those that a device shows."""

    STARTUP = 0
    READY = 1
    ALARM = 2


@dataclass(frozen=True)
class Claim:
    """What a noise source is held to.

    Args:
        entropy: min-entropy of a sample, in bits, as a decimal: more than 0, at most 1.
        alpha_log2: -log2 of the probability of a false alarm, per test, of a source that just meets the claim.
        window: samples of the adaptive proportion test: 1024 for binary sources (4.4.2).
    """

    entropy: str
    alpha_log2: int
    window: int = 1024

    @property
    def repetition_cutoff(self) -> int:
        """4.4.1."""
        return 1 + ceil(Fraction(self.alpha_log2) / Fraction(self.entropy))

    @cached_property
    def proportion_cutoff(self) -> int:
        """4.4.2: one more than the least number that a binomial variable exceeds with at most the probability alpha."""
        with localcontext() as context:
            context.prec = DIGITS
            likeliest = Decimal(2) ** -Decimal(self.entropy)
            alpha, beyond = Decimal(2) ** -self.alpha_log2, Decimal(0)
            for count in range(self.window, -1, -1):
                beyond += binomial(self.window, count, likeliest)
                if beyond > alpha:
                    return count + 1
        raise AssertionError("the whole distribution is more than alpha")

    def repetition_rate(self, ones: float = 0.5) -> float:
        """Failures of the repetition count test per sample, where samples are independent and 1 with this probability.

        After a failure the test starts over, so that failures are renewals; a run of either kind is one.
        """
        return sum(self._runs(likely) for likely in (ones, 1 - ones))

    def _runs(self, likely: float) -> float:
        """Of one kind: the inverse of the mean time to the first run of so many successes."""
        run = likely**self.repetition_cutoff
        return (1 - likely) * run / (1 - run)

    def proportion_rate(self, ones: float = 0.5) -> float:
        """Probability that a window of the adaptive proportion test fails, of the same source."""
        rest, missing = self.window - 1, self.proportion_cutoff - 1
        with localcontext() as context:
            context.prec = DIGITS
            rate = Decimal(0)
            for first in (Decimal(ones), 1 - Decimal(ones)):
                rate += first * sum(binomial(rest, count, first) for count in range(missing, rest + 1))
            return float(rate)


def binomial(trials: int, successes: int, likely: Decimal) -> Decimal:
    """Probability of so many successes."""
    return comb(trials, successes) * likely**successes * (1 - likely) ** (trials - successes)


class RepetitionCount:
    """4.4.1. After a failure it starts over with the next sample."""

    def __init__(self, claim: Claim) -> None:
        self.cutoff = claim.repetition_cutoff
        self._last: int | None = None
        self._run = 0

    def take(self, sample: int) -> bool:
        """Whether the test fails with this sample."""
        self._run = self._run + 1 if sample == self._last else 1
        self._last = sample
        if self._run < self.cutoff:
            return False
        self._last = None
        return True


class AdaptiveProportion:
    """4.4.2. After a failure a new window starts with the next sample."""

    def __init__(self, claim: Claim) -> None:
        self.cutoff, self.window = claim.proportion_cutoff, claim.window
        self._first, self._same, self._taken = 0, 0, 0

    def take(self, sample: int) -> bool:
        """Whether the test fails with this sample."""
        if not self._taken:
            self._first, self._same = sample, 0
        self._same += sample == self._first
        self._taken = (self._taken + 1) % self.window
        if self._same < self.cutoff:
            return False
        self._same = self._taken = 0
        return True


class Health:
    """Both tests, and what follows from them.

    Attributes:
        state: until a reset, one failure is an alarm; without one, the source is ready after `STARTUP_SAMPLES`.
        repetitions, proportions: failures of each test; they go on being counted.
    """

    def __init__(self, claim: Claim) -> None:
        self._repetition, self._proportion = RepetitionCount(claim), AdaptiveProportion(claim)
        self._seen = 0
        self.state = State.STARTUP
        self.repetitions = self.proportions = 0

    def take(self, sample: int) -> State:
        """The state after this sample."""
        repeats, leans = self._repetition.take(sample), self._proportion.take(sample)
        self.repetitions = min(self.repetitions + repeats, FAILURES_MAX)
        self.proportions = min(self.proportions + leans, FAILURES_MAX)
        self._seen += 1
        if repeats or leans:
            self.state = State.ALARM
        elif self.state is State.STARTUP and self._seen == STARTUP_SAMPLES:
            self.state = State.READY
        return self.state


def count_repetitions(claim: Claim, bits: str) -> int:
    """Failures of a whole `RepetitionCount` over samples written as ``0`` and ``1``."""
    cutoff = claim.repetition_cutoff
    return sum(1 for _ in re.finditer(f"0{{{cutoff}}}|1{{{cutoff}}}", bits))


def count_proportions(claim: Claim, bits: str) -> tuple[int, int]:
    """Failures of a whole `AdaptiveProportion` over samples written as ``0`` and ``1``, and windows that were begun."""
    at = windows = failures = 0
    while at < len(bits):
        window = bits[at : at + claim.window]
        windows += 1
        if window.count(window[0]) >= claim.proportion_cutoff:
            failures += 1
            window = window[: _place(window, window[0], claim.proportion_cutoff)]
        at += len(window)
    return failures, windows


def _place(window: Sequence[str], kind: str, times: int) -> int:
    """How many samples it takes until one kind has come so many times."""
    return [at for at, sample in enumerate(window, 1) if sample == kind][times - 1]
