# SPDX-License-Identifier: Apache-2.0
"""One or two bits of a mode register that flip are a fault, withdraw words at once, and void the epoch."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

from amaranth.hdl import Fragment, Value

from custodes.coin_registers import CoinFault, CoinState
from gateware.entropy import Coin
from tests.gateware.control.flips import FlipBench, mode_registers
from tests.gateware.entropy.bench import Bench, hands

REGISTERS = 9
"""State, its successor, phase, match, two flags of each party, and the step of the words."""


def test_every_flip_of_one_or_two_bits_is_a_fault():
    dut = Coin()
    bench = FlipBench(dut)
    assert len(bench.registers) == REGISTERS
    assert bench.undetected(dut.fault, 0) == []


def test_every_flip_withdraws_words_in_the_same_cycle():
    bench = Bench()
    fragment: Any = Fragment.get(bench.coin, None)
    registers = mode_registers(fragment)

    async def run(ctx: Any) -> None:
        coin = bench.coin
        await bench.draw(hands(1))
        await bench.cycles(300)
        for register in registers:
            mode = ctx.get(Value.cast(register.signal))
            bits = range(len(register.signal))
            for flipped in chain(combinations(bits, 1), combinations(bits, 2)):
                assert ctx.get(coin.words_cluster.valid) and ctx.get(coin.words_world.valid)
                ctx.set(register.signal, mode ^ sum(1 << bit for bit in flipped))
                assert ctx.get(coin.fault)
                assert not ctx.get(coin.words_cluster.valid) and not ctx.get(coin.words_world.valid)
                assert not ctx.get(coin.live) and not ctx.get(coin.seeded)
                ctx.set(register.signal, mode)

    bench.run(run, fragment=fragment)


def test_a_flip_voids_the_epoch_and_the_next_goes_well():
    bench = Bench()
    fragment: Any = Fragment.get(bench.coin, None)
    registers = mode_registers(fragment)

    async def run(ctx: Any) -> None:
        for epoch, register in enumerate(registers, 1):
            await bench.draw(hands(epoch))
            ctx.set(register.signal, next(register.flips()))
            await ctx.tick()
            await bench.cycles(60)
            assert await bench.judged() == (CoinState.FAULT, CoinFault.INTEGRITY)
        await bench.draw(hands(REGISTERS + 1))
        assert await bench.judged() == (CoinState.DRAWN, CoinFault.NONE)

    bench.run(run, fragment=fragment)
