# SPDX-License-Identifier: Apache-2.0
"""A device behind a UART as a `Link`: its registers, not its frames."""

from __future__ import annotations

import os
import secrets
import select
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import serial

from custodes.control_registers import UART_DEFAULT_BAUD, UART_FALLBACK_MS
from custodes.errors import DeviceError, RefusedError
from custodes.lifecycle import Lifecycle
from custodes.link import Ingress, Link, Outcome
from custodes.maps import NIC
from custodes.serial_frames import IDLE_MS, MAX_WORDS, Reply, Request, Status
from custodes.serial_port import Diagnosis, open_port

ATTEMPTS = 4
PATIENCE_S = 0.3
"""For the first answer to a request. Each attempt waits for twice as long as the one before."""
SIMULATION = 8
"""As much more patience with a pty: what is behind it is simulated, and has not the time of this world."""
GAP_S = 0.1
"""Longer than a USB adapter pauses within a frame."""
QUIET_S = 1.5 * IDLE_MS / 1000
"""What came before is forgotten by the device then."""
SWITCH_S = 0.002
"""More than the last stop bit before a new baud rate."""
FALLBACK_S = UART_FALLBACK_MS / 1000
WORST_RATE = 0.025
"""By how much the rates of both ends may differ."""
_NOT_MEANT = "over a serial line registers can be read and written, but no frames exchanged"


class SerialLink(Link):
    """The device at a serial port.

    Requests without an answer are repeated, which is harmless, as the device tells a repeated one from a new one.

    Args:
        name: the port, and after an @ the baud rate to go on with once the device has answered at 115200.
        lanes: bytes per beat of the device's datapath.
        patience_s: see `PATIENCE_S`.

    Raises:
        DeviceError: the port cannot be opened; here and from every method: it is gone, or what answers is no device, or
            nothing does.
        RefusedError: from methods that read and write.
    """

    def __init__(self, name: str, lanes: int = 1, patience_s: float | None = None) -> None:
        self.lanes = lanes
        self.path, self._wanted = _parsed(name)
        self._port = open_port(self.path, UART_DEFAULT_BAUD)
        simulated = os.path.realpath(self.path).startswith("/dev/pts/")
        self._patience_s = PATIENCE_S * (SIMULATION if simulated else 1) if patience_s is None else patience_s
        self._real_time = not simulated
        self._sequence = 0
        self._baud = UART_DEFAULT_BAUD
        """What the device should be at; `_port` may be at another."""
        self._heard = time.monotonic()
        self._clock_hz = 0
        self._lost = True
        """Whether the device may have missed a request, so that a session has to begin."""
        try:
            self._open()
        except BaseException:
            self._port.close()
            raise

    def read(self, address: int) -> int:
        return self.read_many(address, 1)[0]

    def write(self, address: int, value: int) -> None:
        self.write_many(address, [value])

    def read_many(self, address: int, count: int) -> list[int]:
        values: list[int] = []
        while len(values) < count:
            at, words = address + len(values), min(MAX_WORDS, count - len(values))
            reply = self._do(Request.read, at, words)
            if reply.status == Status.REFUSED:
                self._refused("read", at + reply.words)
            values += reply.values
        return values

    def write_many(self, address: int, values: Sequence[int]) -> None:
        for first in range(0, len(values), MAX_WORDS):
            reply = self._do(Request.write, address + first, values[first : first + MAX_WORDS])
            if reply.status == Status.REFUSED:
                self._refused("write", address + first + reply.words)

    def exchange(self, frames: Sequence[Ingress[Any]]) -> list[Outcome[Any]]:
        raise DeviceError(f"{self.path}: {_NOT_MEANT}")

    def close(self) -> None:
        if not self._port.is_open:
            return
        if self._baud != UART_DEFAULT_BAUD and not self._lost:
            # So that whoever comes next need not wait until the device falls back by itself.
            with suppress(DeviceError):
                self._write_divisor(UART_DEFAULT_BAUD, attempts=1)
        with suppress(OSError, termios.error):
            self._port.close()

    def _open(self) -> None:
        self._sequence = secrets.randbelow(256)
        hello = Request.hello(self._sequence, secrets.randbits(32))
        self._quiet()
        # It may still be at that rate from a session that broke off, until it falls back.
        reply = self._exchange(hello, [UART_DEFAULT_BAUD, self._wanted, UART_DEFAULT_BAUD, UART_DEFAULT_BAUD])
        if reply.status != Status.OK:
            raise DeviceError(f"{self.path}: the device does not understand this host: they are of two versions")
        self._baud, self._lost = self._port.baudrate, False
        if self._baud != self._wanted:
            self._speed_up()

    def _speed_up(self) -> None:
        """Go on at the rate that was asked for."""
        self._write_divisor(self._wanted)
        who = Request.read(self._next(), NIC.address("CONTROL_IDENTITY"))
        if self._exchange(who, [self._wanted]).values != (NIC["CONTROL_IDENTITY"].reset,):
            raise DeviceError(f"{self.path}: the device does not say who it is at {self._wanted} baud")

    def _write_divisor(self, baud: int, attempts: int = ATTEMPTS) -> None:
        self._clock_hz = self._clock_hz or self.read(NIC.address("CLOCK_HZ"))
        divisor = round(self._clock_hz / baud)
        if not divisor or abs(self._clock_hz / divisor / baud - 1) > WORST_RATE:
            raise DeviceError(f"{self.path}: the device cannot make {baud} baud of its clock of {self._clock_hz} Hz")
        # Where its reply is lost, the device is at the new rate already.
        switch = Request.write(self._next(), NIC.address("UART_DIVISOR"), [divisor])
        if self._exchange(switch, [self._port.baudrate, baud], attempts).status != Status.OK:
            self._fell_out()
        time.sleep(SWITCH_S)
        self._baud = baud
        self._tune(baud)

    def _do(self, make: Callable[..., Request], *arguments: Any) -> Reply:
        """The next request of the session, made of its number and these; its reply says `Status.OK` or `Status.REFUSED`."""
        if self._lost:
            self._open()
        request = make(self._next(), *arguments)
        bauds = [self._baud, UART_DEFAULT_BAUD]
        if self._real_time and time.monotonic() - self._heard > FALLBACK_S:
            bauds.reverse()
        reply = self._exchange(request, bauds)
        if reply.status == Status.CLOSED:
            self._fell_out()
        if reply.status == Status.MALFORMED:
            raise DeviceError(f"{self.path}: the device does not understand this host: they are of two versions")
        if self._port.baudrate != self._baud:
            # It has fallen back, which takes it longer than any request.
            self._baud = UART_DEFAULT_BAUD
            self._speed_up()
        return reply

    def _fell_out(self) -> NoReturn:
        self._lost = True
        raise DeviceError(f"{self.path}: the device has been reset, or somebody else talks to it; nothing was done")

    def _refused(self, verb: str, address: int) -> NoReturn:
        found = NIC.at(address)
        name = f"{found[0].name} ({address:#06x})" if found else f"the register at {address:#06x}"
        if address == NIC.address("LIFECYCLE"):
            raise RefusedError(f"the device refuses to {verb} {name}")
        try:
            state = self.read(NIC.address("LIFECYCLE"))
        except RefusedError:
            raise RefusedError(f"the device refuses to {verb} {name}") from None
        known = [one.name.lower() for one in Lifecycle if one == NIC["LIFECYCLE"].field("STATE").of(state)]
        raise RefusedError(
            f"the device refuses to {verb} {name}: it is {known[0] if known else f'in the unknown state {state:#x}'}"
        )

    def _exchange(self, request: Request, bauds: Sequence[int], attempts: int = ATTEMPTS) -> Reply:
        """Send a request at one rate after the other, until it is answered."""
        frame = request.encode()
        diagnosis = Diagnosis(frame)
        for attempt in range(attempts):
            if attempt:
                self._quiet()
            self._tune(bauds[attempt % len(bauds)])
            with self._present():
                self._port.write(frame)
            for reply in self._replies(diagnosis, self._patience_s * 2**attempt):
                if reply.answers(frame) and reply.operation == request.operation and _whole(reply, request):
                    self._heard = time.monotonic()
                    return reply
        self._lost = True
        raise DeviceError(f"{self.path}: {diagnosis.text([*dict.fromkeys(bauds)])}")

    def _replies(self, diagnosis: Diagnosis, patience_s: float) -> Iterator[Reply]:
        """What comes until nothing has come for a while; noise without end ends, too."""
        began = time.monotonic()
        until = began + patience_s
        diagnosis.begin()
        while (now := time.monotonic()) < until:
            received = self._received(until - now)
            if received:
                until = min(max(until, time.monotonic() + GAP_S), began + 4 * patience_s)
            yield from map(Reply.decode, diagnosis.feed(received))
        diagnosis.end()

    def _quiet(self) -> None:
        """Wait until the line has been quiet for `QUIET_S`, but not for ever."""
        until = time.monotonic() + self._patience_s
        while self._received(QUIET_S) and time.monotonic() < until:
            pass

    def _received(self, wait_s: float) -> bytes:
        with self._present():
            ready, _, _ = select.select([self._port.fileno()], [], [], wait_s)
            return self._port.read(max(1, self._port.in_waiting)) if ready else b""

    def _tune(self, baud: int) -> None:
        if self._port.baudrate == baud:
            return
        try:
            with self._present():
                self._port.baudrate = baud
        except (ValueError, NotImplementedError):
            raise DeviceError(f"{self.path}: the port cannot be set to {baud} baud") from None

    @contextmanager
    def _present(self) -> Iterator[None]:
        try:
            yield
        except serial.SerialTimeoutException:
            raise DeviceError(f"{self.path}: the port does not take what is sent") from None
        except (OSError, termios.error):
            raise DeviceError(f"{self.path}: the port is gone: unplugged, or whoever served it has ended") from None

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) % 256
        return self._sequence


def _whole(reply: Reply, request: Request) -> bool:
    """Whether a reply says of as many words as it must."""
    if reply.status == Status.OK:
        return reply.words == request.words
    return reply.words < request.words if reply.status == Status.REFUSED else not reply.words


def _parsed(name: str) -> tuple[str, int]:
    """Port and baud rate."""
    path, at, rate = name.rpartition("@")
    if not at:
        path, rate = name, str(UART_DEFAULT_BAUD)
    if not path or not rate.isascii() or not rate.isdecimal() or not int(rate):
        raise DeviceError(f"serial:{name}: no such device; try serial:/dev/ttyUSB0 or serial:/dev/ttyUSB0@3000000")
    return path, int(rate)
