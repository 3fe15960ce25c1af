# SPDX-License-Identifier: Apache-2.0
"""The generator with its engine: NIST's vectors, and its specification."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.hdl import MemoryData
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from custodes.model.hash_drbg import HashDrbg as Specification
from gateware.hash import SharedSha256
from gateware.trng.drbg import HashDrbg
from tests.drbg_vectors import REQUEST_BYTES, VECTORS, Vector
from tests.gateware.stream.bench import PAUSES, never

PERIOD_S = 1e-8
MAX_CYCLES = 60_000
REQUEST_WORDS = REQUEST_BYTES // 4


class Bench:
    """A generator, its engine, and what happens in each cycle. ``seeds`` are the words that are to be had."""

    def __init__(self, *arguments: int, seeds: bytes = b"") -> None:
        self.drbg, self.shared = HashDrbg(*arguments), SharedSha256()
        self.m = Module()
        self.m.submodules.drbg, self.m.submodules.shared = self.drbg, self.shared
        self.other = Signal()
        self.m.d.comb += self.shared.second.use.eq(self.other)
        wiring.connect(self.m, self.drbg.engine, self.shared.first)
        self.seeds = [int.from_bytes(seeds[at : at + 4]) for at in range(0, len(seeds), 4)]
        self.idle: Callable[[], bool] = never
        self.given = b""

    async def cycle(self, ctx: Any, take: bool = True) -> None:
        drbg = self.drbg
        offered = bool(self.seeds) and (ctx.get(drbg.seed.valid) or not self.idle())
        ctx.set(drbg.seed.valid, offered)
        ctx.set(drbg.seed.payload, self.seeds[0] if offered else 0)
        ctx.set(drbg.o.ready, take)
        if offered and ctx.get(drbg.seed.ready):
            self.seeds.pop(0)
        if take and ctx.get(drbg.o.valid):
            self.given += ctx.get(drbg.o.payload).to_bytes(4)
        await ctx.tick()

    async def give(self, ctx: Any, count: int, stall: Callable[[], bool] = never) -> bytes:
        """So many bytes, which are all that have been given."""
        for _ in range(MAX_CYCLES):
            if len(self.given) == count:
                given, self.given = self.given, b""
                return given
            await self.cycle(ctx, not stall())
        raise AssertionError("no random words")

    def run(self, bench: Any) -> None:
        simulator = Simulator(self.m)
        simulator.add_clock(PERIOD_S)
        simulator.add_testbench(bench)
        simulator.run()


@pytest.mark.parametrize("vector", [vector for vector in VECTORS if not any(vector.additional)])
def test_passes_the_vectors_of_nist(vector: Vector):
    """Personalization is what it is for the standard: more of the seed."""
    seed = bytes.fromhex(vector.entropy + vector.nonce + vector.personalization)
    bench = Bench(len(seed) // 4, seeds=seed + bytes.fromhex(vector.reseed))

    async def run(ctx: Any) -> None:
        ctx.set(bench.drbg.reseed, bool(vector.reseed))
        await bench.cycle(ctx)
        ctx.set(bench.drbg.reseed, 0)
        given = await bench.give(ctx, 2 * REQUEST_BYTES)
        assert given[REQUEST_BYTES:].hex() == vector.returned

    bench.run(run)
    assert bench.seeds == []


@pytest.mark.parametrize(
    ("seed_words", "reseed_words", "blocks", "pauses"),
    [(16, 8, 4, "bursts"), (12, 8, 1, "none"), (12, 8, 1, "often"), (9, 13, 2, "often")],
)
def test_does_as_the_specification_says_seed_after_seed(seed_words: int, reseed_words: int, blocks: int, pauses: str):
    requests = 2
    random = Random(seed_words)
    first, *others = (random.randbytes(4 * words) for words in (seed_words, reseed_words, reseed_words))
    bench = Bench(seed_words, reseed_words, blocks, requests, seeds=b"".join((first, *others)))
    bench.idle = PAUSES[pauses](1)

    async def run(ctx: Any) -> None:
        stall = PAUSES[pauses](2)
        specification = Specification(first, max_requests=requests)
        for seed in (b"", *others):
            if seed:
                specification.reseed(seed)
            for _ in range(requests):
                given = await bench.give(ctx, 32 * blocks, stall)
                assert given == specification.generate(32 * blocks)
        for _ in range(10):
            await bench.cycle(ctx)
        assert ctx.get(bench.drbg.reseed_needed)

    bench.run(run)


def test_waits_for_the_engine_while_another_has_it():
    random = Random(1)
    seed = random.randbytes(64)
    bench = Bench(seeds=seed)

    async def run(ctx: Any) -> None:
        specification, taken = Specification(seed), 0
        while len(bench.given) < 2 * REQUEST_BYTES:
            ctx.set(bench.other, random.random() < 0.9)
            taken += ctx.get(bench.shared.second.mine)
            await bench.cycle(ctx)
        assert bench.given == specification.generate(REQUEST_BYTES) + specification.generate(REQUEST_BYTES)
        assert taken > 500

    bench.run(run)


def test_words_are_offered_when_the_state_behind_them_is_gone_and_overwritten_when_taken(
    memories: dict[str, MemoryData],
):
    seed = Random(2).randbytes(64)
    bench = Bench(seeds=seed)

    async def run(ctx: Any) -> None:
        def rows(name: str) -> list[int]:
            return [ctx.get(memories[name][at]) for at in range(memories[name].depth)]

        specification = Specification(seed)
        for _ in range(2):
            while not ctx.get(bench.drbg.o.valid):
                await bench.cycle(ctx, take=False)
            given = specification.generate(REQUEST_BYTES)
            for taken in range(REQUEST_WORDS):
                assert bytes(rows("value")[:55]) == specification.value
                assert bytes(rows("constant")[:55]) == specification.constant
                assert not any(rows("material"))
                words = b"".join(word.to_bytes(4) for word in rows("words"))
                assert words == bytes(4 * taken) + given[4 * taken :]
                await bench.cycle(ctx)

    bench.run(run)


@pytest.mark.parametrize("after", [0, 70, 100, 700, 1500, 2900, 3600])
def test_clear_forgets_everything(after: int, memories: dict[str, MemoryData]):
    random = Random(after)
    old, new = (random.randbytes(64) for _ in range(2))
    bench = Bench(seeds=old)

    async def run(ctx: Any) -> None:
        drbg = bench.drbg
        for _ in range(after):
            await bench.cycle(ctx, take=False)
        bench.seeds.clear()
        ctx.set(drbg.clear, 1)
        await bench.cycle(ctx, take=False)
        ctx.set(bench.shared.clear, 1)
        for _ in range(random.randrange(1, 4)):
            assert not ctx.get(drbg.o.valid)
            await bench.cycle(ctx)
        ctx.set(drbg.clear, 0)
        ctx.set(bench.shared.clear, 0)
        for _ in range(drbg.wipe_cycles):
            await bench.cycle(ctx)
        found = {name: [ctx.get(data[at]) for at in range(data.depth)] for name, data in memories.items()}
        assert {name for name, rows in found.items() if any(rows)} == set()
        assert len(found) == 4
        bench.seeds = [int.from_bytes(new[at : at + 4]) for at in range(0, len(new), 4)]
        assert await bench.give(ctx, REQUEST_BYTES) == Specification(new).generate(REQUEST_BYTES)

    bench.run(run)


@pytest.fixture
def memories(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryData]:
    """By their names, those of the generator that is elaborated next."""
    found: dict[str, MemoryData] = {}
    original = Memory.__init__
    names = iter(("value", "constant", "material", "words"))

    def noted(self: Memory, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if (name := next(names, None)) is not None:
            found[name] = self.data

    monkeypatch.setattr(Memory, "__init__", noted)
    return found
