# SPDX-License-Identifier: Apache-2.0
"""`custodes flash` with a program that stands in for openFPGALoader, and with the real one where there is no hardware."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from custodes.flash import TARGETS, Loader
from tests.host.test_commands import custodes, fails

HEADING = "Bus device vid:pid       probe_type manufacturer serial product"
PROBES = (
    "001 004    0x0403:0x6010 FTDI2232   Lattice FT0 ECP5 Versa",
    "001 007    0x0403:0x6014 FT232H     FTDI   FT1 Cable",
)
BITSTREAM = b"\xff\x00Part: LFE5UM-45F\x00\xff\xff\xbd\xb3" + bytes(64)
LOADER = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
--scan-usb) cat {scan};;
*) exit {code};;
esac
"""
Install = Callable[..., Path]


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    path = tmp_path / "versa_ecp5-warden.bit"
    path.write_bytes(BITSTREAM)
    return path


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program in the place of openFPGALoader that finds ``probes`` and writes with ``code``; returns its calls."""

    def install(*probes: str, code: int = 0) -> Path:
        calls, scan, program = (tmp_path / name for name in ("calls", "scan", "loader"))
        scan.write_text("\n".join(["empty", HEADING, *probes]) + "\n")
        calls.touch()
        program.write_text(LOADER.format(calls=calls, scan=scan, code=code))
        program.chmod(0o755)
        monkeypatch.setattr(Loader, "__init__", lambda self: setattr(self, "program", str(program)))
        return calls

    return install


def test_writes_verifies_and_says_what_it_wrote(loader: Install, bitstream: Path):
    calls = loader(PROBES[0])
    result = custodes("flash", bitstream, "--board", "versa_ecp5", "--verify", "--yes")
    sha256 = hashlib.sha256(BITSTREAM).hexdigest()
    assert (result.exit_code, result.stdout) == (0, f"{sha256}  {bitstream}\n")
    assert "about to write versa_ecp5-warden.bit" in result.stderr
    assert (
        "into the flash of versa_ecp5 through FTDI2232 Lattice FT0 ECP5 Versa at 1:4, and read it back" in result.stderr
    )
    assert calls.read_text().splitlines()[1] == (
        "--misc-device 0x00191043,8,ispClock --cable ft2232 --busdev-num 1:4 --write-flash --verify " + str(bitstream)
    )


def test_loads_without_touching_the_flash(loader: Install, bitstream: Path):
    calls = loader(PROBES[0])
    result = custodes("flash", bitstream, "--board", "ulx3s", "--sram", "--yes")
    assert result.exit_code == 0
    assert "the configuration memory, until power goes" in result.stderr
    assert calls.read_text().splitlines()[1].startswith("--cable ft231X --busdev-num 1:4 --write-sram ")


def test_refuses_to_guess_between_several_programmers(loader: Install, bitstream: Path):
    calls = loader(*PROBES)
    fails(custodes("flash", bitstream, "--board", "versa_ecp5", "--yes"), 2, "choose one with --probe: 1:4 FTDI2232")
    fails(custodes("flash", bitstream, "--board", "versa_ecp5", "--yes", "--probe", "1:5"), 5, "no programmer at 1:5")
    assert "write" not in calls.read_text()
    assert custodes("flash", bitstream, "--board", "versa_ecp5", "--yes", "--probe", "1:7").exit_code == 0
    assert "--busdev-num 1:7" in calls.read_text()


def test_says_that_no_programmer_is_connected(loader: Install, bitstream: Path):
    loader()
    fails(custodes("flash", bitstream, "--board", "versa_ecp5", "--yes"), 5, "no programmer is connected")


def test_asks_nobody_who_is_not_there(loader: Install, bitstream: Path):
    calls = loader(PROBES[0])
    result = custodes("flash", bitstream, "--board", "versa_ecp5", "-q")
    fails(result, 2, "nobody is there to ask: say --yes")
    assert "write" not in calls.read_text()


@pytest.mark.parametrize(
    ("answer", "written"), [("y", True), ("YES", True), ("n", False), ("", False), ("yess", False)]
)
def test_asks_at_a_terminal_and_does_as_told(loader: Install, bitstream: Path, answer: str, written: bool):
    calls = loader(PROBES[0])
    program = calls.with_name("loader")
    code = (
        "from custodes.flash import Loader\n"
        f"Loader.__init__ = lambda self: setattr(self, 'program', {str(program)!r})\n"
        "from custodes.cli import main\nmain()\n"
    )
    leader, follower = pty.openpty()
    os.write(leader, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-c", code, "flash", str(bitstream), "--board", "versa_ecp5"],
        stdin=follower,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == (0 if written else 2), done.stderr
    assert "go on? [y/N]" in done.stderr
    assert ("--write-flash" in calls.read_text()) == written
    assert ("nothing is written" in done.stderr) != written


def test_a_failed_write_is_an_error(loader: Install, bitstream: Path):
    loader(PROBES[0], code=3)
    result = custodes("flash", bitstream, "--board", "versa_ecp5", "--yes", "-q")
    fails(result, 5, "openFPGALoader failed with exit code 3; the board may hold half a bitstream")


def test_a_board_without_a_programmer_needs_its_kind(loader: Install, bitstream: Path):
    calls = loader(PROBES[1])
    fails(custodes("flash", bitstream, "--board", "colorlight_5a75b", "--yes"), 2, "say with --cable what is connected")
    assert custodes("flash", bitstream, "--board", "colorlight_5a75b", "--yes", "--cable", "ft232").exit_code == 0
    assert "--cable ft232 " in calls.read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bit", b"", "not a bitstream"),
        ("a.bit", bytes(10_000), "not a bitstream"),
        ("a.bit", b"\x7e\xaa\x99\x7e" + bytes(99), "not a bitstream"),
        ("a.bin", BITSTREAM, "ends in .bit"),
        ("a.bit", bytes((16 << 20) + 1), "too large"),
        ("a.bit", None, "No such file"),
    ],
)
def test_what_is_no_bitstream_is_not_written(
    loader: Install, tmp_path: Path, name: str, content: bytes | None, message: str
):
    calls = loader(PROBES[0])
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    fails(custodes("flash", path, "--board", "versa_ecp5", "--yes"), 3, message)
    fails(custodes("flash", tmp_path, "--board", "versa_ecp5", "--yes"), 3, "ends in .bit")
    assert calls.read_text() == ""


def test_wrong_usage_is_said_before_anything_else(loader: Install, bitstream: Path):
    calls = loader(PROBES[0])
    fails(custodes("flash", bitstream, "--board", "breadboard"), 2, f"not a board: {', '.join(TARGETS)}")
    fails(
        custodes("flash", bitstream, "--board", "versa_ecp5", "--sram", "--verify"),
        2,
        "--verify does not go with --sram",
    )
    assert calls.read_text() == ""


def test_without_a_loader_it_says_how_to_get_one(bitstream: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    fails(custodes("flash", bitstream, "--board", "versa_ecp5"), 5, "pip install 'custodes[flash]'")


def test_the_real_loader_finds_no_hardware_or_says_what_it_lacks(bitstream: Path):
    """Wherever the tests run: there is no board, and perhaps no libftdi1."""
    result = custodes("flash", bitstream, "--board", "versa_ecp5", "--probe", "999:999", "--yes")
    assert result.exit_code == 5
    assert any(said in result.stderr for said in ("no programmer", "libftdi1-2", "cannot run"))
