# SPDX-License-Identifier: Apache-2.0
"""The registers of both directions: records, alarms, and the beat."""

from __future__ import annotations

from typing import Any

from amaranth import Module
from amaranth.sim import Simulator

from custodes.border_registers import FINGERPRINT_BASE, FINGERPRINT_BLOCK
from custodes.fingerprint import DEFAULT_BEAT_CYCLES, MIN_BEAT_CYCLES, RECORD_WORDS, Flag, Record
from custodes.model.fingerprint import Fingerprint
from custodes.table import MAX_FRAME_BYTES, Port
from gateware.fingerprint import Fingerprints
from tests.gateware.fingerprint.bench import PERIOD_S
from tests.gateware.stream.bench import Frame, pack, to_beats

LANES = 8
READ_CYCLES = 2


class Bus:
    def __init__(self, ctx: Any, dut: Fingerprints) -> None:
        self._ctx = ctx
        self._bus = dut.bus

    async def read(self, name: str, index: int = 0) -> int:
        self._ctx.set(self._bus.address, FINGERPRINT_BLOCK.address(name) - FINGERPRINT_BASE + index)
        for _ in range(READ_CYCLES):
            await self._ctx.tick()
        return self._ctx.get(self._bus.read_data)

    async def write(self, name: str, value: int) -> None:
        self._ctx.set(self._bus.address, FINGERPRINT_BLOCK.address(name) - FINGERPRINT_BASE)
        self._ctx.set(self._bus.write_data, value)
        self._ctx.set(self._bus.write, 1)
        await self._ctx.tick()
        self._ctx.set(self._bus.write, 0)

    async def record(self, name: str) -> Record:
        data = b"".join([(await self.read(f"{name}_RECORD", at)).to_bytes(4, "little") for at in range(RECORD_WORDS)])
        await self.write(f"{name}_TAKE", 1)
        return Record.decode(data)


def test_both_directions_are_had_through_registers():
    m = Module()
    m.submodules.dut = dut = Fingerprints(LANES)  # pyright: ignore[reportArgumentType]
    alarms: list[int] = []

    async def send(ctx: Any, tap: Any, frame: bytes) -> None:
        for beat in to_beats(Frame(frame), LANES):
            ctx.set(tap.payload.as_value(), pack(beat, LANES))
            ctx.set(tap.valid, 1)
            await ctx.tick()
        ctx.set(tap.valid, 0)

    async def pulse(ctx: Any, signal: Any, count: int) -> None:
        ctx.set(signal, 1)
        for _ in range(count):
            await ctx.tick()
        ctx.set(signal, 0)

    async def watch(ctx: Any) -> None:
        async for _ in ctx.tick():
            alarms.append(ctx.get(dut.alarm))

    async def testbench(ctx: Any) -> None:
        bus = Bus(ctx, dut)
        assert await bus.read("BEAT_CYCLES") == DEFAULT_BEAT_CYCLES
        await bus.write("BEAT_CYCLES", 0)
        assert await bus.read("BEAT_CYCLES") == MIN_BEAT_CYCLES
        ctx.set(dut.epoch, 3)
        ctx.set(dut.ticks, 4)
        ctx.set(dut.words_cluster, 5)
        ctx.set(dut.words_world, 6)
        await pulse(ctx, dut.entered_cluster, 2)
        await pulse(ctx, dut.entered_world, 1)
        egress, ingress = Fingerprint(Port.CLUSTER), Fingerprint(Port.WORLD)
        await send(ctx, dut.tap_world, b"to the world" * 10)
        egress.leave(b"to the world" * 10)
        assert ctx.get(dut.room_cluster)
        for _ in range(4):
            await send(ctx, dut.tap_cluster, bytes(MAX_FRAME_BYTES))
            ingress.overflow()
        await ctx.tick()
        assert ctx.get(dut.room_world) and not ctx.get(dut.room_cluster)
        assert await bus.read("RECORD_ALARM") == 0b0010
        await bus.write("RECORD_ALARM", 0b1101)
        assert await bus.read("RECORD_ALARM") == 0b0010
        await bus.write("RECORD_ALARM", 0b0010)
        assert await bus.read("RECORD_ALARM") == 0
        assert await bus.read("EGRESS_RECORDS") == await bus.read("INGRESS_RECORDS") == 0
        while not await bus.read("EGRESS_RECORDS") or not await bus.read("INGRESS_RECORDS"):
            pass
        assert await bus.record("EGRESS") == egress.close(epoch=3, frames_in=2, words=5, ticks=4)
        record = await bus.record("INGRESS")
        assert record == ingress.close(epoch=3, frames_in=1, words=6, ticks=4)
        assert record.flags is Flag.OVERFLOW and record.frames_out == 4
        assert await bus.read("EGRESS_RECORDS") == await bus.read("INGRESS_RECORDS") == 0

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(testbench)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert sum(alarms) == 1
