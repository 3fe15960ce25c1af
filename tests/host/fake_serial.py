# SPDX-License-Identifier: Apache-2.0
"""A device at the other end of a pty, made of the wire format alone, that can be told to misbehave."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
import tty
from collections.abc import Callable
from typing import Self

from custodes.control_registers import CONTROL_IDENTITY_VALUE, UART_DEFAULT_BAUD
from custodes.lifecycle import Lifecycle
from custodes.maps import NIC
from custodes.processor_registers import IDENTITY_VALUE
from custodes.registers import IDENTITY
from custodes.serial_frames import REQUEST_SYNC, FrameScanner, Operation, Reply, Request, Status

TCGETS2 = 0x802C_542A
"""Linux: the settings of a terminal, with rates as numbers."""
CLOCK_HZ = 62_500_000
POLL_S = 0.02
WRONG_RATE = b"\x80\xf8\x00\xfe\x1c"
"""What a reply looks like at another rate."""


class FakeSerialDevice:
    """Registers behind a pty. A context manager; ``path`` is the port.

    Attributes:
        registers: what they hold; the others hold their address.
        refused: addresses that cannot be had.
        writes: every write that was done, in order.
        hears: makes of what the host sends what gets in.
        spoil: makes of every reply what is sent in its place; to be set before a request is sent.
        requests: every good request, repeated ones too.
    """

    def __init__(self, spoil: Callable[[bytes], bytes] = lambda reply: reply) -> None:
        self.registers = {
            IDENTITY: IDENTITY_VALUE,
            NIC.address("CONTROL_IDENTITY"): CONTROL_IDENTITY_VALUE,
            NIC.address("CLOCK_HZ"): CLOCK_HZ,
            NIC.address("LIFECYCLE"): Lifecycle.OPERATIONAL,
            **{NIC.address("MAP_DIGEST", at): int.from_bytes(NIC.digest[4 * at :][:4], "little") for at in range(8)},
        }
        self.refused: set[int] = set()
        self.writes: list[tuple[int, int]] = []
        self.spoil = spoil
        self.hears: Callable[[bytes], bytes] = lambda sent: sent
        self.requests: list[Request] = []
        self.baud = UART_DEFAULT_BAUD
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._last: tuple[bytes, bytes] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._hang_up()

    def unplug(self) -> None:
        """The port goes away while it is open."""
        self._stop.set()

    def send(self, data: bytes) -> None:
        """Unasked."""
        os.write(self._master, data)

    def reset(self) -> None:
        """The device forgets its session."""
        self._last = None

    @property
    def host_baud(self) -> int:
        """What the host has set the port to."""
        return struct.unpack("I", fcntl.ioctl(self._master, TCGETS2, bytes(44))[-4:])[0]

    def _run(self) -> None:
        scanner = FrameScanner(REQUEST_SYNC)
        while not self._stop.is_set():
            ready, _, _ = select.select([self._master], [], [], POLL_S)
            received = self.hears(os.read(self._master, 4096)) if ready else b""
            if not received:
                scanner.idle()
            elif self.host_baud != self.baud:
                os.write(self._master, WRONG_RATE)
            else:
                for frame in scanner.feed(received):
                    os.write(self._master, self.spoil(self._answer(frame)))
                    self.baud = self._next_baud()
        self._hang_up()

    def _hang_up(self) -> None:
        for end in (self._slave, self._master):
            if end >= 0:
                os.close(end)
        self._slave = self._master = -1

    def _next_baud(self) -> int:
        divisor = self.registers.get(NIC.address("UART_DIVISOR"))
        return self.baud if divisor is None else min(RATES, key=lambda rate: abs(CLOCK_HZ / divisor - rate))

    def _answer(self, frame: bytes) -> bytes:
        request = Request.decode(frame)
        self.requests.append(request)
        if self._last and self._last[0] == frame:
            return self._last[1]
        follows = self._last is not None and request.sequence == (self._last[0][2] + 1) % 256
        if request.operation == Operation.HELLO:
            reply = self._reply(frame, Status.OK)
        elif not follows:
            self._last = None
            return self._reply(frame, Status.CLOSED)
        else:
            reply = self._access(frame, request)
        self._last = frame, reply
        return reply

    def _access(self, frame: bytes, request: Request) -> bytes:
        values: list[int] = []
        for at in range(request.words):
            address = request.operand + at
            if address in self.refused:
                return self._reply(frame, Status.REFUSED, at, values)
            if request.operation == Operation.WRITE:
                self.registers[address] = request.values[at]
                self.writes.append((address, request.values[at]))
            else:
                values.append(self.registers.get(address, address))
        return self._reply(frame, Status.OK, request.words, values)

    def _reply(self, frame: bytes, status: Status, words: int = 0, values: list[int] | None = None) -> bytes:
        request = Request.decode(frame)
        check = int.from_bytes(frame[-4:], "little")
        return Reply(request.operation, status, request.sequence, check, words, tuple(values or ())).encode()


RATES = (UART_DEFAULT_BAUD, 230_400, 921_600, 1_000_000, 3_000_000)
