# SPDX-License-Identifier: Apache-2.0
"""A session with fewer channels than its registers have room for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amaranth.sim import Simulator

from custodes import processor_registers as registers
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, Side, Suite
from custodes.processor_registers import (
    ASSOCIATION_STATE,
    PN_STATE,
    Command,
    association_register,
    channel_writes,
    command,
    load_writes,
)
from gateware.session import Session

CHANNELS = 4
LAST, BEYOND = ASSOCIATIONS_PER_CHANNEL * CHANNELS - 1, ASSOCIATIONS_PER_CHANNEL * CHANNELS
WIPE_CYCLES = 1000
"""In which such a session is busy with itself after a reset."""
READ_CYCLES = 4
KEY, PN = bytes(range(32)), 0x1234
ADDRESS, SCI = bytes.fromhex("0a0b0c0d0e0f"), bytes(range(8))


def load(number: int) -> list[tuple[int, int]]:
    return list(load_writes(Side.ACCELERATOR, number, Suite.GCM_AES_256, KEY, PN, bytes(12), 0, 0))


def channel(number: int) -> list[tuple[int, int]]:
    return list(channel_writes(Side.ACCELERATOR, number, ADDRESS, SCI, 0))


def order(kind: Command, number: int, bits: int = 0) -> list[tuple[int, int]]:
    return [(registers.COMMAND, command(kind, number, Side.ACCELERATOR, bits))]


def test_what_is_beyond_the_last_channel_is_not_there():
    dut = Session(1, opens=False, channels=CHANNELS)

    async def bench(ctx: Any) -> None:
        async def read(address: int) -> int:
            ctx.set(dut.bus.address, address)
            await ctx.tick().repeat(READ_CYCLES)
            return ctx.get(dut.bus.read_data)

        async def taken(writes: Iterable[tuple[int, int]]) -> bool:
            for address, value in writes:
                ctx.set(dut.bus.address, address)
                ctx.set(dut.bus.write_data, value)
                ctx.set(dut.bus.write, 1)
                await ctx.tick()
                ctx.set(dut.bus.write, 0)
            while (found := await read(registers.STATUS)) & registers.STATUS_BUSY:
                pass
            return not found & registers.STATUS_REFUSED

        async def state(number: int) -> tuple[int, int]:
            places = (association_register(base, Side.ACCELERATOR, number) for base in (ASSOCIATION_STATE, PN_STATE))
            return await read(next(places)), await read(next(places))

        await ctx.tick().repeat(WIPE_CYCLES)
        assert await taken(load(LAST)) and await taken(channel(CHANNELS - 1))
        held = (registers.IN_USE | Suite.GCM_AES_256, PN)
        assert await state(LAST) == held
        assert not await taken(load(BEYOND)) and not await taken(channel(CHANNELS))
        assert not await taken(order(Command.SELECT, BEYOND))
        # These leave nothing there, and nothing is.
        assert await taken(order(Command.ZEROISE, BEYOND + LAST)) and await taken(order(Command.CHANNEL, BEYOND + LAST))
        assert await state(LAST) == held
        assert await state(BEYOND + LAST) == await state(BEYOND) == (0, 0)
        assert not ctx.get(dut.fault)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
