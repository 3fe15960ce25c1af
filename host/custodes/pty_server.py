# SPDX-License-Identifier: Apache-2.0
"""A simulated device behind a pseudo-terminal, which programs open as they open a serial port. Bits are as long as they have
set them, and the device takes them off the line at its own rate.

The time of the simulation is not that of this world. The device goes on all the time, mostly far more slowly than its clock
says. Only where the host has waited for so long that the device is to notice, that much time passes in the device, too.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from custodes.errors import DeviceError
from custodes.serial_frames import IDLE_MS
from custodes.terminal import shown

PIECE_BYTES = 4096
PIECE_CYCLES = 2000
"""That the device goes on for before somebody looks at the terminal again."""
BIT_LIMITS = 4.0, 65_536.0
"""Cycles per bit that a line can have."""
LEAST_BITS = 2
"""Of time between an answer and the next request."""
PAUSE_S = 0.8 * IDLE_MS / 1000
"""A host that waits for so long wants the device to notice."""
PAUSED_S = 1.2 * IDLE_MS / 1000
REST_AFTER_S = 60.0
"""A device that nobody has asked anything for so long is not simulated until somebody does."""
REST_S = 0.2
_TCGETS2 = 0x802C_542A
_TERMIOS2 = struct.Struct("4I20s2I")
"""Linux: flags, control characters, rates of both directions as numbers."""


class UartDevice(Protocol):
    """What is served: a simulated device with the host's end of its UART."""

    def uart_bit(self, cycles: float) -> None:
        """Cycles per bit, from the next byte on."""
        ...

    def uart_send(self, data: bytes) -> None: ...

    @property
    def uart_unsent(self) -> int: ...

    def uart_receive(self) -> bytes: ...

    def step_control(self, cycles: int) -> None: ...


class PtyServer:
    """The terminal of a device. A context manager.

    Args:
        clock_hz: of the device's control.
        link: where to put a symbolic link to the terminal; another such link, of a server that did not end well, is
            replaced.

    Attributes:
        path: the terminal.

    Raises:
        DeviceError: there are no terminals, or the link cannot be made.
    """

    def __init__(self, device: UartDevice, clock_hz: float, link: Path | None = None) -> None:
        self._device = device
        self._clock_hz = clock_hz
        self._link: Path | None = None
        self._baud = 0
        self._bit = BIT_LIMITS[1]
        self._rested = True
        """The line, since `_resting_since`, for `_resting_cycles`."""
        self._resting_since = self._heard = time.monotonic()
        self._resting_cycles = 0
        try:
            self._master, self._slave = os.openpty()
        except OSError as error:
            raise DeviceError(f"no pseudo-terminal can be had: {error.strerror}") from None
        # Its other end stays open here, too: so it stays as it is when programs come and go.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        if link is not None:
            try:
                self._put(link)
            except OSError as error:
                self.close()
                raise DeviceError(f"{shown(link)}: cannot be made a link: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def serve(self, ends: Callable[[], bool]) -> None:
        """Carry bytes to and fro until ``ends`` says so, which is asked several times a second."""
        while not ends():
            rests = time.monotonic() - self._heard > REST_AFTER_S
            ready, _, _ = select.select([self._master], [], [], REST_S if rests else 0)
            if ready:
                self._from_host(os.read(self._master, PIECE_BYTES))
            elif not rests:
                self._go_on(PIECE_CYCLES)

    def close(self) -> None:
        """Take terminal and link away."""
        if self._link is not None:
            with suppress(OSError):
                if str(self._link.readlink()) == self.path:
                    self._link.unlink()
            self._link = None
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1

    def _put(self, link: Path) -> None:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(self.path)
        self._link = link

    def _from_host(self, data: bytes) -> None:
        self._tune()
        if self._rested:
            waited_s = time.monotonic() - self._resting_since
            owed = round(min(waited_s, PAUSED_S) * self._clock_hz) if waited_s > PAUSE_S else 0
            owed = max(owed, round(LEAST_BITS * self._bit)) - self._resting_cycles
            while owed > 0:
                self._go_on(min(owed, PIECE_CYCLES))
                owed -= PIECE_CYCLES
        self._device.uart_send(data)
        self._rested = False
        self._heard = time.monotonic()

    def _tune(self) -> None:
        """To the rate that the host has set."""
        settings = fcntl.ioctl(self._master, _TCGETS2, bytes(_TERMIOS2.size))
        baud = _TERMIOS2.unpack(settings)[-1]
        if baud and baud != self._baud:
            least, most = BIT_LIMITS
            self._baud = baud
            self._bit = min(max(self._clock_hz / baud, least), most)
            self._device.uart_bit(self._bit)

    def _go_on(self, cycles: int) -> None:
        device = self._device
        device.step_control(cycles)
        received = device.uart_receive()
        if received:
            # What nobody reads is lost, as on a serial port.
            with suppress(BlockingIOError):
                os.write(self._master, received)
        if device.uart_unsent or received or not self._rested:
            self._rested = not device.uart_unsent
            self._resting_since, self._resting_cycles = time.monotonic(), 0
        else:
            self._resting_cycles += cycles
