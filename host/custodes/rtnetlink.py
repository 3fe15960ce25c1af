# SPDX-License-Identifier: Apache-2.0
"""What Linux says of a network interface (rtnetlink(7))."""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

GETLINK, REQUEST, ERROR = 18, 1, 2
MASTER = 10
"""IFLA_MASTER of linux/if_link.h."""
UP = 1
HEADER, LINK, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=HH")


class LinkState(NamedTuple):
    """Of an interface: its ARPHRD type, whether it is up, and whether it belongs to a bridge or bond."""

    hardware: int
    up: bool
    enslaved: bool


def link_state(name: str) -> LinkState:
    """Raises `OSError` where there is no such interface."""
    body = LINK.pack(socket.AF_UNSPEC, 0, socket.if_nametoindex(name), 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(HEADER.pack(HEADER.size + len(body), GETLINK, REQUEST, 1, 0) + body)
        answer = kernel.recv(1 << 16)
    length, kind, _, _, _ = HEADER.unpack_from(answer)
    at = HEADER.size
    if kind == ERROR:
        number = -struct.unpack_from("=i", answer, at)[0]
        raise OSError(number, os.strerror(number))
    _, hardware, _, flags, _ = LINK.unpack_from(answer, at)
    at += LINK.size
    enslaved = False
    while at + ATTRIBUTE.size <= length:
        size, attribute = ATTRIBUTE.unpack_from(answer, at)
        enslaved |= attribute == MASTER
        at += max(size, ATTRIBUTE.size) + 3 & ~3
    return LinkState(hardware, bool(flags & UP), enslaved)
