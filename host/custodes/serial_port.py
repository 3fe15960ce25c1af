# SPDX-License-Identifier: Apache-2.0
"""Serial ports: what keeps one from being opened, and what is the matter where no answer comes."""

from __future__ import annotations

import errno
import termios
from pathlib import Path

import serial
from serial.tools import list_ports

from custodes.errors import DeviceError
from custodes.serial_frames import REPLY_SYNC, REQUEST_SYNC, FrameScanner

WRITE_TIMEOUT_S = 5.0
MAX_SEEN = 1024
"""Bytes that are looked at."""


def open_port(path: str, baud: int) -> serial.Serial:
    """The port, for nobody else; reading does not wait. Raises `DeviceError`."""
    try:
        return serial.Serial(path, baud, timeout=0, write_timeout=WRITE_TIMEOUT_S, exclusive=True)
    except ValueError:
        raise DeviceError(f"{path}: the port cannot be set to {baud} baud") from None
    except (OSError, termios.error) as error:
        raise DeviceError(f"{path}: {_reason(path, getattr(error, 'errno', None))}") from None


def _reason(path: str, number: int | None) -> str:
    """Why a port cannot be opened."""
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        there = ", ".join(sorted(port.device for port in list_ports.comports()))
        return f"no such device{f'; try serial:{there}' if there else ''}"
    if number in (errno.EACCES, errno.EPERM):
        return f"you may not open this port{_group(path)}"
    if number in (errno.EBUSY, errno.EAGAIN):
        return "another program uses this port"
    if number == errno.EIO:
        return "the port is gone: unplugged, or whoever served it has ended"
    return "this is no serial port"


def _group(path: str) -> str:
    try:
        return f"; its group is {Path(path).group()}"
    except (OSError, KeyError):
        return ""


class Diagnosis:
    """Looks at what comes in place of an answer.

    Args:
        request: the frame to which it should be one.
    """

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._seen = bytearray()
        self._strangers = 0
        self._cut = False
        self._scanner = FrameScanner(REPLY_SYNC)

    def begin(self) -> None:
        """The request is being sent once more."""
        self._scanner = FrameScanner(REPLY_SYNC)

    def feed(self, received: bytes) -> list[bytes]:
        """The whole replies that end in these bytes."""
        self._seen += received[: MAX_SEEN - len(self._seen)]
        found = self._scanner.feed(received)
        self._strangers += len(found)
        return found

    def end(self) -> None:
        """Nothing more came."""
        self._cut |= self._scanner.held > 1

    def text(self, bauds: list[int]) -> str:
        """What is the matter, in one line; ``bauds`` have been tried."""
        at = f"at {' and '.join(map(str, bauds))} baud"
        seen = bytes(self._seen)
        if not seen:
            return f"nothing answers {at}: is the device powered, configured and connected?"
        if self._request in seen or FrameScanner(REQUEST_SYNC).feed(seen):
            return "what is sent comes back: no device is connected, or its two lines are joined"
        if self._strangers:
            return "what answers are replies to something else: another program talks to the device"
        if set(seen) == {0xFF} or set(seen) == {0x00}:
            return (
                f"nothing but {'ones' if seen[0] else 'zeros'} comes {at}: the device is not powered or not configured"
            )
        if self._cut and seen[0] == REPLY_SYNC:
            return f"answers {at} break off, after {len(seen)} bytes in all"
        return f"what answers {at} cannot be understood: another rate, noise on the line, or another kind of device"
