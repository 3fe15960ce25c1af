# SPDX-License-Identifier: Apache-2.0
"""Random words on their way from the clock of the control to that of the datapath, and a source that fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amaranth import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from gateware.devices.random_words import SAMPLE_CYCLES, RandomWords
from gateware.hash import SharedSha256
from gateware.hash.sha256 import STATE_WORDS
from gateware.trng.full_entropy import FullEntropy
from sim.noise import Noise

PERIODS = {"sync": 0.8e-8, "control": 1.7e-8}
WORDS = 2 * STATE_WORDS
SAMPLED = 3
"""Cycles of the control from one sample to the next."""
LIMIT_CYCLES = 24_000
SLOW = 7
"""A word is taken in so many cycles."""


def of_source(source: Noise) -> list[int]:
    """The words that `FullEntropy` makes of the same samples, which come as far apart; each is taken at once."""
    m = Module()
    m.submodules.source = dut = FullEntropy()
    m.submodules.engine = engine = SharedSha256()
    wiring.connect(m, dut.engine, engine.third)
    words: list[int] = []

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for cycle in range(LIMIT_CYCLES):
            comes = cycle % SAMPLED == 0
            ctx.set(dut.sample_valid, comes)
            ctx.set(dut.sample, source.sample() if comes else 0)
            if ctx.get(dut.o.valid):
                words.append(ctx.get(dut.o.payload))
            if len(words) == STATE_WORDS:
                return
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(PERIODS["control"])
    simulator.add_testbench(bench)
    simulator.run()
    return words


def run(sample: Callable[[int], int], done: Callable[[list[int], bool], bool], every: int) -> tuple[list[int], bool]:
    """Words taken, and whether there was an alarm at the end, once it is done or `LIMIT_CYCLES` later."""
    m = Module()
    for domain in PERIODS:
        m.domains += ClockDomain(domain)
    m.submodules.dut = dut = RandomWords()
    m.submodules.engine = engine = SharedSha256()
    wiring.connect(m, dut.engine, engine.third)
    assert SAMPLED * PERIODS["control"] >= SAMPLE_CYCLES * PERIODS["sync"]
    words: list[int] = []
    alarms: list[bool] = [False]
    ended: list[bool] = []

    async def noise(ctx):
        for cycle in range(LIMIT_CYCLES):
            ctx.set(dut.sample, sample(cycle))
            ctx.set(dut.sample_valid, 1)
            await ctx.tick("control")
            ctx.set(dut.sample_valid, 0)
            ctx.set(dut.sample, 0)
            await ctx.tick("control").repeat(SAMPLED - 1)
            if ended:
                return

    async def takes(ctx):
        for cycle in range(LIMIT_CYCLES):
            if done(words, alarms[-1]):
                break
            ready = cycle % every == 0
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                words.append(ctx.get(dut.o.payload))
            alarms.append(bool(ctx.get(dut.alarm)))
            await ctx.tick("sync")
        ended.append(True)

    simulator = Simulator(m)
    for domain, period in PERIODS.items():
        simulator.add_clock(period, domain=domain)
    simulator.add_testbench(noise)
    simulator.add_testbench(takes)
    simulator.run()
    return words, alarms[-1]


@pytest.mark.parametrize("every", [1, SLOW])
def test_words_are_those_of_the_source_in_order(every: int):
    samples = Noise(1)
    words, alarm = run(lambda _: samples.sample(), lambda found, _: len(found) == WORDS, every)
    assert words[:STATE_WORDS] == of_source(Noise(1)) and len({*words}) == WORDS and not alarm


def test_a_source_that_is_stuck_is_an_alarm_and_gives_no_word():
    words, alarm = run(lambda _: 1, lambda _, alarm: alarm, 1)
    assert alarm and not words


def test_after_a_source_has_got_stuck_there_are_no_more():
    samples, stuck = Noise(2), 1900
    at_alarm: list[int] = []

    def done(words: list[int], alarm: bool) -> bool:
        if alarm and not at_alarm:
            at_alarm.append(len(words))
        return False

    words, alarm = run(lambda sample: samples.sample() if sample < stuck else 1, done, SLOW)
    assert alarm and words and len(words) == at_alarm[0]
