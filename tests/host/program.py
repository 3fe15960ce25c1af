# SPDX-License-Identifier: Apache-2.0
"""Programs as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """A program with buffered streams that answers Ctrl-C, however the tests themselves are run."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "host")))
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"} | {"PYTHONPATH": path},
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **({"stderr": subprocess.PIPE} | options),  # pyright: ignore[reportArgumentType, reportCallIssue]
    )
