# SPDX-License-Identifier: Apache-2.0
"""One or two bits of a mode register that flip are a fault, in every unit, and stop random words at once."""

from collections.abc import Callable
from itertools import chain, combinations
from typing import Any

import pytest
from amaranth.hdl import Value

from gateware.trng.conditioner import Conditioner
from gateware.trng.drbg import HashDrbg
from gateware.trng.full_entropy import FullEntropy
from gateware.trng.health import Health, HealthParameters
from gateware.trng.trng import Trng
from sim.noise import Noise
from tests.gateware.control.flips import FlipBench

LIMIT_CYCLES = 10_000
UNITS: dict[str, tuple[Callable[[], Any], int]] = {
    "Conditioner": (lambda: Conditioner(640), 1),
    "FullEntropy": (FullEntropy, 2),
    "HashDrbg": (HashDrbg, 4),
    "Health": (lambda: Health(HealthParameters()), 1),
    "Trng": (Trng, 7),
}
"""Name -> how it is made, and how many mode registers it has."""


@pytest.mark.parametrize("name", UNITS)
def test_every_flip_of_one_or_two_bits_is_a_fault(name: str):
    make, count = UNITS[name]
    dut = make()
    bench = FlipBench(dut)
    assert len(bench.registers) == count
    assert bench.undetected(dut.fault, 0) == []


def test_every_flip_withdraws_words_in_the_same_cycle():
    dut, noise = Trng(), Noise()
    bench = FlipBench(dut)

    async def run(ctx):
        ctx.set(dut.sample_valid, 1)
        for _ in range(LIMIT_CYCLES):
            if ctx.get(dut.o.valid):
                break
            ctx.set(dut.sample, noise.sample())
            await ctx.tick()
        ctx.set(dut.sample_valid, 0)
        for register in bench.registers:
            mode = ctx.get(Value.cast(register.signal))
            for bits in chain(
                combinations(range(len(register.signal)), 1), combinations(range(len(register.signal)), 2)
            ):
                assert ctx.get(dut.o.valid) and not ctx.get(dut.fault)
                ctx.set(register.signal, mode ^ sum(1 << bit for bit in bits))
                assert ctx.get(dut.fault)
                assert not ctx.get(dut.o.valid) and not ctx.get(dut.o.payload)
                ctx.set(register.signal, mode)

    bench.run(run)
