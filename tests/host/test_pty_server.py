# SPDX-License-Identifier: Apache-2.0
"""A terminal for a device: what a program sends gets there, as fast as it says, and what it waits for passes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from typer.testing import CliRunner

from custodes import commands
from custodes.errors import DeviceError
from custodes.pty_server import PIECE_CYCLES, PtyServer
from custodes.serial_frames import IDLE_MS
from tests.host.fake import FakeLink

CLOCK_HZ = 1_000_000
BAUD = 9_600
TIMEOUT_S = 10.0


class Inverter:
    """Sends back every byte inverted, and notes what it is told. Never faster than a pause that it must notice."""

    def __init__(self) -> None:
        self.bits: list[float] = []
        self.received: list[tuple[int, bytes]] = []
        """The cycle at which bytes came, and the bytes."""
        self.cycles = 0
        self.flood = b""
        self._out = b""

    def uart_bit(self, cycles: float) -> None:
        self.bits.append(cycles)

    def uart_send(self, data: bytes) -> None:
        self.received.append((self.cycles, data))
        self._out += bytes(byte ^ 0xFF for byte in data)

    @property
    def uart_unsent(self) -> int:
        return 0

    def uart_receive(self) -> bytes:
        out, self._out = self._out + self.flood, b""
        return out

    def step_control(self, cycles: int) -> None:
        self.cycles += cycles
        time.sleep(0.001)


@contextmanager
def served(device: Inverter, link: Path | None = None) -> Iterator[PtyServer]:
    end = threading.Event()
    with PtyServer(device, CLOCK_HZ, link) as server:
        thread = threading.Thread(target=server.serve, args=(end.is_set,))
        thread.start()
        try:
            yield server
        finally:
            end.set()
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


def test_bytes_go_to_and_fro():
    device, everything = Inverter(), bytes(range(256))
    with served(device) as server, serial.Serial(server.path, BAUD, timeout=TIMEOUT_S) as port:
        port.write(everything)
        assert port.read(256) == everything[::-1]
        assert b"".join(data for _, data in device.received) == everything


def test_the_device_gets_the_rate_that_the_program_has_set():
    device = Inverter()
    with served(device) as server, serial.Serial(server.path, timeout=TIMEOUT_S) as port:
        for baud in (BAUD, 115_200, 76_923):
            port.baudrate = baud
            port.write(b"U")
            assert port.read(1) == b"\xaa"
    assert device.bits == [pytest.approx(CLOCK_HZ / baud) for baud in (BAUD, 115_200, 76_923)]


def test_a_pause_of_the_program_is_one_of_the_device():
    device = Inverter()
    with served(device) as server, serial.Serial(server.path, BAUD, timeout=TIMEOUT_S) as port:
        port.write(b"a")
        assert port.read(1)
        time.sleep(2 * IDLE_MS / 1000)
        port.write(b"b")
        assert port.read(1)
    (first, _), (second, _) = device.received
    assert second - first >= IDLE_MS * CLOCK_HZ / 1000


def test_an_answer_is_over_before_the_next_request_comes():
    device = Inverter()
    with served(device) as server, serial.Serial(server.path, BAUD, timeout=TIMEOUT_S) as port:
        for _ in range(20):
            port.write(b"a")
            assert port.read(1)
    times = [cycle for cycle, _ in device.received]
    assert all(after - before >= CLOCK_HZ / BAUD for before, after in itertools.pairwise(times))


def test_what_nobody_reads_is_lost():
    device = Inverter()
    device.flood = bytes(1000)
    with served(device) as server, serial.Serial(server.path, BAUD, timeout=TIMEOUT_S) as port:
        began = device.cycles
        while device.cycles < began + 100 * PIECE_CYCLES:
            time.sleep(0.01)
        assert port.in_waiting > 1000
        device.flood = b""
        time.sleep(0.1)
        port.reset_input_buffer()
        port.write(b"a")
        assert port.read(1) == b"\x9e"


def test_a_device_that_nobody_asks_rests(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("custodes.pty_server.REST_AFTER_S", 0.2)
    device = Inverter()
    with served(device) as server, serial.Serial(server.path, BAUD, timeout=TIMEOUT_S) as port:
        time.sleep(0.5)
        rested = device.cycles
        time.sleep(0.3)
        assert device.cycles == rested > 0
        port.write(b"a")
        assert port.read(1) == b"\x9e"
        assert device.cycles > rested


def test_programs_come_and_go():
    device = Inverter()
    with served(device) as server:
        for _ in range(3):
            with serial.Serial(server.path, BAUD, timeout=TIMEOUT_S) as port:
                port.write(b"a")
                assert port.read(1) == b"\x9e"


def test_the_link_is_there_as_long_as_the_port(tmp_path: Path):
    link = tmp_path / "tty"
    link.symlink_to("/dev/pts/none")
    with served(Inverter(), link) as server:
        assert str(link.readlink()) == server.path
        with serial.Serial(str(link), BAUD, timeout=TIMEOUT_S) as port:
            port.write(b"a")
            assert port.read(1) == b"\x9e"
    assert not link.is_symlink()


def test_a_link_that_another_server_has_taken_over_stays(tmp_path: Path):
    link = tmp_path / "tty"
    with served(Inverter(), link):
        link.unlink()
        link.symlink_to("/dev/pts/other")
    assert link.is_symlink()


@pytest.mark.parametrize(("name", "said"), [("file", "File exists"), ("none/tty", "No such file")])
def test_a_link_that_cannot_be_made_is_said(tmp_path: Path, name: str, said: str):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DeviceError, match=f"cannot be made a link: {said}"):
        PtyServer(Inverter(), CLOCK_HZ, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_only_devices_with_a_uart_are_served(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("custodes.serve_command.open_link", lambda *_: FakeLink())
    result = CliRunner().invoke(commands.app, ["serve", "--device", "sim:warden"], prog_name="custodes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "custodes: sim:warden has no UART: serve sim:nic\n"
