# SPDX-License-Identifier: Apache-2.0
"""Words from a seed, with an engine of their own, against the specification."""

from __future__ import annotations

import gc
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from amaranth import Module
from amaranth.hdl import Fragment
from amaranth.lib import wiring
from amaranth.sim import Simulator

from custodes.model import entropy
from gateware.entropy.words import DIGEST_CYCLES, DIRECTIONS, Words
from gateware.hash import Sha256
from tests.gateware.hash.test_clear import registers
from tests.gateware.stream.bench import PAUSES, never

PERIOD_S = 8e-9
SEED = Random(5).randbytes(32)
NO_LIMIT = (1 << 32) - 1
SMALLEST_FRAME_CYCLES = 84
"""At 1 lane, with what is between two."""
FETCH_CYCLES = 6
"""For a word that waits in a queue."""


class Bench:
    """The unit, its engine, and in each cycle what is taken of which direction."""

    def __init__(self, depth: int = 4) -> None:
        self.words, self.engine = Words(depth), Sha256()
        m = Module()
        self.m: Any = m
        m.submodules.words, m.submodules.engine = self.words, self.engine
        wiring.connect(m, self.words.i, self.engine.i)
        m.d.comb += [
            self.words.busy.eq(self.engine.busy),
            self.words.head.eq(self.engine.state[-64:]),
        ]
        m.d.sync += self.words.digest.eq(self.engine.state.word_select(~self.words.place, 32))
        m.d.comb += self.engine.clear.eq(~self.words.enable)
        self.taken: list[list[bytes]] = [[], []]
        self.outputs: list[Any] = [getattr(self.words, f"o_{name}") for name in DIRECTIONS]

    async def start(self, ctx: Any, limit: int = NO_LIMIT) -> None:
        ctx.set(self.words.limit, limit)
        while not ctx.get(self.words.wiped):
            await self.cycle(ctx)
        ctx.set(self.words.enable, 1)

    async def cycle(self, ctx: Any, *stalls: Callable[[], bool]) -> None:
        """One cycle; each direction's words are taken unless its ``stall`` says no."""
        readies = [not stall() for stall in stalls] or [False, False]
        for o, ready in zip(self.outputs, readies, strict=True):
            ctx.set(o.ready, ready)
        row, moves = ctx.get(self.words.row), not ctx.get(self.words.i.valid) or ctx.get(self.words.i.ready)
        for o, ready, taken in zip(self.outputs, readies, self.taken, strict=True):
            if ready and ctx.get(o.valid):
                taken.append(ctx.get(o.payload).to_bytes(16, "little"))
        await ctx.tick()
        if moves:
            ctx.set(self.words.seed, int.from_bytes(SEED[4 * row : 4 * row + 4]))

    async def used(self, ctx: Any) -> list[int]:
        """As told a cycle after nothing more is taken."""
        await self.cycle(ctx)
        return [ctx.get(self.words.used_cluster), ctx.get(self.words.used_world)]

    def run(self, testbench: Any) -> None:
        simulator = Simulator(self.m)
        simulator.add_clock(PERIOD_S)
        simulator.add_testbench(testbench)
        simulator.run()

    def check(self) -> None:
        for direction, taken in enumerate(self.taken):
            assert taken == [entropy.word(SEED, direction, index) for index in range(len(taken))]


def always() -> bool:
    return True


@pytest.mark.parametrize("depth", [2, 4, 16])
@pytest.mark.parametrize("pauses", PAUSES)
def test_each_direction_gets_its_words_in_order_whatever_the_other_does(pauses: str, depth: int):
    bench = Bench(depth)

    async def run(ctx: Any) -> None:
        await bench.start(ctx)
        stalls = PAUSES[pauses](1), PAUSES[pauses](2)
        for _ in range(40 * DIGEST_CYCLES):
            await bench.cycle(ctx, *stalls)
        bench.check()
        assert min(map(len, bench.taken)) >= 20
        assert await bench.used(ctx) == list(map(len, bench.taken))

    bench.run(run)


@pytest.mark.parametrize(
    ("stalls", "expected"), [((never, never), (20, 20)), ((never, always), (40, 0)), ((always, never), (0, 40))]
)
def test_directions_share_the_engine_fairly_and_one_alone_has_all_of_it(stalls: Any, expected: tuple[int, int]):
    bench = Bench()

    async def run(ctx: Any) -> None:
        await bench.start(ctx)
        for _ in range(20 * DIGEST_CYCLES):  # the queue of one that takes nothing is full by then
            await bench.cycle(ctx, *stalls)
        before = [len(taken) for taken in bench.taken]
        for _ in range(20 * DIGEST_CYCLES):
            await bench.cycle(ctx, *stalls)
        bench.check()
        rates = [len(taken) - old for taken, old in zip(bench.taken, before, strict=True)]
        assert all(abs(rate - wanted) <= 2 for rate, wanted in zip(rates, expected, strict=True)), rates

    bench.run(run)


@pytest.mark.parametrize("depth", [2, 4, 16])
def test_a_queue_is_ahead_of_who_needs_words(depth: int):
    bench = Bench(depth)

    async def run(ctx: Any) -> None:
        await bench.start(ctx)
        for _ in range(20 * DIGEST_CYCLES):
            await bench.cycle(ctx)
        for _ in range(len(DIRECTIONS) * FETCH_CYCLES * depth + 2):
            await bench.cycle(ctx, never, never)
        assert min(map(len, bench.taken)) >= depth
        bench.check()

    bench.run(run)


@pytest.mark.parametrize("apart", [0, 1, 30, 41, 60])
def test_a_word_for_each_smallest_frame_of_both_directions_at_one_lane_never_has_to_be_waited_for(apart: int):
    bench = Bench()

    async def run(ctx: Any) -> None:
        await bench.start(ctx)
        for _ in range(20 * DIGEST_CYCLES):
            await bench.cycle(ctx)
        for cycle in range(100 * SMALLEST_FRAME_CYCLES):
            wants = [(cycle - offset) % SMALLEST_FRAME_CYCLES == 0 for offset in (0, apart)]
            assert all(ctx.get(o.valid) for o, want in zip(bench.outputs, wants, strict=True) if want), cycle
            await bench.cycle(ctx, *(never if want else always for want in wants))
        bench.check()
        assert min(map(len, bench.taken)) >= 99

    bench.run(run)


@pytest.mark.parametrize("limit", [0, 5])
def test_the_key_of_the_retimer_comes_before_words_and_goes_with_the_seed(limit: int):
    bench = Bench()
    key, expected = bench.words.key, entropy.retimer_key(SEED)

    async def run(ctx: Any) -> None:
        await bench.start(ctx, limit)
        seen = []
        for _ in range(DIGEST_CYCLES):
            assert not any(ctx.get(o.valid) for o in bench.outputs)
            seen.append(ctx.get(key))
            await bench.cycle(ctx, never, never)
        assert set(seen) <= {0, expected} and ctx.get(key) == expected
        for _ in range(10 * DIGEST_CYCLES):
            await bench.cycle(ctx, never, never)
            assert ctx.get(key) == expected
        bench.check()
        assert [len(taken) for taken in bench.taken] == [limit, limit]
        ctx.set(bench.words.enable, 0)
        await bench.cycle(ctx)
        assert ctx.get(key) == 0
        await bench.start(ctx, limit)
        for _ in range(DIGEST_CYCLES):
            await bench.cycle(ctx)
        assert ctx.get(key) == expected

    bench.run(run)


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_live_says_whether_another_word_comes(limit: int):
    bench = Bench()

    async def run(ctx: Any) -> None:
        assert not ctx.get(bench.words.live)
        await bench.start(ctx, limit)
        for _ in range(10 * DIGEST_CYCLES):
            for direction, taken in enumerate(bench.taken):
                assert (ctx.get(bench.words.live) >> direction & 1) == (len(taken) < limit)
            await bench.cycle(ctx, never, never)
        assert [len(taken) for taken in bench.taken] == [limit, limit]
        bench.check()

    bench.run(run)


def test_words_are_numbered_to_the_last_of_32_bits_and_no_further():
    bench = Bench(2)
    words = bench.words
    fragment: Any = Fragment.get(bench.m, None)
    bench.m = fragment
    numbers = next(signal for signal in registers(fragment) if signal.name == "numbers")

    async def run(ctx: Any) -> None:
        await bench.start(ctx)
        while not ctx.get(bench.engine.busy):
            await bench.cycle(ctx)
        last = (NO_LIMIT - 1) // 2
        ctx.set(numbers, last | last << 32)
        for _ in range(12 * DIGEST_CYCLES):
            await bench.cycle(ctx, never, never)
        assert not ctx.get(words.live)
        for direction, taken in enumerate(bench.taken):
            expected = [entropy.word(SEED, direction, index) for index in range(2 * last, NO_LIMIT)]
            assert taken[-len(expected) :] == expected
            assert len(taken) <= 2 + len(expected)

    bench.run(run)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_a_queue_whose_words_are_no_power_of_two_is_refused():
    for depth in (0, 1, 3, 6):
        with pytest.raises(ValueError, match="power of two"):
            Words(depth)
    gc.collect()  # while what it says of units that are not used is ignored
