# SPDX-License-Identifier: Apache-2.0
"""What the units of a gateway share."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from custodes.gateway_registers import SAMPLER_BASE, SAMPLER_BLOCK, UPLOAD_BASE, UPLOAD_BLOCK
from custodes.upload_modes import UploadOrder
from gateware.devices.gateway import FORGET_CYCLES, Gateway
from tests.gateware.hash.test_clear import registers

PERIOD_S = 1e-8
OFF_CYCLES = 32
READ_CYCLES = 8
SETTLED_CYCLES = 4 * FORGET_CYCLES
LIMIT_CYCLES = 20_000
OCTETS = 8


def engine_of(fragment: Any) -> Any:
    """The engine in the design."""
    for part, name, _ in fragment.subfragments:
        if name == "hash":
            return next(inner for inner, its, _ in part.subfragments if its == "sha256")
    raise AssertionError("there is none")


def test_nothing_is_left_in_the_hash_engine_when_power_goes():
    dut = Gateway(1, flows=2, slots=2, slot_bytes=2048, off_cycles=OFF_CYCLES, opens=False)
    fragment: Any = Fragment.get(dut, None)
    engine = list({id(one): one for one in registers(engine_of(fragment))}.values())
    assert engine

    async def bench(ctx: Any) -> None:
        async def write(address: int, value: int) -> None:
            ctx.set(dut.bus.address, address)
            ctx.set(dut.bus.write_data, value)
            ctx.set(dut.bus.write, 1)
            await ctx.tick()
            ctx.set(dut.bus.write, 0)

        async def becomes(block: Any, base: int, register: str, name: str, value: int) -> None:
            field = block[register].field(name)
            ctx.set(dut.bus.address, base + block[register].offset)
            for _ in range(LIMIT_CYCLES // READ_CYCLES):
                await ctx.tick().repeat(READ_CYCLES)
                if (ctx.get(dut.bus.read_data) & field.mask) >> field.lowest == value:
                    return
            raise AssertionError(f"{name} does not become {value}")

        upload, sampler = UPLOAD_BASE, SAMPLER_BASE
        ctx.set(dut.random.valid, 1)
        ctx.set(dut.random.payload, 0x5A5A5A5A)
        for port in (dut.o_server, dut.o_world, dut.o_recomputer):
            ctx.set(port.ready, 1)
        await ctx.tick().repeat(SETTLED_CYCLES)
        fresh = [ctx.get(one) for one in engine]
        await becomes(SAMPLER_BLOCK, sampler, "SAMPLER_STATE", "BUSY", 0)
        await write(sampler + SAMPLER_BLOCK["SAMPLER_COMMAND"].offset, 1)
        await becomes(SAMPLER_BLOCK, sampler, "SAMPLER_STATE", "LIVE", 1)
        await write(upload + UPLOAD_BLOCK["UPLOAD_BITS"].offset, 8 * OCTETS)
        await write(upload + UPLOAD_BLOCK["UPLOAD_COMMAND"].offset, UploadOrder.START)
        for _ in range(LIMIT_CYCLES):
            if ctx.get(dut.power):
                break
            await ctx.tick()
        assert ctx.get(dut.power)
        assert [ctx.get(one) for one in engine] != fresh, "the key's digest is not there"
        await write(upload + UPLOAD_BLOCK["UPLOAD_COMMAND"].offset, UploadOrder.STOP)
        await ctx.tick().repeat(SETTLED_CYCLES)
        assert not ctx.get(dut.power)
        assert [ctx.get(one) for one in engine] == fresh

    simulator = Simulator(fragment)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
