# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.firewall`: every address in every state that there is and is not."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from custodes.control_registers import FIRMWARE_BLOCK
from custodes.lifecycle import Lifecycle
from custodes.maps import NIC, SNG
from custodes.register_map import Access, Block, Guard, Register, RegisterMap
from gateware.control.access import ADDRESS_BITS
from gateware.control.firewall import Firewall
from gateware.control.lifecycle import STATE_BITS
from tests.gateware.control.flips import FlipBench

SMALL = RegisterMap(
    "small",
    "One of each kind.",
    (
        Block(
            "only",
            0x10,
            "",
            (
                Register("READ", 0, Access.READ, "", count=3),
                Register("WRITTEN", 3, Access.WRITE, ""),
                Register("BOTH", 5, Access.READ_WRITE, "", count=8),
                Register("KEY", 0x20, Access.WRITE, "", count=2, secret=True, guard=Guard.BLANK),
                Register("RAW", 0x22, Access.READ, "", guard=Guard.BLANK),
                Register("SET", 0x28, Access.READ_WRITE, "", count=2, guard=Guard.WRITE_BLANK),
                Register("INNER", 0x30, Access.READ_WRITE, "", guard=Guard.FIRMWARE),
            ),
        ),
    ),
)
REPLY = 0x1234_5678


class Host:
    """Asks, and answers as the registers would; ``reached`` is what got through to them."""

    def __init__(self, ctx: Any, dut: Firewall) -> None:
        self.ctx = ctx
        self.dut = dut
        self.reached: list[tuple[int, int, int]] = []
        ctx.set(dut.i.reply.ready, 1)

    async def access(self, address: int, write: bool, data: int = 0, wait: int = 0) -> tuple[bool, int]:
        """Whether it was refused, and what came back. The registers take ``wait`` cycles to take it."""
        ctx, i, o = self.ctx, self.dut.i, self.dut.o
        ctx.set(i.request.payload, {"address": address, "write": write, "data": data})
        ctx.set(i.request.valid, 1)
        pending = False
        for cycle in range(20 + wait):
            ctx.set(o.request.ready, cycle >= wait)
            ctx.set(o.reply.valid, pending)
            ctx.set(o.reply.payload, {"data": REPLY, "refused": 0})
            taken = ctx.get(i.request.ready)
            if ctx.get(o.request.valid) and cycle >= wait:
                payload = ctx.get(o.request.payload)
                self.reached.append((payload.address, payload.write, payload.data))
                pending = True
            elif ctx.get(o.reply.ready) and pending:
                pending = False
            if ctx.get(i.reply.valid):
                reply = ctx.get(i.reply.payload)
                await ctx.tick()
                ctx.set(o.reply.valid, 0)
                return bool(reply.refused), reply.data
            await ctx.tick()
            if taken:
                ctx.set(i.request.valid, 0)
        raise AssertionError("no answer")


def run(registers: RegisterMap, test: Callable[[Host, FlipBench], Awaitable[None]]) -> None:
    dut = Firewall(registers)
    bench = FlipBench(dut)

    async def testbench(ctx: Any) -> None:
        await test(Host(ctx, dut), bench)

    bench.run(testbench)


def may(registers: RegisterMap, address: int, write: bool, state: int) -> bool:
    """What the map says, said again."""
    found = registers.at(address)
    if found is None or state not in tuple(Lifecycle):
        return False
    register, _ = found
    blank_only = (Guard.BLANK, Guard.WRITE_BLANK) if write else (Guard.BLANK,)
    if register.guard is Guard.FIRMWARE or (register.guard in blank_only and state != Lifecycle.BLANK):
        return False
    return register.access is Access.READ_WRITE or (register.access is Access.WRITE) == write


@pytest.mark.parametrize("state", range(1 << STATE_BITS))
def test_lets_through_what_the_map_says_and_refuses_all_else_in_every_state(state: int):
    async def test(host: Host, bench: FlipBench) -> None:
        host.ctx.set(host.dut.state, state)
        for address in range(0x60):
            for write in (False, True):
                host.reached.clear()
                refused, data = await host.access(address, write, data=0xABCD)
                if may(SMALL, address, write, state):
                    assert (refused, data) == (False, REPLY)
                    assert host.reached == [(address, write, 0xABCD)]
                else:
                    assert (refused, data) == (True, 0)
                    assert host.reached == []

    run(SMALL, test)


def test_every_address_of_the_nic_is_judged_as_its_map_says():
    async def test(host: Host, bench: FlipBench) -> None:
        random = Random(1)
        states = [*Lifecycle, 0b000001, 0b111111]
        for address in range(1 << ADDRESS_BITS):
            state, write = random.choice(states), random.random() < 0.5
            host.ctx.set(host.dut.state, state)
            refused, _ = await host.access(address, write)
            assert refused != may(NIC, address, write, state), (address, write, state)

    run(NIC, test)


def test_keys_are_loaded_through_registers_while_blank_only():
    guarded = {"KEY", "SALT", "SSCI", "PN", "LIFETIME", "ADDRESS", "SCI", "WINDOW", "COMMAND", "NOISE_RAW"}
    assert {NIC[name].guard for name in guarded} == {Guard.BLANK}


def test_what_weights_must_be_is_written_while_blank_only():
    assert {SNG[name].guard for name in ("UPLOAD_BITS", "UPLOAD_DIGEST")} == {Guard.WRITE_BLANK}


def test_what_is_the_firmwares_is_not_in_the_map_of_the_host():
    assert {register.guard for register in FIRMWARE_BLOCK.registers} == {Guard.FIRMWARE}
    assert not any(register.name in NIC for register in FIRMWARE_BLOCK.registers)


@pytest.mark.parametrize("wait", range(6))
def test_a_request_that_waits_is_withdrawn_when_the_state_changes(wait: int):
    async def test(host: Host, bench: FlipBench) -> None:
        key = SMALL.address("KEY")
        host.ctx.set(host.dut.state, Lifecycle.BLANK)

        async def leave(cycles: int) -> None:
            for _ in range(cycles):
                await host.ctx.tick()
            host.ctx.set(host.dut.state, Lifecycle.PROVISIONED)

        host.ctx.set(host.dut.o.request.ready, 0)
        host.ctx.set(host.dut.i.request.payload, {"address": key, "write": 1, "data": 1})
        host.ctx.set(host.dut.i.request.valid, 1)
        await host.ctx.tick()
        host.ctx.set(host.dut.i.request.valid, 0)
        assert host.ctx.get(host.dut.o.request.valid)
        await leave(wait)
        host.ctx.set(host.dut.o.request.ready, 1)
        assert not host.ctx.get(host.dut.o.request.valid)
        await host.ctx.tick()
        assert host.ctx.get(host.dut.i.reply.valid)
        assert host.ctx.get(host.dut.i.reply.payload).refused
        assert not host.ctx.get(host.dut.o.request.valid)

    run(SMALL, test)


@pytest.mark.parametrize("cycles", range(7))
def test_a_fault_at_any_time_lets_nothing_through_and_the_next_access_is_answered(cycles: int):
    """``cycles`` after a request has been offered the register flips."""

    async def test(host: Host, bench: FlipBench) -> None:
        ctx, i, o = host.ctx, host.dut.i, host.dut.o
        (register,) = bench.registers
        key, scratch = SMALL.address("KEY"), SMALL.address("BOTH")
        ctx.set(host.dut.state, Lifecycle.BLANK)
        for value in register.flips():
            ctx.set(bench.reset, 1)
            await ctx.tick()
            ctx.set(bench.reset, 0)
            ctx.set(i.request.payload, {"address": key, "write": 1, "data": 1})
            ctx.set(i.request.valid, 1)
            ctx.set(o.request.ready, 1)
            answers = owed = asked = 0
            for cycle in range(cycles + 12):
                if cycle == cycles:
                    ctx.set(register.signal, value)
                    assert ctx.get(host.dut.fault)
                    assert not ctx.get(o.request.valid)
                    assert not ctx.get(i.reply.valid)
                    assert not ctx.get(i.request.ready)
                ctx.set(o.reply.valid, owed >= 3)
                asked += ctx.get(i.request.valid) & ctx.get(i.request.ready)
                answers += ctx.get(i.reply.valid)
                taken = ctx.get(o.request.valid)
                if owed:
                    owed = 0 if owed >= 3 and ctx.get(o.reply.ready) else owed + 1
                await ctx.tick()
                ctx.set(i.request.valid, not asked)
                owed = owed or taken
            assert asked == answers == 1
            ctx.set(o.reply.valid, 0)
            assert await host.access(scratch, True, 7) == (False, REPLY)

    run(SMALL, test)
