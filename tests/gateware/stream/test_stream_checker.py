# SPDX-License-Identifier: Apache-2.0
"""StreamChecker: names each way to break the rule, and is silent on a stream that keeps it."""

import pytest
from amaranth.sim import Simulator

from gateware.stream import StreamChecker, StreamRule

from .bench import Beat, pack

LANES = 4
FULL = pack(Beat(b"abcd", 0b1111, False, False), LANES)
OTHER = pack(Beat(b"abcx", 0b1111, False, False), LANES)


def last(keep: int, error: bool = False) -> int:
    return pack(Beat(b"abcd", keep, True, error), LANES)


def not_last(keep: int) -> int:
    return pack(Beat(b"abcd", keep, False, False), LANES)


def verdict(cycles: list[tuple[int, int, int]], reset_after: int | None = None) -> tuple[bool, StreamRule]:
    """Feed (valid, ready, payload) cycle by cycle; the result is read three cycles after the end."""
    checker = StreamChecker(LANES)
    result = []

    async def bench(ctx):
        for number, (valid, ready, payload) in enumerate(cycles):
            ctx.set(checker.i.valid, valid)
            ctx.set(checker.i.ready, ready)
            ctx.set(checker.i.payload.as_value(), payload)
            await ctx.tick()
            if number == reset_after:
                assert ctx.get(checker.violation)
        ctx.set(checker.i.valid, 0)
        ctx.set(checker.i.ready, 1)
        await ctx.tick().repeat(3)
        result.append((bool(ctx.get(checker.violation)), StreamRule(ctx.get(checker.code))))

    simulator = Simulator(checker)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return result[0]


@pytest.mark.parametrize(
    ("cycles", "rule"),
    [
        ([(1, 0, FULL), (0, 1, FULL)], StreamRule.VALID_DROPPED),
        ([(1, 0, FULL), (0, 0, OTHER)], StreamRule.VALID_DROPPED),
        ([(1, 0, FULL), (1, 0, FULL), (1, 1, OTHER)], StreamRule.PAYLOAD_CHANGED),
        ([(1, 1, last(0b0000))], StreamRule.KEEP_ZERO),
        ([(1, 1, last(0b1011))], StreamRule.KEEP_NOT_CONTIGUOUS),
        ([(1, 1, last(0b0010))], StreamRule.KEEP_NOT_CONTIGUOUS),
        ([(1, 1, not_last(0b0111))], StreamRule.KEEP_NOT_FULL),
    ],
)
def test_reports_the_rule_that_was_broken(cycles: list[tuple[int, int, int]], rule: StreamRule) -> None:
    assert verdict(cycles) == (True, rule)


def test_reports_the_first_violation_and_keeps_it() -> None:
    cycles = [(1, 1, last(0)), (1, 1, FULL), (1, 1, not_last(0b1)), (0, 1, 0)]
    assert verdict(cycles, reset_after=2) == (True, StreamRule.KEEP_ZERO)


@pytest.mark.parametrize(
    "cycles",
    [
        [(1, 1, FULL), (1, 1, last(0b0001)), (1, 1, last(0b1111, error=True))],
        [(1, 0, FULL), (1, 0, FULL), (1, 1, FULL), (1, 0, OTHER), (1, 1, OTHER)],
        [(0, 0, 0), (0, 1, not_last(0b101)), (0, 0, FULL), (1, 1, FULL)],
        [(1, 1, FULL), (0, 1, OTHER), (1, 1, last(0b0011))],
    ],
)
def test_is_silent_on_a_stream_that_keeps_the_rule(cycles: list[tuple[int, int, int]]) -> None:
    assert verdict(cycles) == (False, StreamRule.NONE)
