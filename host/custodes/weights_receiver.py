# SPDX-License-Identifier: Apache-2.0
"""The server's end of an upload: weights out of frames into a file, and then a program that serves them.

Nothing goes the other way: who loses a frame has to be switched off and on.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from custodes.gateway_formats import ETHERTYPE, HEAD_BYTES, UPLOAD_HEAD_BYTES, Kind

ROOM_BYTES = 1 << 24
"""Of frames that wait; a MiB in smallest frames takes the kernel less."""
LARGEST_BYTES = 1 << 16
LOST = 71
"""Exit code: an octet is missing."""


def take(cable: socket.socket, path: Path, octets: int) -> bool:
    """Write so many octets to a file, which appears when it is whole; returns whether nothing was lost."""
    partial = path.with_name(f"{path.name}.partial")
    expected = 0
    with partial.open("wb") as file:
        while expected < octets:
            frame = cable.recv(LARGEST_BYTES)
            if frame[HEAD_BYTES - 2 : HEAD_BYTES] != bytes([Kind.UPLOAD, 0]):
                continue
            length = int.from_bytes(frame[HEAD_BYTES : HEAD_BYTES + 2])
            if int.from_bytes(frame[HEAD_BYTES + 2 : UPLOAD_HEAD_BYTES]) != expected:
                return False
            file.write(frame[UPLOAD_HEAD_BYTES : UPLOAD_HEAD_BYTES + length])
            expected += length
    partial.replace(path)
    return True


def main(arguments: Sequence[str]) -> NoReturn:
    """``INTERFACE FILE OCTETS PROGRAM...``: take so many octets of weights, and become that program."""
    interface, path, octets, *command = arguments
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)) as cable:
        cable.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
        cable.bind((interface, ETHERTYPE))
        Path(f"{path}.ready").touch()
        if not take(cable, Path(path), int(octets)):
            print("weights are missing", file=sys.stderr)
            sys.exit(LOST)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
