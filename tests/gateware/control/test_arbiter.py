# SPDX-License-Identifier: Apache-2.0
"""Several who ask, and several who have what is asked for."""

from typing import Any

import pytest

from gateware.control.access import AccessInterface
from gateware.control.arbiter import PAGE_WORDS, Arbiter, Router
from tests.gateware.control.clocked import access, run


def memory(port: AccessInterface, latency: int, taken: list[int], accesses: int):
    """A testbench that is a memory which answers what it was asked plus a million, after so many cycles."""

    async def serve(ctx: Any) -> None:
        for _ in range(accesses):
            ctx.set(port.request.ready, 1)
            valid, address = 0, 0
            while not valid:
                _, _, valid, address = await ctx.tick().sample(port.request.valid, port.request.payload.address)
            ctx.set(port.request.ready, 0)
            taken.append(address)
            for _ in range(latency):
                assert not ctx.get(port.request.valid), "a second request came before the reply"
                await ctx.tick()
            ctx.set(port.reply.payload.data, 1_000_000 + address)
            ctx.set(port.reply.payload.refused, address & 1)
            ctx.set(port.reply.valid, 1)
            ready = False
            while not ready:
                _, _, ready = await ctx.tick().sample(port.reply.ready)
            ctx.set(port.reply.valid, 0)

    return serve


@pytest.mark.parametrize("masters", [2, 3])
@pytest.mark.parametrize("latency", [0, 3])
def test_every_master_gets_its_own_answers_in_turn(masters: int, latency: int):
    dut = Arbiter(masters)
    taken: list[int] = []
    accesses = 8

    def ask(master: int):
        async def asks(ctx: Any) -> None:
            for number in range(accesses):
                address = 100 * master + number
                assert await access(ctx, dut.i[master], address) == (1_000_000 + address, bool(address & 1))

        return asks

    run(dut, *map(ask, range(masters)), memory(dut.o, latency, taken, masters * accesses))
    assert sorted(taken) == [100 * master + number for master in range(masters) for number in range(accesses)]
    order = [address // 100 for address in taken]
    assert all(len(set(order[at : at + masters])) == masters for at in range(0, len(order), masters))


def test_a_master_alone_does_not_wait_for_the_others():
    dut = Arbiter(2)
    taken: list[int] = []

    async def asks(ctx: Any) -> None:
        for number in range(5):
            assert await access(ctx, dut.i[1], number) == (1_000_000 + number, bool(number & 1))

    run(dut, asks, memory(dut.o, 1, taken, 5))
    assert taken == list(range(5))


def test_the_router_goes_by_pages():
    dut = Router({0x10, 0x14})
    taken: list[list[int]] = [[], []]
    addresses = [0, 0xFFF, 0x1000, 0x10FF, 0x1100, 0x13FF, 0x1400, 0x14FF, 0x1500, 0x1000, 0]
    second = [address for address in addresses if address // PAGE_WORDS in (0x10, 0x14)]

    async def asks(ctx: Any) -> None:
        for address in addresses:
            assert await access(ctx, dut.i, address) == (1_000_000 + address, bool(address & 1))

    run(
        dut,
        asks,
        memory(dut.o[0], 2, taken[0], len(addresses) - len(second)),
        memory(dut.o[1], 2, taken[1], len(second)),
    )
    assert taken == [[address for address in addresses if address not in second], second]
