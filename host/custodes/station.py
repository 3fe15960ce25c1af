# SPDX-License-Identifier: Apache-2.0
"""A program with a network of its own, whose only cable ends in this process: every frame passes through its hands.

Linux only. It has a network namespace, and where this is not root a user namespace too, in which there is a TAP device.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Self

from custodes.errors import InterfaceError

TUN = Path("/dev/net/tun")
NAME = "cable0"
TAP, NO_INFORMATION = 0x0002, 0x1000
SET_INTERFACE = 0x400454CA
"""TUNSETIFF of linux/if_tun.h; the others of linux/sockios.h."""
SET_FLAGS, SET_ADDRESS, SET_MASK, SET_MAC, GET_FLAGS = 0x8914, 0x8916, 0x891C, 0x8924, 0x8913
UP = 1
NEW_USER, NEW_NETWORK = 0x1000_0000, 0x4000_0000
"""CLONE_NEWUSER and CLONE_NEWNET of linux/sched.h."""
ETHERNET = 1
LARGEST_BYTES = 1 << 16
FAILED = 70
"""Exit code of what could not lay its cable; it has said why."""


class Station:
    """A program behind a cable. A context manager that ends it.

    Args:
        mac, address: of its interface; the address is of IPv4, in a network of 256.
        command: the program, and its arguments.

    Raises:
        InterfaceError: there can be no such network here.
    """

    def __init__(self, mac: bytes, address: str, command: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "custodes.station", str(theirs.fileno()), mac.hex(), address, *command],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
            theirs.close()
            said, given, _, _ = socket.recv_fds(ours, 1024, 1)
        if not given:
            self.program.wait()
            raise InterfaceError(said.decode(errors="replace") or "a network namespace cannot be made here")
        self._cable = given[0]
        os.set_blocking(self._cable, False)

    def fileno(self) -> int:
        return self._cable

    def receive(self) -> list[bytes]:
        """The frames that it has sent, without FCS."""
        found: list[bytes] = []
        while True:
            try:
                found.append(os.read(self._cable, LARGEST_BYTES))
            except (BlockingIOError, OSError):
                return found

    def send(self, frame: bytes) -> None:
        """Give it a frame; lost where it takes none, as on any cable."""
        try:
            os.write(self._cable, frame)
        except OSError:
            return

    @property
    def runs(self) -> bool:
        """Whether its program does."""
        return self.program.poll() is None

    def kill(self) -> None:
        """Take its power: at once, and whatever it is doing."""
        self.program.kill()
        self.program.wait()

    def close(self) -> None:
        """End the program, and its network with it."""
        if self.runs:
            self.program.send_signal(signal.SIGTERM)
            try:
                self.program.wait(2)
            except subprocess.TimeoutExpired:
                self.kill()
        os.close(self._cable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _leave() -> None:
    """Into a network without interfaces, as its root."""
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    flags = NEW_NETWORK if user == 0 else NEW_NETWORK | NEW_USER
    if library.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, f"a network namespace cannot be made here: {os.strerror(number)}")
    if flags & NEW_USER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _lay(mac: bytes, address: str) -> int:
    """A TAP device that is up, and says nothing by itself; the other end of its cable."""
    cable = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(cable, SET_INTERFACE, struct.pack("16sH22x", NAME.encode(), TAP | NO_INFORMATION))
    quiet = Path("/proc/sys/net/ipv6/conf") / NAME / "disable_ipv6"
    if quiet.exists():
        quiet.write_text("1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:

        def order(request: int, what: bytes) -> bytes:
            return fcntl.ioctl(control, request, struct.pack("16s", NAME.encode()) + what.ljust(24, b"\0"))

        order(SET_MAC, struct.pack("H6s", ETHERNET, mac))
        for request, dotted in ((SET_ADDRESS, address), (SET_MASK, "255.255.255.0")):
            order(request, struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(dotted)))
        (flags,) = struct.unpack_from("H", order(GET_FLAGS, b""), 16)
        order(SET_FLAGS, struct.pack("H", flags | UP))
    return cable


def main(arguments: Sequence[str]) -> NoReturn:
    """``FD MAC ADDRESS PROGRAM...``: become that program, behind a cable whose other end is sent through a socket."""
    number, mac, address, *command = arguments
    with socket.socket(fileno=int(number)) as parent:
        try:
            _leave()
            cable = _lay(bytes.fromhex(mac), address)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            parent.send(f"{where}{error.strerror}".encode())
            sys.exit(FAILED)
        parent.sendmsg([b"up"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [cable]))])
        os.close(cable)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
