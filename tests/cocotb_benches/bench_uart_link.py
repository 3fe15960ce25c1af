# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.uart_link.UartLink` on the wire: what it obeys, and above all what it does not."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, Timer

from custodes.control_registers import UART_DEFAULT_BAUD, UART_FALLBACK_MS
from custodes.serial_frames import IDLE_MS, MAX_WORDS, REQUEST_SYNC, Operation, Reply, Request, Status
from tests.cocotb_benches.uart import CLOCK_HZ, DIVISOR, NOT_THERE, Host, check, frame, header


@cocotb.test()
async def does_nothing_before_hello(dut: Any) -> None:
    host = Host(dut)
    await host.start()
    for request in (Request.read(1, 5), Request.write(1, 5, [6]), Request.write(2, 5, [6])):
        assert await host.ask(request) == Reply(request.operation, Status.CLOSED, request.sequence, check(request))
    assert host.registers.accesses == []
    await host.hello()
    assert await host.read(5) == [0x50005]


@cocotb.test()
async def hears_good_frames_between_garbage(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    for turn in range(8):
        await host.send(b for b in host.random.randbytes(1 + 9 * turn) if b != REQUEST_SYNC)
        await host.write(turn, [turn])
        await host.send(host.random.randbytes(40))
        await host.idle()
    assert host.registers.written == [(turn, turn) for turn in range(8)]


@cocotb.test()
async def garbage_inside_a_frame_ends_it(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    good = host.next_write(3, [0xA5A5_A5A5]).encode()
    for at in range(1, len(good)):
        await host.send(good[:at] + host.random.randbytes(1) + good[at:])
        await host.silent()
    assert host.registers.accesses == []
    await host.send(good)
    assert Reply.decode(await host.reply()).status == Status.OK
    assert host.registers.written == [(3, 0xA5A5_A5A5)]


@cocotb.test()
async def no_flipped_bit_is_obeyed(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    good = host.next_write(0x1234, [0xDEAD_BEEF, 0]).encode()
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        await host.send(bad)
        await host.silent()
    assert host.registers.accesses == []
    await host.send(good)
    assert Reply.decode(await host.reply()).status == Status.OK


@cocotb.test()
async def no_broken_byte_is_obeyed(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    good = host.next_write(7, [1]).encode()
    for at in range(len(good)):
        await host.send(good[:at])
        await host.send(good[at : at + 1], stop=0)
        await host.send(good[at + 1 :])
        await host.silent()
    for at in range(1, len(good)):
        await host.send(good[:at])
        await host.send(host.random.randbytes(1), stop=0)
        await host.send(good[at:])
        await host.silent()
    assert host.registers.accesses == []
    await host.send(good)
    assert Reply.decode(await host.reply()).status == Status.OK


@cocotb.test()
async def a_part_of_a_frame_is_dropped_when_it_goes_no_further(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    good = host.next_write(0x44, [1, 2]).encode()
    for length in range(1, len(good)):
        await host.send(good[:length])
        await host.silent()
        await host.send(good[length:])
        await host.silent()
    assert host.registers.accesses == []
    await host.send(good[:9])
    await Timer(IDLE_MS - 2, "ms")
    await host.send(good[9:])
    assert Reply.decode(await host.reply()).status == Status.OK
    assert host.registers.written == [(0x44, 1), (0x45, 2)]


@cocotb.test()
async def a_repeated_request_is_answered_and_not_done_again(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    for request in (host.next_write(5, [1, 2, 3]), host.next_read(5, 3), host.next_read(NOT_THERE - 1, 3)):
        await host.send(request.encode())
        first = await host.reply()
        host.registers.values[6] = host.random.getrandbits(32)
        done = list(host.registers.accesses)
        await host.send(b"\x00" + request.encode()[:7])
        await host.idle()
        await host.send(request.encode())
        assert await host.reply() == first
        await host.silent()
        assert host.registers.accesses == done
    assert host.registers.written == [(5, 1), (6, 2), (7, 3)]


@cocotb.test()
async def what_is_not_the_next_request_ends_the_session(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    for step in (0, 2, 128, 255):
        await host.hello()
        last = host.next_write(1, [step])
        assert (await host.ask(last)).status == Status.OK
        stray = Request.write((last.sequence + step) % 256, 1, [99])
        for request in (stray, stray, Request.write((last.sequence + 1) % 256, 1, [99])):
            assert await host.ask(request) == Reply(Operation.WRITE, Status.CLOSED, request.sequence, check(request))
    assert host.registers.written == [(1, step) for step in (0, 2, 128, 255)]


@cocotb.test()
async def says_how_far_a_refused_request_came(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    read, write = host.next_read(NOT_THERE - 2, 5), host.next_write(NOT_THERE - 1, [1, 2])
    values = ((NOT_THERE - 2) * 0x10001, (NOT_THERE - 1) * 0x10001)
    assert await host.ask(read) == Reply(Operation.READ, Status.REFUSED, read.sequence, check(read), 2, values)
    assert await host.ask(write) == Reply(Operation.WRITE, Status.REFUSED, write.sequence, check(write), 1)
    assert host.registers.written == [(NOT_THERE - 1, 1)]
    host.registers.accesses.clear()
    for address in (0x2000, 0x4000, 0x8000, 0xFFFF):
        assert (await host.ask(host.next_write(address, [1, 2]))).words == 0
    assert host.registers.accesses == []


@cocotb.test()
async def words_that_contradict_each_other_do_nothing(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    for operation, words, operand in (
        (Operation.WRITE, 2, 0x1_0005),
        (Operation.WRITE, 1, 0x101_0005),
        (Operation.READ, 1, 0x2_0005),
        (Operation.READ, 0, 0x0_0005),
        (Operation.WRITE, 0, 0x0_0005),
        (Operation.HELLO, 1, 0x1_0005),
    ):
        values = [7] * words if operation == Operation.WRITE else []
        await host.send(frame(header(operation, host.next(), words), operand, *values))
        reply = Reply.decode(await host.reply())
        assert (reply.operation, reply.status, reply.words) == (operation, Status.MALFORMED, 0)
    assert host.registers.accesses == []
    assert await host.read(5) == [0x50005], "the session goes on"


@cocotb.test()
async def what_has_no_header_gets_no_answer(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    for first in (
        header(Operation.WRITE ^ 1, 1, 1),
        header(0, 1, 1),
        header(Operation.WRITE, 1, MAX_WORDS + 1),
        header(Operation.WRITE, 1, 1, status=1),
    ):
        await host.send(frame(first, 0x1_0005, 7))
        await host.silent()
    assert host.registers.accesses == []
    assert await host.read(5) == [0x50005]


@cocotb.test()
@cocotb.parametrize(where=["request", "access", "reply"])
async def a_reset_closes_the_session(dut: Any, where: str) -> None:
    host = Host(dut)
    await host.ready()
    request = host.next_write(9, [1, 2]).encode()
    await host.send(request[:-5])
    if where != "request":
        await host.send(request[-5:])
        await dut.access_request_valid.rising_edge
    if where == "reply":
        await FallingEdge(dut.tx)
        await Timer(1, "ms")
    await host.reset()
    assert dut.tx.value == 1
    if where == "request":
        await host.send(request[-5:])
    await host.silent()
    done = list(host.registers.accesses)
    assert len(done) == (2 if where == "reply" else 0)
    assert (await host.ask(Request.decode(request))).status == Status.CLOSED
    await host.hello()
    await host.write(9, [3])
    assert host.registers.accesses == [*done, (9, 3)]


@cocotb.test()
async def another_baud_is_not_understood_and_does_no_harm(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    for baud in (UART_DEFAULT_BAUD // 2, UART_DEFAULT_BAUD * 2, UART_DEFAULT_BAUD * 10):
        host.baud = baud
        await host.send(host.next_write(1, [2] * 8).encode())
        host.baud = UART_DEFAULT_BAUD
        await host.silent()
        await host.hello()
    assert host.registers.accesses == []


@cocotb.test()
async def the_divisor_changes_after_the_reply_and_falls_back(dut: Any) -> None:
    host = Host(dut)
    await host.ready()
    divisor = round(CLOCK_HZ / UART_DEFAULT_BAUD)
    assert int(dut.divisor.value) == divisor
    await host.write(DIVISOR, [7])
    assert int(dut.divisor.value) == divisor, "too fast for the gateware"
    await host.write(DIVISOR, [2 * divisor])
    assert int(dut.divisor.value) == divisor, "until the stop bit is over"
    await host.bits(1)
    assert int(dut.divisor.value) == 2 * divisor
    host.baud //= 2
    assert await host.read(2) == [0x20002]
    await Timer(UART_FALLBACK_MS - 500, "ms")
    assert await host.read(3) == [0x30003]
    await Timer(UART_FALLBACK_MS - 500, "ms")
    await host.send(frame(header(Operation.READ, 0, 1), 0x1_0003)[:-1] + b"?")
    assert int(dut.divisor.value) == 2 * divisor
    await Timer(501, "ms")
    assert int(dut.divisor.value) == divisor
    host.baud *= 2
    assert await host.read(4) == [0x40004], "the session goes on"
