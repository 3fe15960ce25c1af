# SPDX-License-Identifier: Apache-2.0
"""Users of one engine: each gets its own digests, whoever asks when."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Fragment, Value
from amaranth.sim import Simulator

from gateware.hash import SharedSha256
from gateware.hash.sha256 import BLOCK_WORDS, STATE_BITS
from tests.gateware.control.flips import FlipBench, mode_registers

PERIOD_S = 1e-8
MESSAGES = 12
LIMIT_CYCLES = 2000
MESSAGE_BYTES = 55
"""All of a block that its padding leaves."""


def block(message: bytes) -> list[int]:
    """FIPS 180-4, 5.1.1, of a message that has its padding in one block."""
    padded = message + b"\x80" + bytes(MESSAGE_BYTES - len(message)) + (8 * len(message)).to_bytes(8)
    return [int.from_bytes(padded[at : at + 4]) for at in range(0, len(padded), 4)]


@pytest.mark.parametrize("seed", range(3))
def test_each_user_gets_the_digests_of_its_own_messages(seed: int):
    dut = SharedSha256()
    wanted: list[int] = []
    ports = (dut.first, dut.second, dut.third)

    def user(port: Any, number: int) -> Any:
        random = Random(10 * seed + number)

        async def bench(ctx: Any) -> None:
            for _ in range(MESSAGES):
                message = random.randbytes(random.randrange(MESSAGE_BYTES + 1))
                await ctx.tick().repeat(random.choice((1, 1, 40, 90)))
                ctx.set(port.use, 1)
                words, cycles = block(message), 0
                assert len(words) == BLOCK_WORDS
                while words:
                    ctx.set(port.i.valid, 1)
                    ctx.set(port.i.payload, {"word": words[0], "first": len(words) == BLOCK_WORDS})
                    wanted.append(sum(ctx.get(one.use) for one in ports))
                    assert sum(ctx.get(one.mine) for one in ports) <= 1
                    if ctx.get(port.i.ready):
                        assert ctx.get(port.mine)
                        words.pop(0)
                    await ctx.tick()
                    cycles += 1
                    assert cycles < LIMIT_CYCLES
                ctx.set(port.i.valid, 0)
                while ctx.get(port.busy):
                    await ctx.tick()
                await ctx.tick().repeat(random.choice((1, 5)))
                assert ctx.get(port.state).to_bytes(STATE_BITS // 8) == sha256(message).digest()
                ctx.set(port.use, 0)
                await ctx.tick()

        return bench

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD_S)
    for number, port in enumerate(ports):
        simulator.add_testbench(user(port, number))
    simulator.run()
    assert len(ports) in wanted


def test_nothing_of_a_message_of_the_third_is_left_as_it_lets_go():
    dut = SharedSha256()
    left: dict[str, bool] = {}

    async def bench(ctx: Any) -> None:
        fresh = ctx.get(dut.first.state)
        for name, port in (("second", dut.second), ("third", dut.third)):
            ctx.set(port.use, 1)
            ctx.set(port.i.valid, 1)
            ctx.set(port.i.payload, {"word": 0x5A5A5A5A, "first": 1})
            taken = 0
            for _ in range(LIMIT_CYCLES):
                ctx.set(port.i.valid, taken < BLOCK_WORDS)
                taken += ctx.get(port.i.valid & port.i.ready)
                await ctx.tick()
                if taken == BLOCK_WORDS and not ctx.get(port.busy):
                    break
            assert ctx.get(dut.first.state) != fresh
            ctx.set(port.use, 0)
            await ctx.tick().repeat(3)
            left[name] = ctx.get(dut.first.state) != fresh
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)

    simulator = Simulator(dut)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
    assert left == {"second": True, "third": False}


def test_every_flip_of_one_or_two_bits_is_a_fault():
    dut = SharedSha256()
    bench = FlipBench(dut)
    assert len(bench.registers) == 1
    assert bench.undetected(dut.fault, 0) == []


def test_an_owner_that_does_not_exist_is_nobody():
    dut = SharedSha256()
    fragment: Any = Fragment.get(dut, None)
    (register,) = mode_registers(fragment)

    async def bench(ctx: Any) -> None:
        for port in (dut.first, dut.second, dut.third):
            ctx.set(port.use, 1)
            ctx.set(port.i.valid, 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.first.mine) and not ctx.get(dut.second.mine)
        for flipped in register.flips():
            ctx.set(Value.cast(register.signal), flipped)
            if flipped in register.modes.values():
                continue
            assert ctx.get(dut.fault)
            for port in (dut.first, dut.second, dut.third):
                assert not ctx.get(port.mine) and not ctx.get(port.i.ready)
            await ctx.tick()
            assert ctx.get(dut.fault)

    simulator = Simulator(fragment)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
