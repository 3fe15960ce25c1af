# SPDX-License-Identifier: Apache-2.0
"""`custodes live`: programs in one network namespace talk to a server in another, through the device."""

from __future__ import annotations

import json
import os
import re
import signal
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

from custodes.simlink import library_path
from tests.host.program import python
from tests.host.tap import Tap
from tests.host.wires import Cables, cables, missing

__all__ = ["cables"]
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")
PAGE = os.urandom(1 << 20)
PORT = 8080
OPTION_KINDS = {1, 2, 3, 4, 5}
"""NOP, MSS, window scale, SACK permitted, SACK: all that leaves of TCP's options."""
SPECIFICATION = """
import sys
import custodes.device
from custodes.policy import load_policy
from pathlib import Path
from tests.host.fake import FakeLink
policy = Path(sys.argv[sys.argv.index("--policy") + 1])
custodes.device.open_link = lambda *_: FakeLink(load_policy(policy))
"""
"""In place of the device, its specification."""
MAIN = "from custodes.cli import main; main()"
DEVICES = ["specification", "1", "8"]


@contextmanager
def bridged(cables: Cables, directory: Path, device: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command, from when it bridges; ends with the block, and well."""
    with started(cables, directory, device, "--json", *options) as program:
        yield program
        program.send_signal(signal.SIGINT)
        program.wait(20)


@contextmanager
def started(cables: Cables, directory: Path, device: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command, from when it bridges; killed at the end of the block where it has not ended."""
    policy = directory / "policy.toml"
    policy.write_text(cables.policy())
    code, lanes = (SPECIFICATION + MAIN, "1") if device == "specification" else (MAIN, device)
    if device != "specification" and not library_path("warden", int(lanes)).exists():
        pytest.skip(f"sim:warden with {lanes} lanes is not built")
    sides = ("--cluster", "inner", "--world", "outer", "--policy", policy, "--lanes", lanes)
    with cables.between.inside():
        program = python(code, "live", *sides, *options, stdout=subprocess.PIPE)
    try:
        assert program.stderr is not None
        said = [program.stderr.readline()]
        while not said[-1].startswith("bridging"):
            assert said[-1], f"it ended: {said}"
            said.append(program.stderr.readline())
        yield program
    finally:
        program.kill()
        program.communicate()


def report(program: subprocess.Popen[str]) -> dict[str, dict[str, int]]:
    """What it said at the end."""
    output, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert re.fullmatch(r"custodes: stopped after \d+\.\d s\n", errors)
    return json.loads(output)


@contextmanager
def serving(cables: Cables, page: bytes) -> Iterator[None]:
    """A web server in the world that has one page, over IPv4 and IPv6."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    with cables.server.inside():
        server = Server(("::", PORT), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def download(cables: Cables, host: str) -> bytes:
    """The page, as the client's machine gets it."""
    with cables.client.inside(), urlopen(f"http://{host}:{PORT}/", timeout=60) as answer:
        return answer.read()


@pytest.mark.parametrize("device", DEVICES)
def test_download_is_the_same_and_the_server_sees_nothing_of_the_clients_headers(
    cables: Cables, tmp_path: Path, device: str
) -> None:
    cables.client.set("ipv4/ip_default_ttl", 77)
    with (
        Tap(cables.client, "lan0") as left,
        Tap(cables.server, "lan0") as seen,
        bridged(cables, tmp_path, device) as program,
        serving(cables, PAGE),
    ):
        assert download(cables, cables.ip4(cables.SERVER)) == PAGE
    client, server = left.sent(Tcp.parse), seen.received(Tcp.parse)
    assert len(client) == len(server) > 20
    assert {segment.ttl for segment in client} == {77} and {segment.ttl for segment in server} == {64}
    assert len({segment.identification for segment in client} - {0}) > 10
    assert {segment.identification for segment in server} == {0}
    assert all(8 in segment.options for segment in client if segment.syn), "the client offers timestamps"
    assert all(segment.options <= OPTION_KINDS for segment in server)
    assert any(segment.window & (segment.window - 1) for segment in client)
    assert not any(segment.window & (segment.window - 1) for segment in server)
    told = report(program)
    assert told["world"]["bytes_in"] > len(PAGE) and told["cluster"]["frames_out"] >= len(server)


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
