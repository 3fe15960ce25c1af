# SPDX-License-Identifier: Apache-2.0
"""The entry point. It answers Ctrl-C from the start, also while the commands are still being imported."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from custodes.errors import INTERRUPTED


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """Stop, once: what this cleans up is not to be interrupted."""
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def _streams() -> None:
    """Output where there is any: a closed stream is the null device, and what a stream cannot encode is escaped."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run a command. SIGTERM stops it as Ctrl-C does."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background jobs ignore it
            signal.signal(signal.SIGINT, _interrupt)
        _streams()
        from custodes.commands import app

        app(prog_name="custodes")
    except KeyboardInterrupt:
        print("custodes: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
