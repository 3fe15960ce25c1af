# SPDX-License-Identifier: Apache-2.0
"""`custodes live`: programs in one network namespace talk to a server in another, through the device."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from custodes.model.entropy import fields, word
from tests.host.live_run import DEVICES, WAIT_S, bridged, connect, ping, served
from tests.host.tap import Tap
from tests.host.wires import PATH, Cables, cables, missing

__all__ = ["cables"]
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")
PAGE = os.urandom(1 << 20)
BULK = PAGE[: 1 << 18]
PORT = 8080
LEAVING = {1, 2, 3, 4, 5}
"""NOP, MSS, window scale, SACK permitted, SACK: all that leaves of TCP's options."""


@contextmanager
def web(cables: Cables) -> Iterator[None]:
    """A web server in the world that has one page, over IPv4 and IPv6."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    with cables.server.inside():
        server = Server(("::", PORT), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Tcp:
    """What a TCP segment over IPv4 shows of its sender."""

    def __init__(self, frame: bytes) -> None:
        header = (frame[14] & 15) * 4
        segment = frame[14 + header :]
        self.identification = int.from_bytes(frame[18:20])
        self.ttl = frame[22]
        self.port, self.sequence = struct.unpack_from("!H2xI", segment)
        self.window = int.from_bytes(segment[14:16])
        self.syn = bool(segment[13] & 2)
        self.options = set(_kinds(segment[20 : (segment[12] >> 4) * 4]))

    @classmethod
    def parse(cls, frame: bytes) -> Tcp | None:
        return cls(frame) if frame[12:14] == b"\x08\x00" and frame[23] == 6 else None


def _kinds(options: bytes) -> Iterator[int]:
    at = 0
    while at < len(options) and options[at]:
        yield options[at]
        at += 1 if options[at] == 1 else options[at + 1]


def _everything(connection: socket.socket) -> bytes:
    """What comes until the other end has closed."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("device", DEVICES)
def test_download_is_the_same_and_the_server_sees_nothing_of_the_clients_headers(
    cables: Cables, tmp_path: Path, device: str
) -> None:
    cables.client.set("ipv4/ip_default_ttl", 77)
    with (
        Tap(cables.client, "lan0") as left,
        Tap(cables.server, "lan0") as seen,
        bridged(cables, tmp_path, device, "--json") as live,
        web(cables),
    ):
        url = f"http://{cables.ip4(cables.SERVER)}:{PORT}/"
        with cables.client.inside(), urlopen(url, timeout=WAIT_S) as answer:
            assert answer.read() == PAGE
        told = live.report()
    client, server = left.sent(Tcp.parse), seen.received(Tcp.parse)
    assert len(client) >= len(server) > 20
    assert {segment.ttl for segment in client} == {77} and {segment.ttl for segment in server} == {64}
    assert len({segment.identification for segment in client} - {0}) > 10
    assert {segment.identification for segment in server} == {0}
    assert all(8 in segment.options for segment in client if segment.syn), "the client offers timestamps"
    assert all(segment.options <= LEAVING for segment in server)
    assert any(segment.window & (segment.window - 1) for segment in client)
    assert not any(segment.window & (segment.window - 1) for segment in server)
    (isn,) = {segment.sequence for segment in client if segment.syn}
    (seen_isn,) = {segment.sequence for segment in server if segment.syn}
    assert isn != seen_isn
    assert {segment.sequence for segment in server}.isdisjoint({segment.sequence for segment in client})
    assert {segment.port for segment in server}.isdisjoint({segment.port for segment in client})
    assert told["flows"]["slots"] > told["flows"]["cluster"] > 0
    assert told["world"]["bytes_in"] > len(PAGE) and told["cluster"]["frames_out"] >= len(server)
    assert told["cluster"]["frames_altered"] >= len(server)
    assert told["world"]["cut"] > 0, "the server's kernel leaves segmentation to hardware"


def test_what_the_server_sees_instead_is_made_of_the_seed(cables: Cables, tmp_path: Path) -> None:
    seed = bytes(range(32))
    file = tmp_path / "seed"
    file.write_text(seed.hex())
    with (
        Tap(cables.server, "lan0") as seen,
        bridged(cables, tmp_path, "specification", "--json", "--seed", str(file)),
        web(cables),
        connect(cables.client, cables.ip4(cables.SERVER), PORT),
    ):
        pass
    (syn,) = {(segment.sequence, segment.port & 0x7800) for segment in seen.received(Tcp.parse) if segment.syn}
    first = fields(word(seed, 0, 0))
    assert syn == (first.isn_initiator, first.port & 0x7800), "all but the bits of the slot, and the highest"


@pytest.mark.skipif(shutil.which("curl", path=PATH) is None, reason="there is no curl")
@pytest.mark.parametrize("device", DEVICES)
def test_curl_downloads_over_ipv6(cables: Cables, tmp_path: Path, device: str) -> None:
    file = tmp_path / "page"
    url = f"http://[{cables.ip6(cables.SERVER)}]:{PORT}/"
    with bridged(cables, tmp_path, device, "--json"), web(cables), cables.client.inside():
        words = ["curl", "-q", "-sS", "-m", str(WAIT_S), "-o", str(file), url]
        subprocess.run(words, check=True, env={"PATH": PATH}, timeout=WAIT_S)
    assert file.read_bytes() == PAGE


@pytest.mark.parametrize("device", DEVICES)
def test_ping_both_ways(cables: Cables, tmp_path: Path, device: str) -> None:
    with bridged(cables, tmp_path, device, "--json"):
        for sequence, size in enumerate((0, 56, 1400)):
            for host in (cables.ip4(cables.SERVER), cables.ip6(cables.SERVER)):
                assert ping(cables.client, host, sequence, bytes(size))
            for host in (cables.ip4(cables.CLIENT), cables.ip6(cables.CLIENT)):
                assert ping(cables.server, host, sequence, bytes(size))


@pytest.mark.parametrize("device", DEVICES)
def test_a_line_comes_back_at_once_while_a_download_runs(cables: Cables, tmp_path: Path, device: str) -> None:
    """As at the prompt of a shell elsewhere: every key is a segment of its own, and has an answer."""

    def shell(connection: socket.socket) -> None:
        while key := connection.recv(64):
            connection.sendall(key.upper())

    def bulk(connection: socket.socket) -> None:
        connection.sendall(BULK)

    host = cables.ip4(cables.SERVER)
    with (
        bridged(cables, tmp_path, device, "--json"),
        served(cables.server, 22, shell),
        served(cables.server, 20, bulk),
        connect(cables.client, host, 22) as prompt,
        connect(cables.client, host, 20) as data,
    ):
        prompt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = bytearray()
        reader = threading.Thread(target=lambda: got.extend(_everything(data)))
        reader.start()
        for key in "ls --long":
            prompt.sendall(key.encode())
            assert prompt.recv(64) == key.upper().encode()
        reader.join()
    assert got == BULK
