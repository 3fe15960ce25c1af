# SPDX-License-Identifier: Apache-2.0
"""The mailbox belongs to the host or to the firmware, never to both."""

from custodes.control_registers import MAILBOX_BYTES
from custodes.control_registers import Mailbox as Turn
from gateware.control.mailbox import Mailbox
from tests.gateware.control.clocked import run
from tests.gateware.control.flips import FlipBench


async def host_writes(ctx, dut: Mailbox, address: int, value: int) -> None:
    ctx.set(dut.request_address, address)
    ctx.set(dut.request_data, value)
    ctx.set(dut.request_write, 1)
    await ctx.tick()
    ctx.set(dut.request_write, 0)


async def sends(ctx, dut: Mailbox, length: int) -> None:
    ctx.set(dut.send_length, length)
    ctx.set(dut.send, 1)
    await ctx.tick()
    ctx.set(dut.send, 0)


async def firmware_reads(ctx, dut: Mailbox, address: int) -> int:
    ctx.set(dut.firmware_address, address)
    await ctx.tick()
    return ctx.get(dut.firmware_data)


async def firmware_writes(ctx, dut: Mailbox, address: int, value: int) -> None:
    ctx.set(dut.answer_address, address)
    ctx.set(dut.answer_data, value)
    ctx.set(dut.answer_write, 1)
    await ctx.tick()
    ctx.set(dut.answer_write, 0)


async def answers(ctx, dut: Mailbox, length: int) -> None:
    ctx.set(dut.answer_length, length)
    ctx.set(dut.answer, 1)
    await ctx.tick()
    ctx.set(dut.answer, 0)


async def host_reads(ctx, dut: Mailbox, address: int) -> int:
    ctx.set(dut.reply_address, address)
    await ctx.tick()
    return ctx.get(dut.reply_data)


def test_a_request_gets_there_and_its_reply_back():
    dut = Mailbox()

    async def talk(ctx):
        assert (ctx.get(dut.state), ctx.get(dut.pending)) == (Turn.IDLE, 0)
        for at in (0, 1, 255):
            await host_writes(ctx, dut, at, 1000 + at)
        await sends(ctx, dut, MAILBOX_BYTES)
        assert (ctx.get(dut.state), ctx.get(dut.pending), ctx.get(dut.length)) == (Turn.BUSY, 1, MAILBOX_BYTES)
        for at in (0, 1, 255):
            assert await firmware_reads(ctx, dut, at) == 1000 + at
            await firmware_writes(ctx, dut, at, 2000 + at)
        await answers(ctx, dut, 5)
        assert (ctx.get(dut.state), ctx.get(dut.pending), ctx.get(dut.reply_length)) == (Turn.DONE, 0, 5)
        for at in (0, 1, 255):
            assert await host_reads(ctx, dut, at) == 2000 + at
        await sends(ctx, dut, 0)
        assert (ctx.get(dut.state), ctx.get(dut.length), ctx.get(dut.reply_length)) == (Turn.BUSY, 0, 0)

    run(dut, talk)


def test_what_the_host_writes_in_the_turn_of_the_firmware_is_lost():
    dut = Mailbox()

    async def talk(ctx):
        await host_writes(ctx, dut, 7, 1)
        await sends(ctx, dut, 8)
        await host_writes(ctx, dut, 7, 2)
        await sends(ctx, dut, 4)
        assert ctx.get(dut.length) == 8
        assert await firmware_reads(ctx, dut, 7) == 1

    run(dut, talk)


def test_firmware_writes_no_reply_that_nobody_asked_for():
    dut = Mailbox()

    async def talk(ctx):
        await sends(ctx, dut, 4)
        await firmware_writes(ctx, dut, 0, 1)
        await answers(ctx, dut, 4)
        await firmware_writes(ctx, dut, 0, 2)
        await answers(ctx, dut, 8)
        assert (ctx.get(dut.state), ctx.get(dut.reply_length)) == (Turn.DONE, 4)
        assert await host_reads(ctx, dut, 0) == 1

    run(dut, talk)


def test_a_request_that_is_longer_than_the_mailbox_is_ignored():
    dut = Mailbox()

    async def talk(ctx):
        for length in (MAILBOX_BYTES + 1, 2047):
            await sends(ctx, dut, length)
            assert ctx.get(dut.state) == Turn.IDLE

    run(dut, talk)


def test_flips_of_whose_turn_it_is_are_faults():
    dut = Mailbox()
    bench = FlipBench(dut)
    assert len(bench.registers) == 1
    assert bench.undetected(dut.fault, 0) == []
