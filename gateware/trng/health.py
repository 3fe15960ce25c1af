# SPDX-License-Identifier: Apache-2.0
"""Health tests of a binary noise source: NIST SP 800-90B, 4.3 and 4.4."""

import math
from dataclasses import dataclass

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from custodes.control_registers import Noise
from gateware.control.guarded import guarded

STARTUP_SAMPLES = 1024
"""4.3, requirement 4: at least so many."""
FAILURE_BITS = 16
ALARM_CYCLES = 1
"""From the sample that makes a test fail to the alarm."""


@dataclass(frozen=True)
class HealthParameters:
    """What a noise source is held to.

    Args:
        entropy_claim: min-entropy of a sample, in bits: more than 0, at most 1.
        alpha_log2: -log2 of the probability of a false alarm, per test, of a source that just meets the claim.
        window: samples of the adaptive proportion test: 1024 for binary sources (4.4.2).

    Raises:
        ValueError: no source can be held to this.
    """

    entropy_claim: float = 0.5
    alpha_log2: int = 30
    window: int = 1024

    def __post_init__(self) -> None:
        if not 0 < self.entropy_claim <= 1 or self.alpha_log2 < 1:
            raise ValueError(f"a bit has no entropy of {self.entropy_claim}, no test a rate of 2^-{self.alpha_log2}")
        if self.proportion_cutoff > self.window:
            raise ValueError(f"no window of {self.window} samples is too far from {self.entropy_claim} bits each")

    @property
    def repetition_cutoff(self) -> int:
        """4.4.1: equal samples in a row that are a failure."""
        # Rounded, as a division of decimals may end just above a whole number.
        return 1 + math.ceil(round(self.alpha_log2 / self.entropy_claim, 9))

    @property
    def proportion_cutoff(self) -> int:
        """4.4.2: samples of a window, equal to its first and counting it, that are a failure."""
        likely = 2.0**-self.entropy_claim
        beyond = 0.0
        for count in range(self.window, 0, -1):
            others = (self.window - count) * math.log1p(-likely) + count * math.log(likely)
            beyond += math.exp(math.log(math.comb(self.window, count)) + others)
            if beyond > 2.0**-self.alpha_log2:
                return count + 1
        return 1

    def conditioned_samples(self, bits: int) -> int:
        """Samples, whole words of them, that a vetted conditioning function makes ``bits`` of full entropy of: 64 bits more
        min-entropy than come out (SP 800-90C, 3.2.2.2; see SP 800-90B, 3.1.5.1.2)."""
        return 32 * math.ceil(round((bits + 64) / self.entropy_claim, 9) / 32)


class RepetitionCount(wiring.Component):
    """Fails where one value comes too often in a row: SP 800-90B, 4.4.1.

    Args:
        cutoff: so many equal samples are a failure; at least 2.

    Members:
        sample, sample_valid: samples, at most one per cycle.
        failed: in the cycle of the sample with which the test fails. The next one starts over.

    Reset starts over.
    """

    sample: Signal
    sample_valid: Signal
    failed: Signal

    def __init__(self, cutoff: int) -> None:
        self.cutoff = cutoff
        super().__init__({"sample": In(1), "sample_valid": In(1), "failed": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # As many equal ones in a row as there have been so far; 0: none has come.
        last, run, same = Signal(), Signal(range(self.cutoff)), Signal()
        m.d.comb += [
            same.eq((run != 0) & (self.sample == last)),
            self.failed.eq(self.sample_valid & same & (run == self.cutoff - 1)),
        ]
        with m.If(self.sample_valid):
            m.d.sync += [last.eq(self.sample), run.eq(Mux(self.failed, 0, Mux(same, run + 1, 1)))]
        return m


class AdaptiveProportion(wiring.Component):
    """Fails where one value comes too often in a window: SP 800-90B, 4.4.2.

    Args:
        cutoff: so many samples equal to the first, with it, are a failure; at least 2.
        window: samples.

    Members:
        sample, sample_valid: samples, at most one per cycle.
        failed: in the cycle of the sample with which the test fails. The next one starts a new window.

    Reset starts a new window.
    """

    sample: Signal
    sample_valid: Signal
    failed: Signal

    def __init__(self, cutoff: int, window: int) -> None:
        self.cutoff = cutoff
        self.window = window
        super().__init__({"sample": In(1), "sample_valid": In(1), "failed": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, count, taken = Signal(), Signal(range(self.cutoff)), Signal(range(self.window))
        same = Signal()
        m.d.comb += [
            same.eq(self.sample == first),
            self.failed.eq(self.sample_valid & (taken != 0) & same & (count == self.cutoff - 1)),
        ]
        with m.If(self.sample_valid):
            with m.If(taken == 0):
                m.d.sync += [first.eq(self.sample), count.eq(1)]
            with m.Elif(same):
                m.d.sync += count.eq(count + 1)
            m.d.sync += taken.eq(Mux(self.failed | (taken == self.window - 1), 0, taken + 1))
        return m


class State(enum.Enum, shape=5):
    """Of the source. SEC_CM: NOISE.MODE.GUARDED"""

    STARTUP = 0b00111
    READY = 0b11001
    ALARM = 0b11110


class Health(wiring.Component):
    """Both tests on every sample, and what follows from them.

    Args:
        parameters: what the source is held to.

    Members:
        sample, sample_valid: samples, at most one per cycle.
        restart: the start-up test begins again; an alarm stays.
        state: as shown to the host; the alarm also where ``fault``.
        ready: the start-up test is passed and nothing has failed since. Falls `ALARM_CYCLES` after the sample with which a
            test fails.
        repetitions, proportions: failures of each test; they stop at the highest number.
        fault: the state is one that does not exist. It stays so.

    Latency of an alarm, from the first bad sample on: ``repetition_cutoff`` samples where a source is stuck, less than two
    windows where one value comes ``proportion_cutoff`` times in the next whole one; and `ALARM_CYCLES`. Reset ends an alarm,
    and starts over.
    """

    sample: Signal
    sample_valid: Signal
    restart: Signal
    state: Signal
    ready: Signal
    repetitions: Signal
    proportions: Signal
    fault: Signal

    def __init__(self, parameters: HealthParameters) -> None:
        self.parameters = parameters
        super().__init__(
            {
                "sample": In(1),
                "sample_valid": In(1),
                "restart": In(1),
                "state": Out(2),
                "ready": Out(1),
                "repetitions": Out(FAILURE_BITS),
                "proportions": Out(FAILURE_BITS),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        parameters = self.parameters
        tests = {
            "repetition": (RepetitionCount(parameters.repetition_cutoff), self.repetitions),
            "proportion": (AdaptiveProportion(parameters.proportion_cutoff, parameters.window), self.proportions),
        }
        failed = 0
        for name, (test, failures) in tests.items():
            m.submodules[name] = test
            m.d.comb += [test.sample.eq(self.sample), test.sample_valid.eq(self.sample_valid)]
            with m.If(test.failed & (failures != (1 << FAILURE_BITS) - 1)):
                m.d.sync += failures.eq(failures + 1)
            failed |= test.failed

        # SEC_CM: NOISE.STARTUP, SEC_CM: NOISE.HEALTH, SEC_CM: NOISE.ALARM.LATCHED
        state, fault = guarded(State)
        seen = Signal(range(STARTUP_SAMPLES))
        m.d.comb += self.fault.eq(fault)
        with m.Switch(state):
            with m.Case(State.STARTUP):
                m.d.comb += self.state.eq(Noise.STARTUP)
                with m.If(failed):
                    m.d.sync += state.eq(State.ALARM)
                with m.Elif(self.restart):
                    m.d.sync += seen.eq(0)
                with m.Elif(self.sample_valid):
                    m.d.sync += seen.eq(seen + 1)
                    with m.If(seen == STARTUP_SAMPLES - 1):
                        m.d.sync += state.eq(State.READY)
            with m.Case(State.READY):
                m.d.comb += [self.state.eq(Noise.READY), self.ready.eq(1)]
                with m.If(failed):
                    m.d.sync += state.eq(State.ALARM)
                with m.Elif(self.restart):
                    m.d.sync += state.eq(State.STARTUP)
            with m.Default():  # an alarm, or a state that does not exist
                m.d.comb += self.state.eq(Noise.ALARM)
        return m
