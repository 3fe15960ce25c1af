# SPDX-License-Identifier: Apache-2.0
"""What an inference server answers, over real connections, and that it lies only when told to."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection

import pytest

from custodes.inference import RequestError, answer, read_requests
from custodes.inference_server import InferenceServer
from custodes.transformer import ONE, Transformer, make_weights

MODEL = Transformer(make_weights(1))
LOCAL = ("127.0.0.1", 0)


def asked(body: object, target: str = "/generate", more: str = "") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"POST {target} HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {len(content)}\r\n\r\n".encode() + content


def answered(octets: bytes) -> bytes:
    return b"".join(answer(MODEL, request) for request in read_requests(octets))


@pytest.fixture
def server() -> Iterator[InferenceServer]:
    with InferenceServer(MODEL, LOCAL) as server:
        yield server


def port(server: InferenceServer) -> int:
    return int(server.server_address[1])


def post(connection: HTTPConnection, body: object) -> tuple[int, dict[str, str]]:
    connection.request("POST", "/generate", json.dumps(body))
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read())


def test_a_client_gets_what_the_model_generates(server: InferenceServer):
    connection = HTTPConnection("127.0.0.1", port(server), timeout=10)
    wanted = {"model": MODEL.digest.hex(), "prompt": "hello", "max_tokens": 8, "temperature": 0.5, "seed": 3}
    expected = MODEL.generate(b"hello", 8, ONE // 2, 3).decode()
    for _ in range(3):
        assert post(connection, wanted) == (200, {"text": expected})
    assert (server.answered, server.cheated) == (3, 0)
    connection.close()


def test_the_connection_stays_until_it_is_to_be_closed(server: InferenceServer):
    with socket.create_connection(("127.0.0.1", port(server)), 10) as client:
        octets = asked({"prompt": "a", "max_tokens": 4}) + asked(
            {"prompt": "b", "max_tokens": 4}, more="Connection: close\r\n"
        )
        client.sendall(octets)
        with client.makefile("rb") as file:
            said = file.read()
    assert said == answered(octets)
    assert said.count(b"HTTP/1.1 200 OK") == 2 and said.count(b"Connection: close") == 1


def test_every_octet_of_an_answer():
    assert answered(b"GET /health HTTP/1.1\r\n\r\n") == (
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status": "ok"}'
    )
    assert answered(b"GET /other HTTP/1.0\r\n\r\n") == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 26\r\nConnection: close\r\n\r\n"
        b'{"error": "no such thing"}'
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prompt": "a", "max_tokens": 1}, b"200 OK"),
        ({"prompt": "é", "max_tokens": 254}, b"200 OK"),
        ({"prompt": "é", "max_tokens": 255}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": 1, "model": "00" * 32}, b"404 Not Found"),
        ({"prompt": "", "max_tokens": 1}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": 0}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": "1"}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": True}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": 1, "temperature": -1}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": 1, "seed": 1 << 64}, b"400 Bad Request"),
        ({"prompt": "a", "max_tokens": 1, "other": 1}, b"400 Bad Request"),
        ({"max_tokens": 1}, b"400 Bad Request"),
        (b'{"prompt": "\\ud800", "max_tokens": 1}', b"400 Bad Request"),
        (b'{"prompt": "a", "max_tokens": 1, "temperature": NaN}', b"400 Bad Request"),
        (b"", b"400 Bad Request"),
        (b"\xff", b"400 Bad Request"),
        (b"[" * 60000, b"400 Bad Request"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(body: object, status: bytes):
    assert answered(asked(body)).split(b"\r\n")[0] == b"HTTP/1.1 " + status


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"GET / HTTP/1.1\r\n", "ends in the head"),
        (asked({"prompt": "a"})[:-1], "ends in the body"),
        (b"nonsense\r\n\r\n", "no HTTP request"),
        (b"GET / HTTP/2.0\r\n\r\n", "no HTTP request"),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", "no header field"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", "content-length twice"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "no length"),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "no length"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "not served"),
        (b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", "goes on"),
    ],
)
def test_what_has_not_one_meaning_is_no_request(octets: bytes, says: str):
    with pytest.raises(RequestError, match=says):
        read_requests(octets)


def test_what_is_no_request_ends_the_connection_without_an_answer(server: InferenceServer):
    for octets in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", b"x" * 20000):
        with socket.create_connection(("127.0.0.1", port(server)), 10) as client:
            with suppress(OSError):  # it may be gone already
                client.sendall(octets)
                client.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert client.recv(100) == b""


def test_it_lies_when_it_is_told_to(server: InferenceServer):
    connection = HTTPConnection("127.0.0.1", port(server), timeout=10)
    wanted = {"prompt": "hello", "max_tokens": 8}
    true = MODEL.generate(b"hello", 8).decode()
    server.cheat = lambda number: number >= 2
    texts = [post(connection, wanted)[1]["text"] for _ in range(3)]
    assert texts[0] == true and texts[1] == texts[2] != true
    assert texts[1][:-1] == true[:-1] and len(texts[1]) == len(true)
    assert (server.answered, server.cheated) == (3, 2)
    connection.close()
