# SPDX-License-Identifier: Apache-2.0
"""`gateware.devices.control.Control` on the wire: both directions of a UART."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, Timer, with_timeout

from tests.cocotb_benches.designs import CONTROL_BAUD, CONTROL_CLOCK_HZ, CONTROL_TEXT
from tests.cocotb_benches.tb import TB

BIT_NS = 1e9 / CONTROL_BAUD
LINE = f"{CONTROL_TEXT}\r\n".encode()
HEART, BROKEN = 0b01, 0b10
TIMEOUT_US = 1000


class Terminal:
    """What is at the other end. ``offset`` is how much longer than the device's its bits are."""

    def __init__(self, dut: Any, offset: float = 0.0) -> None:
        self.dut = dut
        self.bit_ns = BIT_NS * (1 + offset)
        self.tb = TB(dut, periods_ns={"": 1e9 / CONTROL_CLOCK_HZ})
        dut.rx.value = 1

    async def start(self) -> None:
        await self.tb.start()
        assert await self.line() == LINE, "a reset is answered"

    async def line(self) -> bytes:
        """The next line, each byte with its start and stop bit."""
        found = bytearray()
        while not found.endswith(b"\n"):
            await with_timeout(FallingEdge(self.dut.tx), TIMEOUT_US, "us")
            await self._wait(1.5)
            byte = 0
            for place in range(8):
                byte |= int(self.dut.tx.value) << place
                await self._wait(1)
            assert self.dut.tx.value == 1, "stop bit"
            found.append(byte)
        return bytes(found)

    async def send(self, byte: int, stop: int = 1) -> None:
        for bit in (0, *(byte >> place & 1 for place in range(8)), stop):
            self.dut.rx.value = bit
            await self._wait(1)
        self.dut.rx.value = 1

    async def quiet(self, bits: int) -> None:
        """Nothing is sent for so long."""
        for _ in range(4 * bits):
            assert self.dut.tx.value == 1
            await self._wait(0.25)

    async def _wait(self, bits: float) -> None:
        await Timer(round(bits * self.bit_ns * 1000), "ps")


@cocotb.test()
@cocotb.parametrize(offset=[-0.03, 0.0, 0.03])
async def answers_every_byte_with_its_line(dut: Any, offset: float) -> None:
    terminal = Terminal(dut, offset)
    await terminal.start()
    for byte in (0x00, 0xFF, 0x55, 0x0D, terminal.tb.random.getrandbits(8)):
        await terminal.quiet(20)
        answer = cocotb.start_soon(terminal.line())
        await terminal.send(byte)
        assert await answer == LINE
        assert not int(dut.leds.value) & BROKEN


@cocotb.test()
async def answers_what_comes_during_a_line_once_more(dut: Any) -> None:
    terminal = Terminal(dut)
    await terminal.start()
    lines = cocotb.start_soon(terminal.line())
    await terminal.send(1)
    await terminal.send(2)
    await terminal.send(3)
    assert await lines == LINE
    assert await terminal.line() == LINE
    await terminal.quiet(30)


@cocotb.test()
async def shows_broken_bytes_and_ignores_glitches(dut: Any) -> None:
    terminal = Terminal(dut)
    await terminal.start()
    answer = cocotb.start_soon(terminal.line())
    await terminal.send(0x00, stop=0)
    assert await answer == LINE
    assert int(dut.leds.value) & BROKEN
    dut.rx.value = 0
    await Timer(round(BIT_NS * 300), "ps")
    dut.rx.value = 1
    await terminal.quiet(30)
    answer = cocotb.start_soon(terminal.line())
    await terminal.send(0x41)
    assert await answer == LINE
    assert not int(dut.leds.value) & BROKEN


@cocotb.test()
async def its_heart_beats_once_per_second(dut: Any) -> None:
    terminal = Terminal(dut)
    await terminal.start()
    seen = []
    for _ in range(14):
        seen.append(int(dut.leds.value) & HEART)
        await terminal.tb.cycles(CONTROL_CLOCK_HZ // 10)
    changes = [at for at in range(1, len(seen)) if seen[at] != seen[at - 1]]
    assert {b - a for a, b in pairwise(changes)} == {5}


@cocotb.test()
@cocotb.parametrize(cycles=[5, 60, 200])
async def reset_in_mid_line_starts_over(dut: Any, cycles: int) -> None:
    terminal = Terminal(dut)
    await terminal.start()
    await terminal.send(7)
    await terminal.tb.cycles(cycles)
    await terminal.tb.reset()
    assert dut.tx.value == 1
    assert await terminal.line() == LINE
