# SPDX-License-Identifier: Apache-2.0
"""TCP that no common program makes: urgent data, and resets with and without ACK.

Run by `scenes.py` inside a network namespace: `sockets.py serve ADDRESS` until it is stopped, `sockets.py talk ADDRESS`
once.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

URGENT, ABORT, GONE = 7001, 7002, 7003
LINGER_ZERO = struct.pack("ii", 1, 0)
"""Closing then means RST instead of FIN."""


def main() -> None:
    what, address = sys.argv[1:]
    if what == "serve":
        for port, answer in ((URGENT, answer_urgent), (ABORT, abort), (GONE, leave)):
            threading.Thread(target=serve, args=(address, port, answer)).start()
    else:
        talk_urgent(address)
        talk_until_reset(address, ABORT)
        talk_until_reset(address, GONE)


def serve(address: str, port: int, answer: Callable[[socket.socket], None]) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:
        while True:
            with listener.accept()[0] as connection, contextlib.suppress(ConnectionError):
                answer(connection)


def answer_urgent(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    while data := connection.recv(4096):
        connection.sendall(data)
        connection.send(b"!", socket.MSG_OOB)


def abort(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)


def leave(connection: socket.socket) -> None:
    connection.close()


def talk_urgent(address: str) -> None:
    with socket.create_connection((address, URGENT), 10) as connection:
        for number in range(4):
            connection.sendall(f"line {number}\n".encode())
            connection.send(b"!", socket.MSG_OOB)
            connection.recv(4096)
            time.sleep(0.05)  # urgent data that follows at once would share the frame


def talk_until_reset(address: str, port: int) -> None:
    with contextlib.suppress(ConnectionError), socket.create_connection((address, port), 10) as connection:
        time.sleep(0.1)  # lets the FIN of a server that is gone arrive first: data after it is answered with a bare RST
        connection.sendall(b"hello\n")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
