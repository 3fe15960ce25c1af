# SPDX-License-Identifier: Apache-2.0
"""What passes at an interface of a namespace, recorded by the tests themselves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Self, TypeVar

from tests.host.wires import Namespace

T = TypeVar("T")
ALL_PROTOCOLS = 3
OUTGOING = 4
"""PACKET_OUTGOING of linux/if_packet.h."""


class Tap:
    """Frames in both directions, from the start of a block to its end. Merged ones are as the kernel has them."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        with namespace.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.bind((name, ALL_PROTOCOLS))
        self._socket.settimeout(0.2)
        self._frames: list[tuple[bool, bytes]] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._record)

    def _record(self) -> None:
        while True:
            try:
                frame, (_, _, kind, *_) = self._socket.recvfrom(1 << 17)
            except TimeoutError:
                if self._ending.is_set():
                    return
                continue
            self._frames.append((kind == OUTGOING, frame))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def sent(self, parse: Callable[[bytes], T | None]) -> list[T]:
        """What left at the interface, where it is of the kind that ``parse`` knows."""
        return [found for outgoing, frame in self._frames if outgoing and (found := parse(frame))]

    def received(self, parse: Callable[[bytes], T | None]) -> list[T]:
        """What arrived at the interface, likewise."""
        return [found for outgoing, frame in self._frames if not outgoing and (found := parse(frame))]
