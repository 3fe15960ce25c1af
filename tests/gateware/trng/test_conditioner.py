# SPDX-License-Identifier: Apache-2.0
"""The conditioner with its engine, against hashlib."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Sequence

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from gateware.hash import SharedSha256
from gateware.trng.conditioner import Conditioner
from sim.noise import Noise
from tests.gateware.stream.bench import PAUSES

PERIOD_S = 1e-8
MAX_CYCLES = 4000


def digest(samples: Sequence[int]) -> bytes:
    words = [samples[at : at + 32] for at in range(0, len(samples), 32)]
    message = b"".join(sum(bit << place for place, bit in enumerate(word)).to_bytes(4) for word in words)
    return hashlib.sha256(message).digest()


class Bench:
    """A conditioner, its engine, and what happens in each cycle."""

    def __init__(self, samples: int) -> None:
        self.conditioner, self.shared = Conditioner(samples), SharedSha256()
        self.m = Module()
        self.m.submodules.conditioner, self.m.submodules.shared = self.conditioner, self.shared
        wiring.connect(self.m, self.conditioner.engine, self.shared.second)
        self.noise = Noise()
        self.taken: list[int] = []
        self.given = b""

    async def cycle(self, ctx, offer: bool = True, take: bool = True) -> None:
        conditioner = self.conditioner
        sample = self.noise.sample()
        ctx.set(conditioner.sample, sample)
        ctx.set(conditioner.sample_valid, offer)
        ctx.set(conditioner.o.ready, take)
        if offer and ctx.get(conditioner.takes):
            self.taken.append(sample)
        if take and ctx.get(conditioner.o.valid):
            self.given += ctx.get(conditioner.o.payload).to_bytes(4)
        await ctx.tick()

    async def give(self, ctx, digests: int, idle=lambda: False, stall=lambda: False) -> None:
        for _ in range(digests * MAX_CYCLES):
            if len(self.given) == 32 * digests:
                return
            await self.cycle(ctx, not idle(), not stall())
        raise AssertionError("no digest")

    def run(self, bench) -> None:
        simulator = Simulator(self.m)
        simulator.add_clock(PERIOD_S)
        simulator.add_testbench(bench)
        simulator.run()


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize("samples", [256, 416, 448, 512, 640, 1088])
def test_gives_the_digest_of_all_samples_taken(samples: int, pauses: str):
    """Lengths whose padding fits into the last block, or does not."""
    bench = Bench(samples)

    async def run(ctx):
        await bench.give(ctx, 2, PAUSES[pauses](1), PAUSES[pauses](2))
        for at in range(2):
            assert bench.given[32 * at : 32 * at + 32] == digest(bench.taken[samples * at : samples * at + samples])

    bench.run(run)


@pytest.mark.parametrize("cycles", [5, 100, 300, 325, 420, 470])
def test_clear_forgets_what_was_collected_and_starts_over(cycles: int):
    bench = Bench(256)
    clears = (bench.conditioner.clear, bench.shared.clear)

    async def run(ctx):
        for _ in range(cycles):
            await bench.cycle(ctx, take=False)
        for clear in clears:
            ctx.set(clear, 1)
        await ctx.tick()
        for clear in clears:
            ctx.set(clear, 0)
        assert not ctx.get(bench.conditioner.o.valid)
        for _ in range(bench.conditioner.wipe_cycles):
            assert not ctx.get(bench.conditioner.takes)
            await ctx.tick()
        bench.taken.clear()
        await bench.give(ctx, 1)
        assert bench.given == digest(bench.taken[:256])

    bench.run(run)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_lengths_that_make_no_digest_are_refused():
    for samples in (100, 128):
        with pytest.raises(ValueError):
            Conditioner(samples)
    gc.collect()  # while what it says of units that are not used is ignored
