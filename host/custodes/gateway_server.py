# SPDX-License-Identifier: Apache-2.0
"""The server of the demo: weights behind HTTP, and lies as soon as a file says so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from custodes.inference_server import InferenceServer
from custodes.transformer import Transformer


def main(arguments: Sequence[str]) -> None:
    """``WEIGHTS PORT LIES``: serve these weights at every address, until killed; while there is a file LIES, wrongly."""
    weights, port, lies = arguments
    model = Transformer(Path(weights).read_bytes())
    server = InferenceServer(model, ("", int(port)), lambda number: Path(lies).exists())
    Path(f"{weights}.served").touch()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
