# SPDX-License-Identifier: Apache-2.0
"""The command line as a process: signals, streams, terminals, and names of any bytes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.conftest import Files
from tests.host.fake import read_capture
from tests.host.program import ROOT, python

IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "custodes.commands":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from custodes.cli import main
main()
"""
SLOW = """
import time, custodes.device
from custodes.cli import main
from tests.host.fake import FakeLink
class Slow(FakeLink):
    def exchange(self, frames):
        print("waiting", flush=True)
        time.sleep(60)
    def close(self):
        print("closing", flush=True)
        time.sleep(0.5)
custodes.device.open_link = lambda *_: Slow()
main()
"""
HONEST = """
import custodes.device
from custodes.cli import main
from tests.host.fake import FakeLink
custodes.device.open_link = lambda *_: FakeLink()
main()
"""
PLAIN = "from custodes.cli import main; main()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_exit_130_and_leaves_nothing(files: Files, number: signal.Signals) -> None:
    source, output, policy = files
    with python(SLOW, "scrub", source, output, "--policy", policy, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        assert process.stdout.readline() == "closing\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "custodes: interrupted\n")
    assert not output.exists()


def test_an_interruption_of_the_start_is_exit_130() -> None:
    with python(IMPORTING, "list", stdout=subprocess.PIPE) as process:
        found, errors = process.communicate(timeout=30)
    assert (process.returncode, found, errors) == (130, "", "custodes: interrupted\n")


def test_a_reader_that_has_left_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe, python(PLAIN, "list", "--json", stdout=pipe) as process:
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(("missing", "code"), [((), 0), (("--device", "none"), 5)])
def test_notes_and_errors_that_nobody_reads_change_nothing(files: Files, missing: tuple[str, ...], code: int) -> None:
    source, output, _ = files
    reading, writing = os.pipe()
    os.close(reading)
    program = PLAIN if missing else HONEST
    with (
        os.fdopen(writing, "wb") as pipe,
        python(program, "scrub", source, output, *missing, stdout=subprocess.PIPE, stderr=pipe) as process,
    ):
        process.communicate(timeout=30)
    assert process.returncode == code
    assert output.exists() == (code == 0)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_change_nothing(files: Files, closed: str) -> None:
    source, output, _ = files
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", HONEST, "scrub", str(source), str(output)]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "host")))
    result = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 0
    assert ("policy: none given" in result.stderr) == ("2>" not in closed)
    assert len(read_capture(output)) == 2


def test_a_full_disk_under_stdout_is_exit_3() -> None:
    with Path("/dev/full").open("wb") as full, python(PLAIN, "list", "--json", stdout=full) as process:
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (3, "custodes: standard output: No space left on device\n")


def test_the_progress_bar_is_for_terminals_only(files: Files) -> None:
    source, output, policy = files
    arguments = ("scrub", source, output, "--policy", policy)
    with python(HONEST, *arguments, stdout=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    master, slave = pty.openpty()
    with python(HONEST, *arguments, stdout=subprocess.PIPE, stderr=slave) as process:
        process.communicate(timeout=30)
    os.close(slave)
    shown = os.read(master, 65536)
    os.close(master)
    assert process.returncode == 0 and b"scrubbing" in shown


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_file_names_of_any_bytes_can_be_reported(files: Files, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output, policy = files
    odd = source.rename(source.parent / os.fsdecode(b"\xff[red]\xc3\xa9.pcap"))
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    with python(HONEST, "scrub", odd, output, "--policy", policy, stdout=subprocess.PIPE) as process:
        found, errors = process.communicate(timeout=30)
    odd.unlink()
    assert (process.returncode, errors) == (0, "")
    assert "\\xff[red]" in found
    with python(PLAIN, "scrub", os.fsdecode(b"\xff\x1b[31m"), output, stdout=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (3, "custodes: \\xff\\x1b[31m: No such file or directory\n")
