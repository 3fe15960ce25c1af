# SPDX-License-Identifier: Apache-2.0
"""Both ends of a `gateware.control.uart_link.UartLink`: a host on the wire, and registers that note every access."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.task import Task
from cocotb.triggers import ClockCycles, FallingEdge, Timer, with_timeout

from custodes.control_registers import UART_DEFAULT_BAUD
from custodes.serial_frames import (
    IDLE_MS,
    OPERATION_LOWEST,
    REPLY_SYNC,
    REQUEST_SYNC,
    SEQUENCE_LOWEST,
    WORD_BYTES,
    WORDS_LOWEST,
    FrameScanner,
    Reply,
    Request,
    Status,
)
from tests.cocotb_benches.designs import design_under_test

CLOCK_HZ = design_under_test().clock_hz
DIVISOR = 0x1006
"""Where UART_DIVISOR is in these tests."""
SLOWEST_CYCLES = 20
"""Of a register."""
NOT_THERE = 0x1FFF
"""Refused."""
TIMEOUT_MS = 100


class Registers:
    """Behind the link: remember what is written, take their time, and check the rule of the stream."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.accesses: list[tuple[int, int | None]] = []
        """Address, and what was written, in order."""
        self.values: dict[int, int] = {}
        self._random = random.Random(cocotb.RANDOM_SEED)

    @property
    def written(self) -> list[tuple[int, int]]:
        return [(address, value) for address, value in self.accesses if value is not None]

    async def run(self) -> None:
        dut = self.dut
        for port in (dut.access_request_ready, dut.access_reply_valid, dut.write_divisor):
            port.value = 0
        while True:
            await FallingEdge(dut.clk)
            if dut.access_request_valid.value != 1:
                await dut.access_request_valid.rising_edge
                continue
            asked = self._request()
            for _ in range(self._random.randrange(SLOWEST_CYCLES)):
                await FallingEdge(dut.clk)
                assert dut.access_request_valid.value == 1
                assert self._request() == asked
            dut.access_request_ready.value = 1
            await FallingEdge(dut.clk)
            dut.access_request_ready.value = 0
            await ClockCycles(dut.clk, 1 + self._random.randrange(SLOWEST_CYCLES), FallingEdge)
            await self._answer(*asked)

    async def _answer(self, address: int, write: bool, data: int) -> None:
        dut = self.dut
        refused = address == NOT_THERE
        dut.write_divisor.value = write and address == DIVISOR
        dut.i_divisor.value = data & 0xFFFF
        if not refused:
            self.accesses.append((address, data if write else None))
            if write:
                self.values[address] = data
        dut.access_reply_payload_data.value = 0 if write or refused else self.values.get(address, address * 0x10001)
        dut.access_reply_payload_refused.value = refused
        dut.access_reply_valid.value = 1
        assert dut.access_reply_ready.value == 1
        await FallingEdge(dut.clk)
        dut.access_reply_valid.value = 0
        dut.write_divisor.value = 0

    def _request(self) -> tuple[int, bool, int]:
        payload = (self.dut.access_request_payload_address, self.dut.access_request_payload_write)
        address, write = (int(part.value) for part in payload)
        return address, bool(write), int(self.dut.access_request_payload_data.value) if write else 0


class Host:
    """At the other end of the line. ``offset`` is how much longer its bits are than they should be."""

    def __init__(self, dut: Any, baud: int = UART_DEFAULT_BAUD, offset: float = 0.0) -> None:
        self.dut = dut
        self.baud = baud
        self.offset = offset
        self.registers = Registers(dut)
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.replies: Queue[bytes] = Queue()
        self.scanner = FrameScanner(REPLY_SYNC)
        self._tasks: list[Task[None]] = []
        self._sequence = 0

    async def start(self) -> None:
        """Clock, reset, and nobody has said HELLO."""
        dut = self.dut
        dut._log.info("seed %d", cocotb.RANDOM_SEED)
        period_ps = round(1e12 / CLOCK_HZ / 2) * 2
        Clock(dut.clk, period_ps, unit="ps").start()
        dut.rx.value = 1
        await self.reset()

    async def reset(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 4, FallingEdge)
        self.dut.rst.value = 0
        self._tasks = [cocotb.start_soon(self.registers.run()), cocotb.start_soon(self._listen())]

    async def hello(self) -> None:
        request = Request.hello(self.random.getrandbits(8), self.random.getrandbits(32))
        self._sequence = request.sequence
        assert await self.ask(request) == Reply(request.operation, Status.OK, request.sequence, check(request))

    async def ready(self) -> None:
        """From a reset to a session at ``baud``."""
        await self.start()
        wanted, self.baud = self.baud, UART_DEFAULT_BAUD
        await self.hello()
        if wanted != UART_DEFAULT_BAUD:
            await self.write(DIVISOR, [round(CLOCK_HZ / wanted)])
            self.registers.accesses.clear()
            await self.bits(1)  # the stop bit is as long as before
            self.baud = wanted

    async def read(self, address: int, words: int = 1) -> list[int]:
        reply = await self.ask(self.next_read(address, words))
        assert reply.status == Status.OK
        assert reply.words == len(reply.values) == words
        return list(reply.values)

    async def write(self, address: int, values: list[int]) -> None:
        reply = await self.ask(self.next_write(address, values))
        assert reply.status == Status.OK
        assert reply.words == len(values)

    def next_read(self, address: int, words: int = 1) -> Request:
        return Request.read(self.next(), address, words)

    def next_write(self, address: int, values: list[int]) -> Request:
        return Request.write(self.next(), address, values)

    def next(self) -> int:
        """The next sequence number."""
        self._sequence = (self._sequence + 1) % 256
        return self._sequence

    async def ask(self, request: Request) -> Reply:
        frame = request.encode()
        await self.send(frame)
        reply = Reply.decode(await self.reply())
        assert reply.answers(frame)
        return reply

    async def reply(self) -> bytes:
        return await with_timeout(self.replies.get(), TIMEOUT_MS, "ms")

    async def send(self, data: Iterable[int], stop: int = 1) -> None:
        """Bytes, back to back."""
        for byte in data:
            for bit in (0, *(byte >> place & 1 for place in range(8)), stop):
                self.dut.rx.value = bit
                await self.bits(1)
            self.dut.rx.value = 1
            if not stop:
                await self.bits(1)

    async def idle(self) -> None:
        """For as long as ends a frame."""
        await Timer(IDLE_MS + 1, "ms")

    async def silent(self) -> None:
        """Nothing was answered, nor will be."""
        await self.idle()
        assert self.replies.empty()
        assert self.scanner.held == self.scanner.skipped == 0

    async def _listen(self) -> None:
        self.scanner = FrameScanner(REPLY_SYNC)
        while not self.replies.empty():
            self.replies.get_nowait()
        while True:
            await FallingEdge(self.dut.tx)
            await self.bits(1.5)
            byte = 0
            for place in range(8):
                byte |= int(self.dut.tx.value) << place
                await self.bits(1)
            assert self.dut.tx.value == 1, "stop bit"
            for frame in self.scanner.feed(bytes([byte])):
                self.replies.put_nowait(frame)

    async def bits(self, count: float) -> None:
        """So many bits' time."""
        await Timer(round(count * (1 + self.offset) / self.baud * 1e12), "ps")


def check(request: Request) -> int:
    return int.from_bytes(request.encode()[-WORD_BYTES:], "little")


def frame(*words: int) -> bytes:
    """A frame of these words, whatever they mean, with the right check."""
    body = b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)
    return body + zlib.crc32(body).to_bytes(WORD_BYTES, "little")


def header(operation: int, sequence: int, words: int, status: int = 0) -> int:
    return (
        REQUEST_SYNC | status << 8 | operation << OPERATION_LOWEST | sequence << SEQUENCE_LOWEST | words << WORDS_LOWEST
    )
