# SPDX-License-Identifier: Apache-2.0
"""Runs a unit of the control in Amaranth's simulator."""

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from gateware.control.access import AccessInterface

Testbench = Callable[[Any], Coroutine[Any, Any, None]]
PERIOD_S = 16e-9
MAX_CYCLES = 10_000


def run(dut: wiring.Component, *testbenches: Testbench, periods: dict[str, float] | None = None) -> None:
    """Run until every testbench is through; ``periods`` are of the clock domains, without them there is ``sync``."""
    m = Module()
    for domain in periods or {}:
        m.domains += ClockDomain(domain, local=True)
    m.submodules.dut = dut  # pyright: ignore[reportArgumentType]
    simulator = Simulator(m)
    for domain, period in (periods or {"sync": PERIOD_S}).items():
        simulator.add_clock(period, domain=domain)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()


async def until(ctx: Any, condition: Any, domain: str = "sync") -> int:
    """Wait for a signal to be 1; returns the cycles that took."""
    for cycle in range(MAX_CYCLES):
        if ctx.get(condition):
            return cycle
        await ctx.tick(domain)
    raise AssertionError(f"{condition!r} does not happen")


async def access(
    ctx: Any, port: AccessInterface, address: int, write: int | None = None, domain: str = "sync"
) -> tuple[int, bool]:
    """Read or write a register; returns the data of the reply, and whether it was refused."""
    request, reply = port.request, port.reply
    ctx.set(request.payload.address, address)
    ctx.set(request.payload.write, write is not None)
    ctx.set(request.payload.data, write or 0)
    ctx.set(request.valid, 1)
    await transfer(ctx, request.ready, domain)
    ctx.set(request.valid, 0)
    ctx.set(reply.ready, 1)
    data, refused = await transfer(ctx, reply.valid, domain, reply.payload.data, reply.payload.refused)
    ctx.set(reply.ready, 0)
    return data, bool(refused)


async def transfer(ctx: Any, condition: Any, domain: str, *sampled: Any) -> list[int]:
    """Wait for the edge at which a signal is 1; returns what others are there."""
    for _ in range(MAX_CYCLES):
        _, _, happens, *values = await ctx.tick(domain).sample(condition, *sampled)
        if happens:
            return values
    raise AssertionError(f"{condition!r} does not happen")
