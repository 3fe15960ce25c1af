# SPDX-License-Identifier: Apache-2.0
"""`custodes serve`: a simulated device as a serial port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custodes.command_line import QuietOption, VerboseOption, command, ended, screen
from custodes.errors import UsageError
from custodes.link import open_link
from custodes.pty_server import PtyServer
from custodes.simnic import CLOCK_HZ, SimControl


@command
def serve(
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="The device: sim:nic, or sim:nic:FILE to keep its flash.")
    ] = "sim:nic",
    link: Annotated[
        Path | None, typer.Option("--link", metavar="PATH", help="Make a symbolic link to the port here.")
    ] = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make a simulated device a serial port, until Ctrl-C or SIGTERM.

    Prints the port's path; other commands then take --device serial:PATH, or serial:PATH@3000000, which is faster. The
    device sees every bit at the rate that the port is set to. Afterwards port and link are gone, and the flash is saved.
    """
    display = screen(quiet, verbose)
    with ended() as stopping, open_link(device) as opened:
        if not isinstance(opened, SimControl):
            raise UsageError(f"{device} has no UART: serve sim:nic")
        with PtyServer(opened, CLOCK_HZ, link) as server:
            display.result(server.path)
            display.note(f"serving {device} as serial:{server.path}; Ctrl-C ends")
            server.serve(lambda: bool(stopping))
