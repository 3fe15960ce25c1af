# SPDX-License-Identifier: Apache-2.0
"""Whatever ends random numbers leaves nothing behind of what they were made of."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth import Module
from amaranth.hdl import MemoryData
from amaranth.sim import Simulator

from gateware.trng.trng import Trng
from sim.noise import Noise

PERIOD_S = 1e-8
LIMIT_CYCLES = 10_000
MEMORIES = 5
"""The conditioner's, and those of the DRBG."""


@pytest.mark.parametrize("reason", ["clear", "alarm"])
def test_every_memory_is_overwritten_in_the_designed_time_while_the_reason_lasts(
    reason: str, memories: list[MemoryData]
):
    m = Module()
    m.submodules.trng = trng = Trng()
    noise = Noise()

    async def bench(ctx: Any) -> None:
        async def sample() -> None:
            ctx.set(trng.sample, noise.sample())
            await ctx.tick()

        def holding() -> int:
            return sum(any(ctx.get(data[at]) for at in range(data.depth)) for data in memories)

        ctx.set(trng.sample_valid, 1)
        for _ in range(LIMIT_CYCLES):
            if ctx.get(trng.o.valid):
                break
            await sample()
        assert len(memories) == MEMORIES
        assert holding() >= MEMORIES - 1, "the seed has been overwritten already"
        if reason == "clear":
            ctx.set(trng.clear, 1)
        else:
            noise.stuck = 0
            for _ in range(LIMIT_CYCLES):
                if ctx.get(trng.alarm):
                    break
                await sample()
        for _ in range(trng.wipe_cycles):
            assert not ctx.get(trng.o.valid)
            await sample()
        assert holding() == 0

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
