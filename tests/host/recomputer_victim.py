# SPDX-License-Identifier: Apache-2.0
"""A recomputer in a process of its own, which is there to be killed: works off a file of frames, and writes orders down."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from custodes.recomputer import Recomputer
from custodes.recomputer_store import Store
from tests.host.recomputer_scene import GATEWAY, SIGNER

AT_ONCE = 7
"""Frames that come together."""


def work(folder: Path) -> None:
    frames: list[bytes] = pickle.loads((folder / "frames").read_bytes())

    def order(message: bytes) -> None:
        with (folder / "orders").open("a") as file:
            file.write(f"{message.hex()}\n")

    with Store(folder / "state", owned=True) as store:
        recomputer = Recomputer(store, GATEWAY, SIGNER, order)
        with store.transaction():
            store.set_value("plugin", {"kind": "transformer", "weights": str(folder / "weights")})
        recomputer.work()
        while (at := store.position("frames")) < len(frames):
            recomputer.feed(frames[at : at + AT_ONCE], "frames", min(at + AT_ONCE, len(frames)))
            print(at, flush=True)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
