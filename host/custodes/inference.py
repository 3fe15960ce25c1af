# SPDX-License-Identifier: Apache-2.0
"""What an inference server answers, octet for octet: the same code serves and recomputes.

`POST /generate` takes a JSON object: ``prompt`` (text), ``max_tokens`` (octets of the answer), and, where wanted, ``model``
(the SHA-256 of its weights in hexadecimal digits), ``temperature`` (0: the likeliest) and ``seed``. The answer is
``{"text": ...}``, or ``{"error": ...}`` with status 400 or 404. `GET /health` has a constant answer. Nothing in an answer
depends on anything but the request and the weights: no date, no name of a program, so that headers hide nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from custodes.policy import Number, Strict
from custodes.transformer import VALUE_BITS, Transformer

GENERATE, HEALTH = "/generate", "/health"
MAX_BODY_BYTES, MAX_HEAD_BYTES = 1 << 16, 1 << 14
HEAD_END = b"\r\n\r\n"
DECISIVE = ("connection", "content-length")
"""Header fields that may come only once, as they say where a request ends and what follows it."""
_BEGINNING = re.compile(rb"[A-Z]{1,16}(?: [!-~]{0,1024}(?: [HTP/1.0]{0,8}\r?)?)?")
"""Of a line that is not whole yet."""
_LINE = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,1024}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*)")
_NUMBER = re.compile("[0-9]{1,9}")


class RequestError(Exception):
    """Octets are no request that has one meaning; one clear line."""


class _Generate(Strict):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)

    prompt: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[Number, Field(ge=1)]
    model: str | None = None
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0
    seed: Annotated[Number, Field(ge=0, lt=1 << 64)] = 0


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: ``keep`` says whether the connection goes on after the answer."""

    method: str
    target: str
    body: bytes = b""
    keep: bool = True

    @property
    def generates(self) -> bool:
        return self.target == GENERATE and self.method == "POST"


def response(status: HTTPStatus, content: Mapping[str, str], keep: bool) -> bytes:
    """An HTTP response: RFC 9112."""
    body = json.dumps(content).encode()
    fields = [f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: application/json"]
    fields += [f"Content-Length: {len(body)}", *([] if keep else ["Connection: close"])]
    return "\r\n".join([*fields, "", ""]).encode() + body


def answer(model: Transformer, request: Request) -> bytes:
    """The response to a request."""
    if request.generates:
        return response(*_generated(model, request.body), request.keep)
    if request.target == HEALTH and request.method == "GET":
        return response(HTTPStatus.OK, {"status": "ok"}, request.keep)
    return response(HTTPStatus.NOT_FOUND, {"error": "no such thing"}, request.keep)


def _generated(model: Transformer, body: bytes) -> tuple[HTTPStatus, dict[str, str]]:
    try:
        wanted = _Generate.model_validate_json(body)
        prompt = wanted.prompt.encode()
    except (ValidationError, UnicodeEncodeError):
        return HTTPStatus.BAD_REQUEST, {"error": "the body is not what is asked for"}
    if wanted.model is not None and wanted.model != model.digest.hex():
        return HTTPStatus.NOT_FOUND, {"error": "no such model"}
    if len(prompt) + wanted.max_tokens > model.shape.context:
        return HTTPStatus.BAD_REQUEST, {"error": f"prompt and answer: more than {model.shape.context} octets"}
    text = model.generate(prompt, wanted.max_tokens, int(wanted.temperature * (1 << VALUE_BITS)), wanted.seed)
    return HTTPStatus.OK, {"text": text.decode("ascii")}


@dataclass(frozen=True, slots=True)
class Head:
    """What comes before the body of a request, which has ``size`` octets."""

    method: str
    target: str
    keep: bool
    size: int

    def request(self, body: bytes) -> Request:
        return Request(self.method, self.target, body, self.keep)


def read_head(head: bytes) -> Head:
    """The head of a request, without the empty line at its end.

    Raises:
        RequestError: it is none, or could be taken in more than one way.
    """
    line, *lines = head.split(b"\r\n")
    first = _LINE.fullmatch(line)
    if first is None:
        raise RequestError("the input is no HTTP request")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise RequestError("a request has a line that is no header field")
        name = field[1].decode().lower()
        if name in fields and name in DECISIVE:
            raise RequestError(f"a request has the header field {name} twice")
        fields[name] = field[2].decode().strip(" \t")
    if "transfer-encoding" in fields or "expect" in fields:
        raise RequestError("a request asks for a way of sending it that is not served")
    size = fields.get("content-length", "0")
    if not _NUMBER.fullmatch(size) or int(size) > MAX_BODY_BYTES:
        raise RequestError("a request has no length that is served")
    tokens = [token.strip().lower() for token in fields.get("connection", "").split(",")]
    return Head(first[1].decode(), first[2].decode(), first[3] == b"1" and "close" not in tokens, int(size))


def read_requests(octets: bytes) -> list[Request]:
    """The requests that follow one another in octets.

    Raises:
        RequestError: one is cut short, or could be taken in more than one way.
    """
    found = read_input(octets)
    if found.problem is not None:
        raise found.problem
    return found.requests


@dataclass(frozen=True, slots=True)
class Input:
    """What was asked: whole requests, and what is wrong with what follows them; None: nothing follows.

    Attributes:
        begun: there is a request, whole or not, at the beginning.
    """

    requests: list[Request]
    problem: RequestError | None
    begun: bool


def read_input(octets: bytes) -> Input:
    """The requests that follow one another in octets, up to one that is not whole or has no one meaning."""
    found: list[Request] = []
    try:
        while octets:
            start, end, rest = octets.partition(HEAD_END)
            if not end or len(start) > MAX_HEAD_BYTES:
                problem = RequestError("the input ends in the head of a request")
                return Input(found, problem, bool(found) or _begins(start))
            head = read_head(start)
            if len(rest) < head.size:
                return Input(found, RequestError("the input ends in the body of a request"), True)
            found.append(head.request(rest[: head.size]))
            octets = rest[head.size :]
            if not head.keep and octets:
                raise RequestError("the input goes on after its last request")
    except RequestError as error:
        return Input(found, error, bool(found))
    return Input(found, None, bool(found))


def _begins(octets: bytes) -> bool:
    """Whether octets without an end of a head begin as a request does."""
    line, end, _ = octets.partition(b"\r\n")
    return (_LINE if end else _BEGINNING).fullmatch(line) is not None
