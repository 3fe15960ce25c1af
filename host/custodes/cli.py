# SPDX-License-Identifier: Apache-2.0
"""The entry point. It answers Ctrl-C from the start, also while the commands are still being imported."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType
from typing import NoReturn

from custodes.errors import INTERRUPTED


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run a command. SIGTERM stops it as Ctrl-C does, and names that a stream cannot encode are escaped."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        from custodes.commands import app

        app(prog_name="custodes")
    except KeyboardInterrupt:
        print("custodes: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
