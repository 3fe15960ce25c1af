# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.secret`: each word once, and then never again."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from custodes.control_registers import SECRET_WORDS
from gateware.control.secret import SECRET, DeviceSecret
from tests.gateware.control.flips import FlipBench

WORDS = [Random(1).getrandbits(32) | 1 for _ in range(SECRET_WORDS)]


def run(test: Callable[[Any, DeviceSecret, FlipBench], Awaitable[None]]) -> None:
    dut = DeviceSecret()
    bench = FlipBench(dut)

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.secret, SECRET.const(WORDS))
        await test(ctx, dut, bench)
        assert not ctx.get(dut.fault)

    bench.run(testbench)


async def read(ctx: Any, dut: DeviceSecret, index: int) -> int:
    ctx.set(dut.index, index)
    assert ctx.get(dut.word) == 0
    ctx.set(dut.read, 1)
    word = ctx.get(dut.word)
    await ctx.tick()
    ctx.set(dut.read, 0)
    assert ctx.get(dut.word) == 0
    return word


@pytest.mark.parametrize("order", [range(SECRET_WORDS), [5, 0, 7, 1, 6, 2, 4, 3]], ids=["upwards", "mixed"])
def test_each_word_reads_once(order: list[int]):
    async def test(ctx: Any, dut: DeviceSecret, bench: FlipBench) -> None:
        assert [await read(ctx, dut, index) for index in order] == [WORDS[index] for index in order]
        assert [await read(ctx, dut, index) for index in order] == [0] * SECRET_WORDS

    run(test)


def test_a_read_that_takes_two_cycles_sees_the_word_in_the_first_only():
    async def test(ctx: Any, dut: DeviceSecret, bench: FlipBench) -> None:
        ctx.set(dut.read, 1)
        assert ctx.get(dut.word) == WORDS[0]
        await ctx.tick()
        assert ctx.get(dut.word) == 0

    run(test)


def test_nothing_reads_once_it_is_locked():
    async def test(ctx: Any, dut: DeviceSecret, bench: FlipBench) -> None:
        assert await read(ctx, dut, 3) == WORDS[3]
        ctx.set(dut.lock, 1)
        await ctx.tick()
        ctx.set(dut.lock, 0)
        assert [await read(ctx, dut, index) for index in range(SECRET_WORDS)] == [0] * SECRET_WORDS

    run(test)


def test_nothing_reads_in_the_cycle_that_locks_it():
    async def test(ctx: Any, dut: DeviceSecret, bench: FlipBench) -> None:
        ctx.set(dut.lock, 1)
        assert await read(ctx, dut, 0) == 0

    run(test)


def test_reset_makes_every_word_readable_again():
    async def test(ctx: Any, dut: DeviceSecret, bench: FlipBench) -> None:
        assert await read(ctx, dut, 0) == WORDS[0]
        ctx.set(bench.reset, 1)
        await ctx.tick()
        ctx.set(bench.reset, 0)
        assert await read(ctx, dut, 0) == WORDS[0]

    run(test)


def test_no_flip_of_one_or_two_bits_makes_a_word_readable_again():
    async def test(ctx: Any, dut: DeviceSecret, bench: FlipBench) -> None:
        for index in range(SECRET_WORDS):
            await read(ctx, dut, index)
        ctx.set(dut.lock, 1)
        await ctx.tick()
        ctx.set(dut.lock, 0)
        for register in bench.registers:
            shut = ctx.get(register.signal)
            for value in register.flips():
                if (value ^ shut).bit_count() <= 2:
                    ctx.set(register.signal, value)
                    for index in range(SECRET_WORDS):
                        ctx.set(dut.index, index)
                        ctx.set(dut.read, 1)
                        assert ctx.get(dut.word) == 0
                        ctx.set(dut.read, 0)
                    ctx.set(register.signal, shut)

    run(test)
