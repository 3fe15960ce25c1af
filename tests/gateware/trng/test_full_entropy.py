# SPDX-License-Identifier: Apache-2.0
"""Words without a DRBG: digests of samples none of which is used twice, and nothing behind an alarm."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from amaranth import Module
from amaranth.hdl import MemoryData
from amaranth.lib import wiring
from amaranth.sim import Simulator

from custodes.model.health import STARTUP_SAMPLES
from gateware.hash import SharedSha256
from gateware.hash.sha256 import INITIAL, STATE_WORDS, WORD_BITS
from gateware.trng.full_entropy import FullEntropy
from gateware.trng.health import HealthParameters
from gateware.trng.trng import SEED_BITS
from sim.noise import Noise
from tests.gateware.trng.test_trng import digest

PERIOD_S = 1e-8
LIMIT_CYCLES = 10_000
SAMPLES = HealthParameters().conditioned_samples(SEED_BITS)
DIGESTS = 3
PAUSE = range(160, 250)
"""Cycles in which no sample is taken, between two digests whose words are taken at once."""
PASSED = 40
"""Cycles after the start-up test in which none is taken."""


def run(source: Noise, words: int, every: int = 1) -> tuple[list[int], bytes]:
    """Samples, one in each cycle, and what has been made of them."""
    m = Module()
    m.submodules.dut = dut = FullEntropy()
    m.submodules.engine = engine = SharedSha256()
    wiring.connect(m, dut.engine, engine.third)
    samples: list[int] = []
    made = bytearray()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.sample_valid, 1)
        for cycle in range(LIMIT_CYCLES):
            if len(made) == 4 * words:
                return
            samples.append(source.sample())
            ctx.set(dut.sample, samples[-1])
            ctx.set(dut.o.ready, cycle % every == 0)
            if cycle % every == 0 and ctx.get(dut.o.valid):
                made.extend(ctx.get(dut.o.payload).to_bytes(4))
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
    return samples, bytes(made)


@pytest.mark.parametrize("every", [1, 5])
def test_words_are_digests_of_samples_and_no_sample_is_in_two(every: int):
    samples, made = run(Noise(3), DIGESTS * STATE_WORDS, every)
    starts = {digest(samples[at : at + SAMPLES]): at for at in range(STARTUP_SAMPLES, len(samples) - SAMPLES)}
    found = [starts[made[at : at + 32]] for at in range(0, len(made), 32)]
    assert len(found) == DIGESTS and found[0] <= STARTUP_SAMPLES + PASSED
    pauses = [later - earlier - SAMPLES for earlier, later in pairwise(found)]
    assert all(pause >= PAUSE.start for pause in pauses)
    assert every > 1 or all(pause in PAUSE for pause in pauses)


def test_a_source_that_fails_the_startup_test_makes_nothing():
    assert run(Noise(stuck=1), 1)[1] == b""


def test_behind_an_alarm_nothing_is_offered_and_nothing_left(memories: list[MemoryData]):
    m = Module()
    m.submodules.dut = dut = FullEntropy()
    m.submodules.engine = engine = SharedSha256()
    wiring.connect(m, dut.engine, engine.third)
    noise = Noise(4)

    async def bench(ctx: Any) -> None:
        async def sample_until(signal: Any) -> None:
            for _ in range(LIMIT_CYCLES):
                if ctx.get(signal):
                    return
                await sample()
            raise AssertionError("it does not come")

        async def sample() -> None:
            ctx.set(dut.sample, noise.sample())
            await ctx.tick()

        ctx.set(dut.sample_valid, 1)
        await sample_until(dut.o.valid)
        assert len(memories) == 1 and any(ctx.get(memories[0][at]) for at in range(memories[0].depth))
        noise.stuck = 0
        await sample_until(dut.alarm)
        for _ in range(dut.wipe_cycles):
            assert not ctx.get(dut.o.valid) and not ctx.get(dut.o.payload)
            await sample()
        assert not any(ctx.get(memories[0][at]) for at in range(memories[0].depth))
        assert ctx.get(dut.engine.state) == sum(word << WORD_BITS * at for at, word in enumerate(reversed(INITIAL)))
        noise.stuck = None
        for _ in range(2 * STARTUP_SAMPLES):
            assert ctx.get(dut.alarm) and not ctx.get(dut.o.valid)
            await sample()

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
