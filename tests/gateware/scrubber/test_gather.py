# SPDX-License-Identifier: Apache-2.0
"""Findings come back together, those of a frame with those of the same frame."""

import random
from itertools import pairwise
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from gateware.scrubber.gather import Gather
from tests.gateware.stream.bench import refusal

FINDINGS = {"early": 16, "later": 16, "last": 16}
FRAMES = 200


@pytest.mark.parametrize(("depth", "spacing"), [(16, 1), (16, 2), (16, 9), (64, 1)])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_brings_the_findings_of_a_frame_together(depth: int, spacing: int, share: float):
    dut = Gather(FINDINGS, depth, spacing)
    source = random.Random(depth * spacing)
    sent: dict[str, list[int]] = {name: [] for name in FINDINGS}
    given: list[tuple[int, tuple[int, ...]]] = []

    async def send(ctx: Any) -> None:
        while any(len(values) < FRAMES for values in sent.values()):
            for name in FINDINGS:
                # No finding is here before one that is found sooner, nor with more frames under way than there is room for.
                names = list(FINDINGS)
                ahead = sent[names[max(0, names.index(name) - 1)]]
                room = len(sent["early"]) < len(given) + depth - 1 if name == "early" else len(sent[name]) < len(ahead)
                comes = room and len(sent[name]) < FRAMES and source.random() < share
                ctx.set(dut.valid[name], comes)
                value = source.getrandbits(16)
                ctx.set(dut.i[name], value)
                if comes:
                    sent[name].append(value)
            await ctx.tick()
        for name in FINDINGS:
            ctx.set(dut.valid[name], 0)
        for _ in range(spacing * depth + 10):
            await ctx.tick()

    async def watch(ctx: Any) -> None:
        cycle = 0
        async for _, _, valid, early, later, last in ctx.tick().sample(
            dut.o_valid, dut.o.early, dut.o.later, dut.o.last
        ):
            cycle += 1
            if valid:
                given.append((cycle, (early, later, last)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert [values for _, values in given] == list(zip(*sent.values(), strict=True))
    times = [time for time, _ in given]
    assert min(after - before for before, after in pairwise(times)) >= spacing


def test_reset_forgets_what_has_come():
    reset = Signal()
    inner = Gather(FINDINGS, 16, 1)
    dut = ResetInserter(reset)(inner)

    async def run(ctx: Any) -> None:
        ctx.set(inner.valid.early, 1)
        await ctx.tick().repeat(3)
        ctx.set(inner.valid.early, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        for name, value in zip(FINDINGS, (1, 2, 3), strict=True):
            ctx.set(inner.valid[name], 1)
            ctx.set(inner.i[name], value)
        await ctx.tick()
        for name in FINDINGS:
            ctx.set(inner.valid[name], 0)
        seen = []
        for _ in range(10):
            if ctx.get(inner.o_valid):
                seen.append(tuple(ctx.get(inner.o[name]) for name in FINDINGS))
            await ctx.tick()
        assert seen == [(1, 2, 3)]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()


@pytest.mark.parametrize("depth", [0, 1, 12])
def test_refuses_a_depth_that_is_no_power_of_two(depth: int):
    assert "power of two" in refusal(lambda: Gather(FINDINGS, depth, 1))
