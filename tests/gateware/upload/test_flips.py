# SPDX-License-Identifier: Apache-2.0
"""One or two bits of the mode register that flip take power; what passes ceases at once."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

from amaranth.hdl import Fragment, Value

from custodes.upload_modes import Fault, Mode
from gateware.upload import Upload
from tests.gateware.control.flips import FlipBench, mode_registers
from tests.gateware.upload.bench import OFF_CYCLES, Bench, other, upload
from tests.gateware.upload.test_forgotten import announced, nothing_is_known


def test_every_flip_of_one_or_two_bits_is_a_fault():
    dut = Upload(1, OFF_CYCLES)
    bench = FlipBench(dut)
    assert len(bench.registers) == 1
    assert bench.undetected(dut.fault, 0) == []


def test_every_flip_takes_power_and_lets_nothing_pass():
    bench = Bench(1, own=True)
    dut = bench.dut
    fragment: Any = Fragment.get(dut, None)
    (register,) = mode_registers(fragment)
    octets, frames = upload(9)
    bits = range(len(register.signal))

    async def run() -> None:
        ctx = bench.ctx
        for mode, flipped in (
            (mode, flipped) for mode in Mode for flipped in chain(combinations(bits, 1), combinations(bits, 2))
        ):
            if mode != Mode.OFF:
                await announced(bench, octets)
            if mode in (Mode.CHECK, Mode.SERVING):
                bench.send("i_world", frames[0])
                while ctx.get(Value.cast(register.signal)) != register.modes[mode.name]:
                    await bench.step()
            for port in ("i_world", "i_server") if mode == Mode.SERVING else ():
                bench.send(port, other())
            await bench.cycles(4)
            assert await bench.mode() == mode
            ctx.set(register.signal, ctx.get(Value.cast(register.signal)) ^ sum(1 << bit for bit in flipped))
            assert ctx.get(dut.fault)
            assert not ctx.get(dut.o_world.valid) and not ctx.get(dut.o_server.valid)
            await ctx.tick()
            assert not ctx.get(dut.power) and not ctx.get(dut.serving) and ctx.get(dut.forget)
            await bench.settle()
            await nothing_is_known(bench, Fault.GUARD)

    bench.run(run, fragment)
