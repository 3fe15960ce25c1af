# SPDX-License-Identifier: Apache-2.0
"""An HTTP server in front of a transformer: what runs on a server behind a gateway. On purpose, it can be told to lie."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from custodes.inference import HEAD_END, MAX_HEAD_BYTES, Request, RequestError, answer, read_head, response
from custodes.transformer import Transformer

PATIENCE_S = 30
Cheat = Callable[[int], bool]
"""Whether the so manieth answer to `POST /generate`, from 1 on, is to be wrong."""


def wrong(answered: bytes) -> bytes:
    """Another answer that looks as good: the last character of a text is another one."""
    head, _, body = answered.partition(HEAD_END)
    content = json.loads(body)
    if "text" not in content:
        return answered
    last = content["text"][-1]
    text = content["text"][:-1] + ("y" if last == "x" else "x")
    return response(HTTPStatus.OK, {"text": text}, b"Connection: close" not in head)


class InferenceServer(ThreadingHTTPServer):
    """Serves a transformer until it is closed; a context manager that does so in a thread.

    Args:
        model: it.
        address: host and port to listen at; port 0 takes a free one, which ``server_address`` has then.
        cheat: which answers are wrong; none by default.

    Attributes:
        answered: so many times `POST /generate` has been answered; ``cheated``: so many times wrongly.
        cheat: can be changed at any time.
    """

    daemon_threads = True

    def __init__(self, model: Transformer, address: tuple[str, int], cheat: Cheat = lambda number: False) -> None:
        super().__init__(address, _Handler)
        self.model = model
        self.cheat = cheat
        self.answered = self.cheated = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def respond(self, request: Request) -> bytes:
        """What is answered to a request."""
        found = answer(self.model, request)
        if not request.generates:
            return found
        with self._counting:
            self.answered += 1
            false = wrong(found) if self.cheat(self.answered) else found
            self.cheated += false != found
        return false

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S

    def handle_one_request(self) -> None:
        """Read a request, and answer it; what has no one meaning ends the connection."""
        try:
            request = self._read()
        except (RequestError, OSError):
            request = None
        if request is None:
            self.close_connection = True
            return
        self.close_connection = not request.keep
        assert isinstance(self.server, InferenceServer)
        self.wfile.write(self.server.respond(request))

    def _read(self) -> Request | None:
        """The next request, taken in the only way in which it is recomputed too; None at the end."""
        head = b""
        while not head.endswith(HEAD_END):
            line = self.rfile.readline(MAX_HEAD_BYTES)
            head += line
            if not line.endswith(b"\n") or len(head) > MAX_HEAD_BYTES:
                return None
        found = read_head(head[: -len(HEAD_END)])
        body = self.rfile.read(found.size)
        return found.request(body) if len(body) == found.size else None
