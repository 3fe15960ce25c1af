# SPDX-License-Identifier: Apache-2.0
"""One or two bits of a mode register that flip are a fault, withdraw words in the next cycle, and void the epoch."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

from amaranth.hdl import Fragment, Value

from custodes.coin_registers import CoinFault, CoinState
from gateware.entropy import Coin
from gateware.entropy.words import DIGEST_CYCLES
from tests.gateware.control.flips import FlipBench, mode_registers
from tests.gateware.entropy.bench import Bench, hands

REGISTERS = 9
"""State, its successor, phase, match, two flags of each party, and the step of the words."""
FIRST_WORDS_CYCLES = 3 * DIGEST_CYCLES + 10
"""From the seed to a word for each direction, after the key of the retimer."""


def test_every_flip_of_one_or_two_bits_is_a_fault():
    dut = Coin()
    bench = FlipBench(dut)
    assert len(bench.registers) == REGISTERS
    assert bench.undetected(dut.fault, 0) == []


def test_every_flip_withdraws_words_in_the_next_cycle_and_one_of_the_state_at_once():
    bench = Bench()
    fragment: Any = Fragment.get(bench.coin, None)
    registers = {register.signal.name: register for register in mode_registers(fragment)}
    coin = bench.coin
    streams = (coin.words_cluster, coin.words_world)

    async def run(ctx: Any) -> None:
        def offers() -> list[int]:
            return [ctx.get(value) for value in (*(o.valid for o in streams), *coin.live, coin.seeded)]

        await bench.draw(hands(1))
        modes = {name: ctx.get(Value.cast(one.signal)) for name, one in registers.items() if name != "step"}
        for name, register in registers.items():
            bits = range(len(register.signal))
            for flipped in chain(combinations(bits, 1), combinations(bits, 2)):
                await bench.cycles(FIRST_WORDS_CYCLES)
                assert all(offers())
                ctx.set(register.signal, ctx.get(Value.cast(register.signal)) ^ sum(1 << bit for bit in flipped))
                assert ctx.get(coin.fault)
                assert any(offers()) == (name != "state")
                await ctx.tick()
                assert not any(offers())
                # As if words had been drawn again: the engine and the step of the words begin anew by themselves.
                await bench.cycles(2)
                for other, mode in modes.items():
                    ctx.set(registers[other].signal, mode)

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
