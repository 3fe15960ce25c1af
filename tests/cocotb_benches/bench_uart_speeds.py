# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.uart_link.UartLink` at the clock and the rates of a board."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from custodes.control_registers import UART_DEFAULT_BAUD
from custodes.serial_frames import MAX_WORDS, Reply, Request
from gateware.control.uart_link import LATENCY_CYCLES
from tests.cocotb_benches.uart import CLOCK_HZ, Host

FAST_BAUD = 3_000_000


@cocotb.test()
@cocotb.parametrize(baud=[UART_DEFAULT_BAUD, FAST_BAUD], offset=[-0.02, 0.0, 0.02])
async def reads_and_writes_at_both_ends_of_the_range(dut: Any, baud: int, offset: float) -> None:
    host = Host(dut, baud, offset)
    await host.ready()
    values = [host.random.getrandbits(32) for _ in range(MAX_WORDS if baud == FAST_BAUD else 2)]
    await host.write(0x20, values)
    assert await host.read(0x20, len(values)) == values
    assert await host.read(0x1ABC) == [0x1ABC * 0x10001]
    assert host.registers.written == [(0x20 + at, value) for at, value in enumerate(values)]
    await host.silent()


@cocotb.test()
async def answers_as_soon_as_it_says(dut: Any) -> None:
    host = Host(dut)
    await host.start()
    frame = Request.hello(1, 2).encode()
    await host.send(frame[:-1])
    began = get_sim_time("ns")
    sending = cocotb.start_soon(host.send(frame[-1:]))
    await FallingEdge(dut.tx)
    last_bit = began + 9.5e9 * int(dut.divisor.value) / CLOCK_HZ
    assert (get_sim_time("ns") - last_bit) * CLOCK_HZ / 1e9 <= LATENCY_CYCLES
    await sending
    assert Reply.decode(await host.reply()).answers(frame)
