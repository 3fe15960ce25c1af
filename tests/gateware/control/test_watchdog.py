# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.watchdog`."""

from typing import Any

import pytest

from gateware.control.watchdog import Watchdog
from tests.gateware.control.flips import FlipBench
from tests.gateware.stream.bench import refusal

CYCLES = 16


@pytest.mark.parametrize("fed_at", [0, 1, 7, CYCLES - 2])
def test_barks_so_many_cycles_after_it_was_fed_and_for_ever(fed_at: int):
    dut = Watchdog(CYCLES)

    async def testbench(ctx: Any) -> None:
        await ctx.tick().repeat(fed_at + 1)
        ctx.set(dut.feed, 1)
        await ctx.tick()
        ctx.set(dut.feed, 0)
        for _ in range(CYCLES - 1):
            assert not ctx.get(dut.barks)
            await ctx.tick()
        assert not ctx.get(dut.barks)
        await ctx.tick()
        ctx.set(dut.feed, 1)
        for _ in range(3 * CYCLES):
            assert ctx.get(dut.barks)
            await ctx.tick()

    FlipBench(dut).run(testbench)


def test_barks_after_reset_when_nobody_feeds_it():
    dut = Watchdog(CYCLES)

    async def testbench(ctx: Any) -> None:
        for _ in range(CYCLES):
            assert not ctx.get(dut.barks)
            await ctx.tick()
        assert ctx.get(dut.barks)

    FlipBench(dut).run(testbench)


def test_is_silent_as_long_as_it_is_fed():
    dut = Watchdog(CYCLES)

    async def testbench(ctx: Any) -> None:
        for _ in range(8):
            await ctx.tick().repeat(CYCLES - 1)
            ctx.set(dut.feed, 1)
            await ctx.tick()
            ctx.set(dut.feed, 0)
            assert not ctx.get(dut.barks)

    FlipBench(dut).run(testbench)


def test_barks_in_time_whatever_its_counter_is_changed_to():
    dut = Watchdog(CYCLES)
    bench = FlipBench(dut)
    assigned = [signal for made in bench.fragment.statements["sync"] for signal in made._lhs_signals()]
    (counter,) = {id(signal): signal for signal in assigned if signal.name == "left"}.values()

    async def testbench(ctx: Any) -> None:
        for value in range(CYCLES):
            ctx.set(bench.reset, 1)
            await ctx.tick()
            ctx.set(bench.reset, 0)
            ctx.set(counter, value)
            for _ in range(CYCLES):
                await ctx.tick()
            assert ctx.get(dut.barks)

    bench.run(testbench)


@pytest.mark.parametrize("cycles", [0, -4, 3, 1000])
def test_a_period_that_is_no_power_of_two_is_refused(cycles: int):
    assert "no power of two" in refusal(lambda: Watchdog(cycles))
