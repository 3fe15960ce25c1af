# SPDX-License-Identifier: Apache-2.0
"""The simulated processor as a serial port: pyserial, a pty, and the UART of the gateware, bit by bit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from custodes.errors import DeviceError, RefusedError
from custodes.maps import NIC
from custodes.serial_frames import MAX_WORDS, REPLY_SYNC, FrameScanner, Reply, Request, Status
from custodes.seriallink import SerialLink

FAST = 3_000_000
SCRATCH = NIC.address("SCRATCH")
REQUEST = NIC.address("REQUEST")
STARTS_S = 30.0
ANSWERS_S = 60.0


class Server:
    """A running ``custodes serve``."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "custodes", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.path = self.process.stdout.readline().rstrip("\n")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code, and what it had to say on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=STARTS_S)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        assert server.end()[0] == 0


def raw(server: Server, baud: int) -> serial.Serial:
    return serial.Serial(server.path, baud, timeout=ANSWERS_S, exclusive=True)


def scratch(server: Server) -> int:
    with SerialLink(f"{server.path}@{FAST}") as link:
        return link.read(SCRATCH)


@pytest.mark.parametrize("baud", [115_200, 921_600, FAST])
def test_registers_are_read_and_written_at_any_rate(server: Server, baud: int):
    with SerialLink(f"{server.path}@{baud}") as link:
        link.write(SCRATCH, baud)
        assert link.read(SCRATCH) == baud
        assert link.read(NIC.address("CONTROL_IDENTITY")) == NIC["CONTROL_IDENTITY"].reset


def test_rows_are_read_and_written(server: Server):
    with SerialLink(f"{server.path}@{FAST}") as link:
        link.write_many(REQUEST, range(MAX_WORDS + 10))
        assert len(link.read_many(NIC.address("MAP_DIGEST"), 24)) == 24
        assert (
            b"".join(word.to_bytes(4, "little") for word in link.read_many(NIC.address("MAP_DIGEST"), 8)) == NIC.digest
        )


def test_refusals_say_which_register(server: Server):
    with SerialLink(f"{server.path}@{FAST}") as link:
        with pytest.raises(RefusedError, match="refuses to read the register at 0x1fff"):
            link.read(0x1FFF)
        with pytest.raises(RefusedError, match=r"refuses to write CONTROL_IDENTITY \(0x1000\)"):
            link.write(0x1000, 1)
        assert link.read(SCRATCH) >= 0


@pytest.mark.parametrize("baud", [9_600, 57_600, 230_400, FAST])
def test_at_another_rate_nothing_is_written(server: Server, baud: int):
    before = scratch(server)
    with raw(server, baud) as port:
        for sequence in range(4):
            port.write(
                Request.hello(sequence, 0).encode() + Request.write(sequence + 1, SCRATCH, [~before & 0xFF]).encode()
            )
            time.sleep(0.05)
    assert scratch(server) == before


def test_noise_and_broken_frames_write_nothing(server: Server):
    before, source = scratch(server), random.Random(1)
    with raw(server, 115_200) as port:
        hello = Request.hello(7, source.getrandbits(32)).encode()
        write = Request.write(8, SCRATCH, [~before & 0xFFFF_FFFF]).encode()
        port.write(source.randbytes(200))
        time.sleep(0.05)
        port.write(hello)
        assert answer(port).status == Status.OK
        for _ in range(10):
            bad = bytearray(write)
            bad[source.randrange(len(bad))] ^= 1 << source.randrange(8)
            port.write(bad)
            time.sleep(0.05)
            port.write(write[: source.randrange(1, len(write))])
            time.sleep(0.05)
    assert scratch(server) == before


def answer(port: serial.Serial) -> Reply:
    """The next reply."""
    scanner = FrameScanner(REPLY_SYNC)
    while True:
        received = port.read(1)
        assert received
        for frame in scanner.feed(received):
            return Reply.decode(frame)


def test_a_program_that_is_killed_leaves_a_port_that_opens(server: Server):
    link = SerialLink(f"{server.path}@{FAST}")
    link._port.close()
    with SerialLink(f"{server.path}@{FAST}") as again:
        assert again.read(NIC.address("CONTROL_IDENTITY")) == NIC["CONTROL_IDENTITY"].reset


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_when_asked_and_takes_its_link_away(tmp_path: Path, number: int):
    port = tmp_path / "tty"
    server = Server("--link", str(port), "--quiet")
    assert str(port.readlink()) == server.path
    with SerialLink(f"{port}@{FAST}") as link:
        assert server.end(number) == (0, "")
        with pytest.raises(DeviceError, match="the port is gone"):
            link.read(SCRATCH)
    assert not port.is_symlink()
    with pytest.raises(DeviceError, match="no such device"):
        SerialLink(str(port))
