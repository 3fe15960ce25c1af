# SPDX-License-Identifier: Apache-2.0
"""The serial link of a border, bit by bit: its own registers, and those of the datapath behind it."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth import ClockDomain, Module
from amaranth.sim import Simulator

from custodes.border_registers import BORDER_BASE
from custodes.control_registers import CONTROL_IDENTITY_VALUE, UART_DEFAULT_BAUD
from custodes.maps import BORDER, NIC
from custodes.register_map import DATAPATH_WORDS
from custodes.serial_frames import WORD_BYTES, Reply, Request, Status, frame_bytes
from gateware.devices.serial_control import ANSWER_CYCLES, SerialControl

BIT_CYCLES = 10
CLOCK_HZ = BIT_CYCLES * UART_DEFAULT_BAUD
BUILD_ID = bytes(range(32))
PATIENCE_CYCLES = 4000
PERIOD_S = 1e-6


class Host:
    """The other end of the line."""

    def __init__(self, ctx: Any, dut: SerialControl) -> None:
        self._ctx = ctx
        self._dut = dut
        self._sequence = 0

    async def ask(self, request: Request) -> Reply:
        for byte in request.encode():
            for bit in (0, *(byte >> at & 1 for at in range(8)), 1):
                self._ctx.set(self._dut.rx, bit)
                await self._ctx.tick("control").repeat(BIT_CYCLES)
        reply = b""
        while len(reply) < WORD_BYTES or len(reply) < frame_bytes(reply[:WORD_BYTES]):
            reply += bytes([await self._byte()])
        return Reply.decode(reply)

    async def _byte(self) -> int:
        for _ in range(PATIENCE_CYCLES):
            if not self._ctx.get(self._dut.tx):
                break
            await self._ctx.tick("control")
        else:
            raise AssertionError("no answer")
        await self._ctx.tick("control").repeat(BIT_CYCLES // 2)
        byte = 0
        for at in range(9):
            await self._ctx.tick("control").repeat(BIT_CYCLES)
            byte |= self._ctx.get(self._dut.tx) << at
        assert byte >> 8 == 1
        return byte & 0xFF

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    async def hello(self) -> None:
        assert (await self.ask(Request.hello(0, 7))).status == Status.OK

    async def read(self, name: str, count: int = 1) -> tuple[Status, tuple[int, ...]]:
        reply = await self.ask(
            Request.read(self._next(), NIC.address(name) if name in NIC else BORDER.address(name), count)
        )
        return Status(reply.status), tuple(reply.values)

    async def write(self, name: str, value: int) -> Status:
        return Status((await self.ask(Request.write(self._next(), BORDER.address(name), [value]))).status)


@pytest.mark.parametrize("sync_period", [0.37, 1.0])
def test_registers_of_the_link_and_of_the_datapath(sync_period: float):
    dut = SerialControl(BORDER, DATAPATH_WORDS, BUILD_ID, CLOCK_HZ)
    written: list[tuple[int, int]] = []

    async def datapath(ctx: Any) -> None:
        """Answers with the address, as late as a border does."""
        rested, last = 0, -1
        while True:
            _, _, address, write, data = await ctx.tick("sync").sample(
                dut.bus.address, dut.bus.write, dut.bus.write_data
            )
            if write:
                written.append((address, data))
            rested = rested + 1 if address == last else 1
            last = address
            ctx.set(dut.bus.read_data, address + 0x5000 if rested >= ANSWER_CYCLES else 0xBAD)

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.rx, 1)
        host = Host(ctx, dut)
        await host.hello()
        assert await host.read("CONTROL_IDENTITY") == (Status.OK, (CONTROL_IDENTITY_VALUE,))
        assert await host.read("CLOCK_HZ") == (Status.OK, (CLOCK_HZ,))
        assert await host.write("SCRATCH", 0x12345678) == Status.OK
        assert await host.read("SCRATCH") == (Status.OK, (0x12345678,))
        for name, digest in (("MAP_DIGEST", BORDER.digest), ("BUILD_ID", BUILD_ID)):
            words = tuple(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4))
            assert await host.read(name, 8) == (Status.OK, words)
        assert await host.read("BORDER_IDENTITY", 2) == (Status.OK, (BORDER_BASE + 0x5000, BORDER_BASE + 0x5001))
        assert await host.write("BEAT_CYCLES", 0xABCD) == Status.OK
        assert written == [(BORDER.address("BEAT_CYCLES"), 0xABCD)]
        for name in ("LIFECYCLE", "MAILBOX_STATUS"):
            assert await host.read(name) == (Status.REFUSED, ())
        assert await host.write("UART_DIVISOR", BIT_CYCLES + 1) == Status.OK

    m = Module()
    for domain in ("control", "sync"):
        m.domains += ClockDomain(domain, local=True)
    m.submodules.dut = dut  # pyright: ignore[reportArgumentType]
    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S, domain="control")
    simulator.add_clock(PERIOD_S * sync_period, domain="sync")
    simulator.add_testbench(testbench)
    simulator.add_testbench(datapath, background=True)
    simulator.run()
