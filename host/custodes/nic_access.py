# SPDX-License-Identifier: Apache-2.0
"""What commands on a device with control share: how it is opened, and what is said while its firmware is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from custodes.device import opened
from custodes.firmware import Firmware
from custodes.mailbox import Request
from custodes.nic import PATIENCE_S, Nic
from custodes.terminal import Screen

NIC_DEVICE = "sim:nic"
NicOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="The device: sim:nic is simulated and new, sim:nic:FILE keeps its flash in FILE, serial:PATH[@BAUD].",
    ),
]
PatienceOption = Annotated[
    float, typer.Option("--timeout", metavar="S", min=0.1, help="Seconds to wait for the firmware.")
]
DOING = {
    Request.IDENTIFY: "the device proves who it is",
    Request.STORE: "the device keeps what it is told",
    Request.COMMIT: "the device checks what it keeps",
    Request.LOCK: "the device locks",
    Request.ORDER: "the device checks and carries out an order",
    Request.SELFTEST: "the device tests itself",
    Request.ERASE: "the device forgets what it keeps",
}


@contextmanager
def opened_firmware(name: str, display: Screen, patience_s: float = PATIENCE_S) -> Iterator[Firmware]:
    """The firmware of a device, by the device's name, for the length of a block; it has booted, or cannot."""
    with display.waiting() as wait:

        def waiting(request: Request) -> None:
            wait(DOING.get(request, "the device answers"))

        with opened(lambda link: Nic(link, patience_s, waiting), name, 1) as nic:
            nic.booted()
            yield Firmware(nic)
