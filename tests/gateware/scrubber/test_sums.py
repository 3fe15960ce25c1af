# SPDX-License-Identifier: Apache-2.0
"""Both ways of adding up terms make the ones' complement sum, and nothing of zeros only."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.sim import Simulator

from gateware.scrubber.sums import ADDING_STAGES, FOLDING_STAGES, Term, add_at_once, add_in_turn

WIDTHS = {"one": [[16]], "pair": [[16, 9]], "wide": [[21, 13], [17], [26]], "many": [[16, 9]] * 11}
"""Name -> the bits of its terms, in groups."""
ROUNDS = 60
LONGEST_CYCLES = 60


def folded(numbers: list[int]) -> int:
    total = sum(numbers)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Bench:
    """Terms that are set from outside, and their sums."""

    def __init__(self) -> None:
        self.m = Module()
        self.starts = Signal()
        self.gates: dict[str, list[Signal]] = {}
        self.numbers: dict[str, list[Signal]] = {}
        self.sums: dict[str, list[list[Term]]] = {}
        for name, groups in WIDTHS.items():
            self.gates[name] = [Signal(name=f"{name}_gate") for group in groups for _ in group]
            self.numbers[name] = [Signal(bits, name=f"{name}_number") for group in groups for bits in group]
            terms = iter(zip(self.gates[name], self.numbers[name], strict=True))
            self.sums[name] = [[next(terms) for _ in group] for group in groups]

    def choose(self, ctx: Any, source: random.Random) -> dict[str, int]:
        """Sets terms, small, large or zero, and returns their sums."""
        wanted = {}
        for name in WIDTHS:
            counted = []
            for gate, number in zip(self.gates[name], self.numbers[name], strict=True):
                opens = source.random() < 0.8
                value = source.choice((0, 1, (1 << len(number)) - 1, source.getrandbits(len(number))))
                ctx.set(gate, opens)
                ctx.set(number, value)
                counted.append(value * opens)
            wanted[name] = folded(counted)
        return wanted

    def run(self, testbench: Any) -> None:
        simulator = Simulator(self.m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.run()


def test_adds_the_terms_of_a_frame_in_every_cycle():
    bench, source = Bench(), random.Random(1)
    number = Signal(8)
    sums, (carried,) = add_at_once(bench.m, bench.sums, [number])
    latency = 1 + ADDING_STAGES + FOLDING_STAGES

    async def run(ctx: Any) -> None:
        wanted: list[dict[str, int]] = []
        for at in range(ROUNDS):
            wanted.append(bench.choose(ctx, source))
            ctx.set(number, at)
            await ctx.tick()
            if at >= latency - 1:
                assert ctx.get(carried) == at - latency + 1
                assert {name: ctx.get(value) for name, value in sums.items()} == wanted[at - latency + 1]

    bench.run(run)


@pytest.mark.parametrize("chains", [1, 2])
def test_adds_the_terms_of_a_frame_one_by_one(chains: int):
    bench, source = Bench(), random.Random(chains)
    names = [list(WIDTHS)[at::chains] for at in range(chains)]
    sums, here = add_in_turn(bench.m, bench.starts, [{name: bench.sums[name] for name in some} for some in names])

    async def run(ctx: Any) -> None:
        for _ in range(ROUNDS):
            wanted = bench.choose(ctx, source)
            ctx.set(bench.starts, 1)
            await ctx.tick()
            ctx.set(bench.starts, 0)
            await _until(ctx, here)
            assert {name: ctx.get(value) for name, value in sums.items()} == wanted
            await ctx.tick()
            assert not ctx.get(here)

    bench.run(run)


async def _until(ctx: Any, here: Value) -> None:
    for _ in range(LONGEST_CYCLES):
        if ctx.get(here):
            return
        await ctx.tick()
    raise AssertionError("the sums did not come")
