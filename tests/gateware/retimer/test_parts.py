# SPDX-License-Identifier: Apache-2.0
"""The sorter is stable and has finished in its time; sort keys are those of the specification."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from custodes.model.retimer import sort_key
from custodes.retimer import SORT_BITS, Size
from gateware.retimer.flow_hash import FlowHash
from gateware.retimer.sorter import Sorter
from tests.gateware.stream.bench import PERIOD_S, Frame, pack, to_beats
from tests.traffic import KINDS, make

HASH_CYCLES = 4


def run(dut: Any, bench: Any) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("frames", "count", "first", "kinds"),
    [(16, 0, 3, 9), (16, 1, 15, 9), (16, 16, 5, 3), (16, 9, 12, 1), (64, 64, 1, 1 << 24), (512, 512, 300, 40)],
)
def test_places_come_sorted_in_time_and_stable(frames: int, count: int, first: int, kinds: int) -> None:
    size, source = Size(1, 4096, frames), random.Random(count)
    choice = [source.getrandbits(SORT_BITS) for _ in range(min(kinds, 1000))]
    keys = [source.choice(choice) for _ in range(count)]
    places = [(first + at) % frames for at in range(count)]
    dut = Sorter(size)

    async def bench(ctx: Any) -> None:
        for place, key in zip(places, keys, strict=True):
            ctx.set(dut.key_place, place)
            ctx.set(dut.key, key)
            ctx.set(dut.key_valid, 1)
            await ctx.tick()
        ctx.set(dut.key_valid, 0)
        ctx.set(dut.first, first)
        ctx.set(dut.count, count)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.o.ready, 1)
        got: list[int] = []
        for cycle in range(size.sort_cycles + 8 * count + 20):
            if ctx.get(dut.o.valid):
                assert got or cycle <= size.sort_cycles
                got.append(ctx.get(dut.o.payload))
            await ctx.tick()
        assert got == sorted(places, key=lambda place: keys[(place - first) % frames])

    run(dut, bench)


@pytest.mark.parametrize("lanes", [1, 8])
def test_sort_keys_are_as_specified(lanes: int) -> None:
    source, dut = random.Random(lanes), FlowHash(lanes)
    frames = [make(kind, seed).frame.ljust(60, b"\0")[:90] for seed in range(4) for kind in KINDS]
    frames += [source.randbytes(12) + tag + source.randbytes(60) for tag in (b"\x81\0", b"\x08\0", b"\x86\xdd")]
    keys = [source.getrandbits(64) for _ in frames]

    async def bench(ctx: Any) -> None:
        for data, key in zip(frames, keys, strict=True):
            ctx.set(dut.key, key)
            for beat in to_beats(Frame(data), lanes):
                ctx.set(dut.valid, 1)
                ctx.set(dut.beat.as_value(), pack(beat, lanes))
                await ctx.tick()
                if source.random() < 0.2:
                    ctx.set(dut.valid, 0)
                    await ctx.tick()
            ctx.set(dut.valid, 0)
            await ctx.tick().repeat(HASH_CYCLES - 1)
            assert ctx.get(dut.o) == sort_key(data, key), data.hex()

    run(dut, bench)
