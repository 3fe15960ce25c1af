# SPDX-License-Identifier: Apache-2.0
"""Somebody in the world of the demo: asks a server over HTTP, one question after the other."""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 20.0
"""For an answer: whose server has no power any more gets none."""
PER_CONNECTION = 5
"""Questions over one connection."""
TOKENS = 24


def ask(host: str, number: int, connection: http.client.HTTPConnection) -> str:
    """The answer to the question of that number."""
    question = {"prompt": f"Question {number}: who watches the watchers?", "max_tokens": TOKENS, "seed": number}
    connection.request("POST", "/generate", json.dumps(question), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())["text"]


def main(arguments: Sequence[str]) -> None:
    """``HOST COUNT FILE``: ask so many questions, and add a line of JSON to a file for each answer; end where none comes."""
    host, count, path = arguments
    connection = None
    with Path(path).open("a", encoding="utf-8") as file:
        for number in range(int(count)):
            if number % PER_CONNECTION == 0:
                if connection:
                    connection.close()
                connection = http.client.HTTPConnection(host, 80, timeout=PATIENCE_S)
            started = time.monotonic()
            try:
                assert connection is not None
                text = ask(host, number, connection)
            except (OSError, http.client.HTTPException):
                return
            file.write(f"{json.dumps({'number': number, 'text': text, 'seconds': time.monotonic() - started})}\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
