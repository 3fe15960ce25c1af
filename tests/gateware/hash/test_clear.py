# SPDX-License-Identifier: Apache-2.0
"""What was digested is gone after clear: from every register, not only from what the ports show."""

from random import Random
from typing import Any

import pytest
from amaranth import Fragment, Signal
from amaranth.sim import Simulator

from gateware.hash import Sha256
from gateware.hash.sha256 import BLOCK_CYCLES, BLOCK_WORDS

PERIOD_S = 1e-8


def registers(fragment: Any, found: list[Signal] | None = None) -> list[Signal]:
    """Everything that is driven in a clock domain."""
    found = [] if found is None else found
    for domain, statements in fragment.statements.items():
        if domain != "comb":
            for statement in statements:
                found += list(statement._lhs_signals())
    for subfragment, *_ in fragment.subfragments:
        registers(subfragment, found)
    return found


@pytest.mark.parametrize(("words", "many"), [(1, 7), (5, 18), (BLOCK_WORDS, 36), (2 * BLOCK_WORDS, 36)])
def test_clear_leaves_every_register_as_reset_does(words: int, many: int):
    """Of which so ``many`` at least had other values: a message that begins leaves most as a reset does."""
    unit = Sha256()
    fragment: Any = Fragment.get(unit, None)
    kept = list({id(signal): signal for signal in registers(fragment)}.values())
    random = Random(words)
    differed: set[str] = set()

    async def bench(ctx: Any) -> None:
        fresh = [ctx.get(signal) for signal in kept]
        for cycles in range(words, words + BLOCK_CYCLES + 7):
            left = words
            for cycle in range(cycles):
                ctx.set(unit.i.valid, left > 0)
                ctx.set(unit.i.payload, {"word": random.getrandbits(32), "first": cycle == 0})
                left -= bool(left) and ctx.get(unit.i.ready)
                await ctx.tick()
            differed.update(signal.name for signal, was in zip(kept, fresh, strict=True) if ctx.get(signal) != was)
            ctx.set(unit.clear, 1)
            await ctx.tick()
            assert {
                signal.name: ctx.get(signal) for signal, was in zip(kept, fresh, strict=True) if ctx.get(signal) != was
            } == {}
            ctx.set(unit.clear, 0)

    simulator = Simulator(fragment)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(kept) > 40
    assert len(differed) >= many, sorted(differed)
