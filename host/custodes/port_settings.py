# SPDX-License-Identifier: Apache-2.0
"""What of this machine has to keep away from an interface that is a port of a warden, for as long as it is one.

Linux would merge segments that arrive (GRO, LRO), route packets that are addressed to this machine past the device, and send
router solicitations and multicast reports of its own.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GET_ADDRESS, ETHTOOL = 0x8915, 0x8946
"""Of linux/sockios.h."""
OFFLOADS = {"generic receive offload": (0x2B, 0x2C, 1), "large receive offload": (0x25, 0x26, 1 << 15)}
"""Of linux/ethtool.h: how each is read and set, and its bit in the value."""
SYSCTLS = Path("/proc/sys/net")
IPV6_ADDRESSES = Path("/proc/thread-self/net/if_inet6")
LINK_SCOPE = 0x20


class PortSettings:
    """Settings of an interface. `restore` puts back what has been changed.

    Args:
        name: of the interface.
        handle: of any socket.
    """

    def __init__(self, name: str, handle: int) -> None:
        self._name = name
        self._handle = handle
        self._undo: list[Callable[[], object]] = []
        self.notes: list[str] = []
        """What could not be changed, and what that means, a line each."""

    def prepare(self) -> None:
        """Change what can be changed, and note the rest."""
        for title, (get, put, bit) in OFFLOADS.items():
            self._switch_off(title, get, put, bit)
        addresses = self._ip6_addresses()
        own = [*self._ip4_address(), *(address for address, scope in addresses if scope != LINK_SCOPE)]
        if own:
            self.notes.append(
                f"{self._name}: this machine has {', '.join(own)} there, at which it answers without the device"
            )
        self._set("ipv4/conf", "forwarding", "0", "packets may be routed past the device")
        if len(own) == len(self._ip4_address()):  # else switching off would lose addresses
            self._set("ipv6/conf", "disable_ipv6", "1", "this machine may send frames of its own there")

    def _switch_off(self, title: str, get: int, put: int, bit: int) -> None:
        try:
            before = self._ethtool(get)
            if before & bit:
                self._ethtool(put, before & ~bit)
                self._undo.append(lambda: self._ethtool(put, before))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                self.notes.append(f"{self._name}: {title} stays on ({error.strerror}): what it merges is cut again")

    def _set(self, family: str, setting: str, value: str, otherwise: str) -> None:
        path = SYSCTLS / family / self._name / setting
        try:
            before = path.read_text().strip()
            if before != value:
                path.write_text(value)
                self._undo.append(lambda: path.write_text(before))
        except FileNotFoundError:
            pass  # a kernel without this protocol
        except OSError as error:
            self.notes.append(f"{self._name}: {setting} stays as it is ({error.strerror}): {otherwise}")

    def _ethtool(self, command: int, value: int = 0) -> int:
        """The commands that have one word."""
        words = (ctypes.c_uint32 * 2)(command, value)
        fcntl.ioctl(self._handle, ETHTOOL, struct.pack("16sP16x", self._name.encode(), ctypes.addressof(words)))
        return words[1]

    def _ip4_address(self) -> list[str]:
        """The first that this machine has at the interface."""
        with suppress(OSError):
            request = struct.pack("16s24x", self._name.encode())
            return [socket.inet_ntoa(fcntl.ioctl(self._handle, GET_ADDRESS, request)[20:24])]
        return []

    def _ip6_addresses(self) -> list[tuple[str, int]]:
        """Those of this machine at the interface, and their scopes."""
        with suppress(OSError):
            lines = [line.split() for line in IPV6_ADDRESSES.read_text().splitlines()]
            return [
                (socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line[0])), int(line[3], 16))
                for line in lines
                if line[5] == self._name
            ]
        return []

    def restore(self) -> None:
        """What has been changed is as before, where the interface is still there."""
        while self._undo:
            with suppress(OSError):
                self._undo.pop()()
