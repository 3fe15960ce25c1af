# SPDX-License-Identifier: Apache-2.0
"""Network namespaces without names, joined by veth pairs: they are gone with the last descriptor that holds them."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import pytest

NEW_NETWORK = 0x40000000
ETHTOOL, GET_GRO, SET_GRO = 0x8946, 0x2B, 0x2C
"""Of linux/sockios.h and linux/ethtool.h."""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Namespace:
    """A network namespace. Sockets and processes that are made `inside` stay in it."""

    def __init__(self) -> None:
        with _here():
            _check(_libc.unshare(NEW_NETWORK))
            self._handle = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.path = f"/proc/{os.getpid()}/fd/{self._handle}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the namespace for the length of a block."""
        with _here():
            _check(_libc.setns(self._handle, NEW_NETWORK))
            yield

    def ip(self, *words: str) -> str:
        """Run ip(8) in it."""
        with self.inside():
            return _run("ip", *" ".join(words).split())

    def set(self, name: str, value: object) -> None:
        """A sysctl."""
        with self.inside():
            (Path("/proc/sys/net") / name).write_text(str(value))

    def close(self) -> None:
        os.close(self._handle)


@contextmanager
def _here() -> Iterator[None]:
    """Come back to this namespace at the end."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _check(_libc.setns(own, NEW_NETWORK))
        os.close(own)


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"PATH": PATH}, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def merging(namespace: Namespace, name: str, value: bool | None = None) -> bool:
    """Whether an interface merges segments that arrive (GRO); set where a value is given."""
    words = (ctypes.c_uint32 * 2)(GET_GRO if value is None else SET_GRO, value or 0)
    with namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, ETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(words)))
    return bool(words[1])


class Cables:
    """Three namespaces in a row: a client in the cluster, a machine with two interfaces between, a server in the world.

    ``lan0`` of the client is joined with ``inner`` of the machine, ``lan0`` of the server with ``outer``. A context manager.
    """

    CLIENT, SERVER = 1, 2

    def __init__(self) -> None:
        self._undo = ExitStack()
        try:
            self.client, self.between, self.server = (self._namespace() for _ in range(3))
            for end, name, number in ((self.client, "inner", self.CLIENT), (self.server, "outer", self.SERVER)):
                mac = self.mac(number)
                words = f"link add lan0 address {mac} netns {end.path} type veth peer name {name} netns"
                self.between.ip(words, self.between.path)
                self.between.ip(f"link set {name} up")
                end.ip("link set lan0 up")
                end.ip(f"address add {self.ip4(number)}/24 dev lan0")
                end.ip(f"address add {self.ip6(number)}/64 dev lan0 nodad")
        except BaseException:
            self._undo.close()
            raise

    def _namespace(self) -> Namespace:
        made = Namespace()
        self._undo.callback(made.close)
        made.ip("link set lo up")
        return made

    @staticmethod
    def mac(number: int) -> str:
        return f"02:00:00:00:00:{number:02x}"

    @staticmethod
    def ip4(number: int) -> str:
        return f"192.0.2.{number}"

    @staticmethod
    def ip6(number: int) -> str:
        return f"2001:db8::{number}"

    @staticmethod
    def link_local(number: int) -> str:
        """What Linux makes of the MAC address (RFC 4291 appendix A)."""
        return f"fe80::ff:fe00:{number}"

    def policy(self) -> str:
        """Who they are, as a policy."""
        return "\n".join(
            f'[[{side}]]\nmac = "{self.mac(n)}"\nip = ["{self.ip4(n)}", "{self.ip6(n)}", "{self.link_local(n)}"]'
            for side, n in (("cluster", self.CLIENT), ("world", self.SERVER))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()


def missing() -> str | None:
    """What keeps this machine from making namespaces and cables; None: nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Cables():
            return None
    except (OSError, AssertionError) as error:
        return f"no network namespaces here: {error}"


@pytest.fixture
def cables() -> Iterator[Cables]:
    with Cables() as laid:
        yield laid
