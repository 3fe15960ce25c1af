# SPDX-License-Identifier: Apache-2.0
"""The health tests of the gateware against the specification, and what they find in bad sources how soon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from amaranth import Module
from amaranth.sim import Simulator

from custodes.control_registers import Noise as State
from custodes.model.health import STARTUP_SAMPLES, Claim
from custodes.model.health import Health as Specification
from gateware.trng.health import ALARM_CYCLES, Health, HealthParameters
from sim.noise import PARTS, Noise
from tests.gateware.stream.bench import PAUSES

PERIOD_S = 1e-8


class Seen(NamedTuple):
    """What the gateware shows in one cycle."""

    state: int
    ready: int
    repetitions: int
    proportions: int


def run(parameters: HealthParameters, samples: Iterable[int], idle: str = "none") -> list[Seen]:
    """What is seen right after each sample."""
    m = Module()
    m.submodules.health = health = Health(parameters)
    pause = PAUSES[idle](1)
    seen: list[Seen] = []

    async def bench(ctx):
        for sample in samples:
            while pause():
                ctx.set(health.sample, 1 - sample)
                await ctx.tick()
            ctx.set(health.sample, sample)
            ctx.set(health.sample_valid, 1)
            await ctx.tick()
            ctx.set(health.sample_valid, 0)
            shown = (health.state, health.ready, health.repetitions, health.proportions)
            seen.append(Seen(*(ctx.get(value) for value in shown)))
            assert not ctx.get(health.fault)

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def specified(parameters: HealthParameters, samples: Iterable[int]) -> list[Seen]:
    health = Specification(Claim(str(parameters.entropy_claim), parameters.alpha_log2, parameters.window))
    return [
        Seen(state, state == State.READY, health.repetitions, health.proportions) for state in map(health.take, samples)
    ]


def first_alarm(seen: Sequence[Seen]) -> int:
    """After how many samples the alarm is shown: `ALARM_CYCLES` after the last of them."""
    assert ALARM_CYCLES == 1
    return 1 + next(at for at, shown in enumerate(seen) if shown.state == State.ALARM)


@pytest.mark.parametrize("entropy", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("alpha_log2", [4, 10, 20, 30, 40])
def test_cutoffs_are_those_of_the_specification(entropy: float, alpha_log2: int):
    for window in (512, 1024):
        parameters, claim = HealthParameters(entropy, alpha_log2, window), Claim(str(entropy), alpha_log2, window)
        assert parameters.repetition_cutoff == claim.repetition_cutoff
        assert parameters.proportion_cutoff == claim.proportion_cutoff


def test_claims_that_no_source_can_be_held_to_are_refused():
    for arguments in ((0.0, 20), (1.5, 20), (0.5, 0), (0.001, 40)):
        with pytest.raises(ValueError):
            HealthParameters(*arguments)


def test_conditioning_takes_64_bits_of_entropy_more_than_it_gives():
    assert HealthParameters(0.5).conditioned_samples(256) == 640
    assert HealthParameters(1.0).conditioned_samples(256) == 320
    assert HealthParameters(0.3).conditioned_samples(256) == 1088
    assert HealthParameters(0.9).conditioned_samples(256) == 384


SOURCES = {
    "good": lambda: Noise(),
    "repeating": lambda: Noise(repeats=3 * PARTS // 4),
    "leaning": lambda: Noise(ones=3 * PARTS // 4),
    "stuck": lambda: Noise(stuck=1),
}


@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("alpha_log2", [10, 30])
def test_every_state_and_count_is_that_of_the_specification(source: str, alpha_log2: int, idle: str):
    """With the relaxed rate failures come often, and in every place of a window."""
    parameters = HealthParameters(1.0 if alpha_log2 == 10 else 0.5, alpha_log2)
    noise = SOURCES[source]()
    samples = [noise.sample() for _ in range(6000)]
    assert run(parameters, samples, idle) == specified(parameters, samples)


@pytest.mark.parametrize("value", [0, 1])
def test_stuck_source_trips_the_alarm_within_the_cutoff(value: int):
    parameters, noise = HealthParameters(), Noise(seed=value + 1)
    samples = [noise.sample() for _ in range(STARTUP_SAMPLES + 500)]
    good = len(samples)
    noise.stuck = value
    seen = run(parameters, samples + [noise.sample() for _ in range(parameters.repetition_cutoff)])
    assert seen[good - 1].ready and not seen[-1].ready
    assert first_alarm(seen) - good <= parameters.repetition_cutoff
    assert parameters.repetition_cutoff == 61


@pytest.mark.parametrize("percent", [88, 92])
@pytest.mark.parametrize("after", [1, 700])
def test_biased_source_trips_the_alarm_in_less_than_two_windows(percent: int, after: int):
    """810 of 1024 are the cutoff."""
    parameters, noise = HealthParameters(), Noise(seed=percent)
    samples = [noise.sample() for _ in range(STARTUP_SAMPLES + after)]
    good = len(samples)
    noise.ones = percent * PARTS // 100
    seen = run(parameters, samples + [noise.sample() for _ in range(2 * parameters.window)])
    assert seen[good - 1].ready
    assert first_alarm(seen) - good < 2 * parameters.window


def test_correlated_source_trips_the_alarm_of_the_repetition_count_test():
    """Half of its samples are ones: only their order tells."""
    parameters, noise = HealthParameters(), Noise()
    samples = [noise.sample() for _ in range(STARTUP_SAMPLES)]
    noise.repeats = 95 * PARTS // 100
    samples += [noise.sample() for _ in range(2 * parameters.window)]
    seen = run(parameters, samples)
    assert seen[STARTUP_SAMPLES - 1].ready
    assert first_alarm(seen) < STARTUP_SAMPLES + 2 * parameters.window
    assert seen[-1].repetitions


def test_bad_source_never_gets_through_the_startup_test():
    for noise in (Noise(stuck=0), Noise(ones=9 * PARTS // 10), Noise(repeats=97 * PARTS // 100)):
        assert not any(shown.ready for shown in run(HealthParameters(), [noise.sample() for _ in range(3000)]))


def test_restart_repeats_the_startup_test_but_ends_no_alarm():
    m = Module()
    m.submodules.health = health = Health(HealthParameters())
    noise = Noise()

    async def take(ctx, count: int) -> None:
        ctx.set(health.sample_valid, 1)
        for _ in range(count):
            ctx.set(health.sample, noise.sample())
            await ctx.tick()
        ctx.set(health.sample_valid, 0)

    async def restart(ctx) -> None:
        ctx.set(health.restart, 1)
        await ctx.tick()
        ctx.set(health.restart, 0)

    async def bench(ctx):
        for before in (STARTUP_SAMPLES, 100):
            await take(ctx, before)
            assert ctx.get(health.ready) == (before == STARTUP_SAMPLES)
            await restart(ctx)
            await take(ctx, STARTUP_SAMPLES - 1)
            assert ctx.get(health.state) == State.STARTUP
            await take(ctx, 1)
            assert ctx.get(health.ready)
            await restart(ctx)
        noise.stuck = 0
        await take(ctx, 100)
        await restart(ctx)
        noise.stuck = None
        await take(ctx, 2 * STARTUP_SAMPLES)
        assert ctx.get(health.state) == State.ALARM
        assert not ctx.get(health.ready)

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
