# SPDX-License-Identifier: Apache-2.0
"""Every register is reached at its address, by what the map says that it is for, and nothing else is."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest
from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.sim import Simulator

from custodes.maps import FIRMWARE, NIC, PROCESSOR
from custodes.register_map import DATAPATH_WORDS, RegisterMap
from gateware.control.access import ADDRESS_BITS
from gateware.control.decoder import Decoder

CONTROL = tuple(block for block in NIC.blocks if block.base >= DATAPATH_WORDS)
ROOMS = {"control": RegisterMap("control", "", CONTROL), "firmware": FIRMWARE}


class Access(NamedTuple):
    """What is asked for."""

    address: int
    write: bool = False
    data: int = 0


class Effect(NamedTuple):
    """What a register sees."""

    name: str
    number: int
    write: bool
    data: int


class Seen(NamedTuple):
    """Replies, as pairs of data and whether refused; what registers saw; cycles that each access took."""

    replies: list[tuple[int, bool]]
    effects: list[Effect]
    cycles: list[int]


def value_of(register_map: RegisterMap, name: str, index: int) -> int:
    """What a register reads in these tests: none reads 0, and no two the same."""
    return 0x8000_0000 | register_map.address(name, index)


def run(register_map: RegisterMap, accesses: Sequence[Access], busy: int = 0, stall: int = 0, idle: int = 0) -> Seen:
    """Ask one after the other. Values come from registers a cycle after their index, as from a memory.

    Args:
        busy: cycles for which each register makes an access wait.
        stall: cycles for which a reply is not taken.
        idle: cycles before each request.
    """
    m = Module()
    m.submodules.dut = dut = Decoder(register_map.blocks)
    names = list(dut.places)
    waited = Signal(range(busy + 1))
    index, wrote, data = Signal(16), Signal(), Signal(32)
    effects = Signal(len(names))
    m.d.comb += effects.eq(Cat(dut[name].reads | dut[name].writes for name in names))
    m.d.sync += waited.eq(Mux(dut.access.request.ready, 0, Mux(waited == busy, busy, waited + 1)))
    for name in names:
        member = dut[name]
        m.d.sync += member.value.eq(Const(value_of(register_map, name, 0), 32) + member.index)
        m.d.comb += member.busy.eq(waited != busy)
        with m.If(member.reads | member.writes):
            m.d.comb += [index.eq(member.index), wrote.eq(member.writes), data.eq(member.data)]

    seen = Seen([], [], [])

    async def ask(ctx):
        request, reply = dut.access.request, dut.access.reply
        for access in accesses:
            await ctx.tick().repeat(idle + 1)
            ctx.set(request.payload, access._asdict())
            ctx.set(request.valid, 1)
            await ctx.tick().until(request.ready)
            ctx.set(request.valid, 0)
            ctx.set(request.payload, {"address": 0, "write": 0, "data": 0})
            cycles = 1
            while not ctx.get(reply.valid):
                await ctx.tick()
                cycles += 1
                assert cycles < 100, "no reply"
            for _ in range(stall):
                before = ctx.get(reply.payload.as_value())
                await ctx.tick()
                assert ctx.get(reply.valid) and ctx.get(reply.payload.as_value()) == before
            seen.replies.append((ctx.get(reply.payload.data), bool(ctx.get(reply.payload.refused))))
            seen.cycles.append(cycles)
            ctx.set(reply.ready, 1)
            await ctx.tick()
            ctx.set(reply.ready, 0)
            assert not ctx.get(reply.payload.as_value()) and not any(ctx.get(dut[name].data) for name in names), (
                "remains"
            )

    async def watch(ctx):
        async for _, reset, bits, at, write, value in ctx.tick().sample(effects, index, wrote, data):
            if bits and not reset:
                assert bits & bits - 1 == 0, "two registers at once"
                seen.effects.append(Effect(names[bits.bit_length() - 1], at, bool(write), value if write else 0))

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(ask)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return seen


def expected(register_map: RegisterMap, accesses: Sequence[Access]) -> tuple[list[tuple[int, bool]], list[Effect]]:
    """What the map says."""
    replies, effects = [], []
    for access in accesses:
        place = register_map.at(access.address)
        if place is None or not (place[0].access.writable if access.write else place[0].access.readable):
            replies.append((0, True))
            continue
        register, index = place
        replies.append((0 if access.write else value_of(register_map, register.name, index), False))
        effects.append(Effect(register.name, index, access.write, access.data if access.write else 0))
    return replies, effects


def check(register_map: RegisterMap, accesses: Sequence[Access], **pauses: int) -> Seen:
    seen = run(register_map, accesses, **pauses)
    assert (seen.replies, seen.effects) == expected(register_map, accesses)
    return seen


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("room", ROOMS)
def test_reaches_every_register_of_the_map(room: str, write: bool):
    register_map = ROOMS[room]
    random = Random(1)
    addresses = [
        register_map.address(register.name, index)
        for block in register_map.blocks
        for register in block.registers
        for index in range(register.count)
    ]
    accesses = [Access(address, write, random.getrandbits(32)) for address in addresses]
    seen = check(register_map, accesses)
    assert {effect.name for effect in seen.effects} == {
        register.name
        for block in register_map.blocks
        for register in block.registers
        if (register.access.writable if write else register.access.readable)
    }


@pytest.mark.parametrize("room", ROOMS)
def test_refuses_every_address_beside_a_register(room: str):
    register_map = ROOMS[room]
    random = Random(2)
    edges = {
        address
        for block in register_map.blocks
        for register in block.registers
        for first in [register_map.address(register.name)]
        for address in (first - 1, first + register.count)
    }
    flips = {address ^ 1 << bit for address in edges for bit in range(ADDRESS_BITS) if address >= 0}
    outside = sorted(address for address in edges | flips if address >= 0 and register_map.at(address) is None)
    outside = [address for address in outside if address < 1 << ADDRESS_BITS]
    seen = check(register_map, [Access(address, random.random() < 0.5, random.getrandbits(32)) for address in outside])
    assert seen.effects == []
    assert len(outside) > 100


@pytest.mark.parametrize("idle", [0, 3])
@pytest.mark.parametrize("stall", [0, 3])
@pytest.mark.parametrize("busy", [0, 7])
def test_any_order_with_any_pauses(busy: int, stall: int, idle: int):
    random = Random(3)
    register_map = ROOMS["control"]
    addresses = [register_map.address(name) for name in ("SCRATCH", "LIFECYCLE", "ZEROISE", "MAP_DIGEST", "REQUEST")]
    accesses = [
        Access(random.choice([*addresses, 0, 0x1FFF]), random.random() < 0.5, random.getrandbits(32))
        for _ in range(100)
    ]
    check(register_map, accesses, busy=busy, stall=stall, idle=idle)


def test_answers_after_four_cycles():
    register_map = ROOMS["control"]
    assert set(check(register_map, [Access(0x1004), Access(0x1004, True, 1), Access(0)]).cycles) == {4}


def test_waits_for_a_busy_register_only():
    register_map = ROOMS["control"]
    seen = check(register_map, [Access(register_map.address("SCRATCH")), Access(0)], busy=20)
    assert seen.cycles[0] > 20 and seen.cycles[1] == 4


def test_no_key_can_be_read():
    secret = [register for block in NIC.blocks for register in block.registers if register.secret]
    assert {register.name for register in secret} == {"KEY", "SALT", "SSCI"}
    addresses = [PROCESSOR.address(register.name, at) for register in secret for at in range(register.count)]
    seen = run(PROCESSOR, [Access(address) for address in addresses])
    assert seen.replies == [(0, True)] * len(addresses) and seen.effects == []


def test_fields_are_where_the_map_has_them_and_no_others():
    m = Module()
    m.submodules.dut = dut = Decoder(FIRMWARE.blocks)
    m.d.comb += [
        dut.value("MAILBOX_PENDING", "LENGTH").eq(dut.data("MAILBOX_ANSWER", "LENGTH")),
        dut.value("MAILBOX_PENDING", "PENDING").eq(dut.data("SHA_COMMAND", "CLEAR")),
    ]

    for take in (lambda: dut.data("SHA_STATUS", "BUSY"), lambda: dut.value("SHA_COMMAND", "CLEAR")):
        with pytest.raises(KeyError):
            take()

    async def look(ctx):
        ctx.set(dut.access.request.valid, 1)
        ctx.set(dut.access.request.payload, {"address": 0, "write": 1, "data": 0xFFFF_FFFE})
        await ctx.tick()
        assert ctx.get(dut["MAILBOX_PENDING"].value) == 1 << 31 | 0x7FE
        await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(look)
    simulator.run()
