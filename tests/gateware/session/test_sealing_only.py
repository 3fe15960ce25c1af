# SPDX-License-Identifier: Apache-2.0
"""A session that opens nothing: keys to open with are refused, and what comes sealed is thrown away."""

from amaranth.sim import Simulator

from custodes import processor_registers as registers
from custodes.macsec import Side, Suite
from custodes.processor_registers import load_writes
from gateware.session import Session

WIPE_CYCLES = 4000
"""In which a session is busy with itself after a reset."""
READ_CYCLES = 4


def test_keys_to_open_with_are_refused_and_what_is_sealed_is_thrown_away():
    dut = Session(1, opens=False)
    refused: dict[Side, bool] = {}

    async def bench(ctx):
        async def status() -> int:
            ctx.set(dut.bus.address, registers.STATUS)
            await ctx.tick().repeat(READ_CYCLES)
            return ctx.get(dut.bus.read_data)

        await ctx.tick().repeat(WIPE_CYCLES)
        for side in (Side.NETWORK, Side.ACCELERATOR):
            for address, value in load_writes(side, 0, Suite.GCM_AES_256, bytes(range(32)), 1, bytes(12), 0, 0):
                ctx.set(dut.bus.address, address)
                ctx.set(dut.bus.write_data, value)
                ctx.set(dut.bus.write, 1)
                await ctx.tick()
                ctx.set(dut.bus.write, 0)
            while (found := await status()) & registers.STATUS_BUSY:
                pass
            refused[side] = bool(found & registers.STATUS_REFUSED)
        ctx.set(dut.i_sealed.valid, 1)
        for _ in range(100):
            assert ctx.get(dut.i_sealed.ready) and not ctx.get(dut.o_plain.valid)
            await ctx.tick()
        assert not ctx.get(dut.fault)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert refused == {Side.NETWORK: True, Side.ACCELERATOR: False}
