# SPDX-License-Identifier: Apache-2.0
"""From the control's clock to the datapath's: every access once, whichever clock is the faster."""

from random import Random
from typing import Any

import pytest

from gateware.control.crossing import READ_CYCLES, BusCrossing, PulseCrossing
from tests.gateware.control.clocked import access, run, until

PERIODS = {
    "equal": (8e-9, 8e-9),
    "as on boards": (16e-9, 8e-9),
    "close": (8e-9, 8.1e-9),
    "fast control": (8e-9, 29.3e-9),
    "very slow datapath": (8e-9, 515e-9),
    "slow control": (101e-9, 8e-9),
}
REGISTERS = 64


@pytest.mark.parametrize("clocks", PERIODS)
def test_every_access_happens_once(clocks: str):
    dut = BusCrossing(REGISTERS, i_domain="control", o_domain="sync")
    rng = Random(5)
    contents = [0] * REGISTERS
    writes: list[tuple[int, int]] = []
    wanted: list[tuple[int, int]] = []
    done = []

    async def ask(ctx: Any) -> None:
        model = [0] * REGISTERS
        for _ in range(60):
            address, value = rng.randrange(REGISTERS), rng.getrandbits(32)
            if rng.random() < 0.5:
                wanted.append((address, value))
                model[address] = value
                assert await access(ctx, dut.i, address, value, "control") == (0, False)
                assert writes == wanted, "a write is answered before it is done"
            else:
                assert await access(ctx, dut.i, address, None, "control") == (model[address], False)
            await ctx.tick("control").repeat(rng.randrange(1, 4))
        done.append(True)

    async def bus(ctx: Any) -> None:
        """Registers that answer as late as they may."""
        rested, last = 0, None
        while not done:
            _, _, address, write, value = await ctx.tick("sync").sample(
                dut.bus.address, dut.bus.write, dut.bus.write_data
            )
            if write:
                contents[address] = value
                writes.append((address, value))
            rested = rested + 1 if address == last else 1
            last = address
            ctx.set(dut.bus.read_data, contents[address] if rested >= READ_CYCLES else 0xDEAD_BEEF)

    control, sync = PERIODS[clocks]
    run(dut, ask, bus, periods={"control": control, "sync": sync})
    assert writes == wanted
    assert len(wanted) > 20


def test_busy_while_an_access_is_under_way():
    dut = BusCrossing(REGISTERS, i_domain="control", o_domain="sync")

    async def ask(ctx: Any) -> None:
        assert not ctx.get(dut.busy)
        ctx.set(dut.i.request.valid, 1)
        assert ctx.get(dut.busy)
        await ctx.tick("control")
        ctx.set(dut.i.request.valid, 0)
        for _ in range(5):
            assert ctx.get(dut.busy)
            await ctx.tick("control")
        ctx.set(dut.i.reply.ready, 1)
        await until(ctx, dut.i.reply.valid, "control")
        assert ctx.get(dut.busy)
        await ctx.tick("control")
        assert not ctx.get(dut.busy)

    run(dut, ask, periods={"control": 16e-9, "sync": 8e-9})


@pytest.mark.parametrize("clocks", PERIODS)
@pytest.mark.parametrize("cycles", [1, 4])
def test_a_pulse_is_stretched_in_the_other_domain(clocks: str, cycles: int):
    dut = PulseCrossing(cycles, i_domain="control", o_domain="sync")
    pulses = 3
    seen: list[int] = []
    done = []

    async def raise_it(ctx: Any) -> None:
        for pulse in range(pulses):
            ctx.set(dut.i, 1)
            await ctx.tick("control").repeat(2)
            ctx.set(dut.i, 0)
            await ctx.tick("control")
            while len(seen) == pulse:
                await ctx.tick("control")
        await ctx.tick("sync").repeat(10)
        done.append(True)

    async def watch(ctx: Any) -> None:
        length = 0
        while not done:
            _, _, o = await ctx.tick("sync").sample(dut.o)
            if length and not o:
                seen.append(length)
            length = length + 1 if o else 0

    control, sync = PERIODS[clocks]
    run(dut, raise_it, watch, periods={"control": control, "sync": sync})
    assert seen == [cycles] * pulses
