# SPDX-License-Identifier: Apache-2.0
"""`custodes records`: from a device into a file, once, so many, and until Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from custodes.border_registers import MAX_RECORDS
from custodes.records import read_records
from custodes.table import Port
from tests.host.fake import FakeLink
from tests.host.fake_border import FakeBorder
from tests.host.test_provision_commands import custodes, fails

Install = Callable[[FakeLink], None]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the link given be what every name opens."""
    return lambda link: monkeypatch.setattr("custodes.device.open_link", lambda *_: link)


def beats(path: Path) -> list[tuple[int, int]]:
    return [(record.direction, record.beat) for record in read_records(path)]


def test_takes_what_there_is(device: Install, tmp_path: Path):
    link, out = FakeBorder(), tmp_path / "records.jsonl"
    device(link)
    link.beat()
    link.beat()
    result = custodes("records", "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"4 records in {out}\n")
    link.beat()
    result = custodes("records", "--out", out, "--json")
    assert json.loads(result.stdout) == {"device": "sim:border", "out": str(out), "records": 2, "alarms": []}
    assert beats(out) == [(port, at) for at in range(3) for port in Port]
    assert custodes("records", "--out", out).stdout == f"0 records in {out}\n"


def test_waits_for_so_many(device: Install, tmp_path: Path):
    link, out = FakeBorder(beats=1), tmp_path / "records.jsonl"
    device(link)
    result = custodes("records", "--out", out, "--count", 7, "--beat", 900_000)
    assert (result.exit_code, result.stdout) == (0, f"7 records in {out}\n")
    assert beats(out) == [(port, at) for at in range(4) for port in Port][:7]
    assert link.read(0x500) == 900_000


def test_follows_until_it_is_interrupted(device: Install, tmp_path: Path):
    class Interrupted(FakeBorder):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            if self.waits == 5:
                raise KeyboardInterrupt

    link, out = Interrupted(beats=1), tmp_path / "records.jsonl"
    device(link)
    fails(custodes("records", "--out", out, "--follow"), 130, "interrupted after 8 records")
    assert len(beats(out)) == 8
    assert link.closed


def test_missing_records_are_said_and_the_others_taken(device: Install, tmp_path: Path):
    link, out = FakeBorder(), tmp_path / "records.jsonl"
    device(link)
    for _ in range(MAX_RECORDS + 1):
        link.beat()
    custodes("records", "--out", out)
    for _ in range(2):
        link.beat()
    result = custodes("records", "--out", out, "--count", 4)
    assert result.exit_code == 5
    assert result.stdout == f"4 records in {out}\n"
    assert "records of what left to the cluster are missing, before 16" in result.stderr.splitlines()[-1]
    assert len(beats(out)) == 2 * MAX_RECORDS + 4


def test_alarms_are_shown(device: Install, tmp_path: Path):
    link = FakeBorder()
    device(link)
    link.set("RECORD_ALARM", 2)
    result = custodes("records", "--out", tmp_path / "records.jsonl")
    assert result.stderr == "a frame has left to the cluster that is in no chain\n"


def test_what_cannot_be_is_one_line(device: Install, tmp_path: Path):
    device(FakeBorder())
    fails(custodes("records", "--out", tmp_path), 3, "cannot be written")
    assert custodes("records", "--out", tmp_path / "r", "--beat", 8191).exit_code == 2
    device(FakeLink())
    fails(custodes("records", "--out", tmp_path / "r"), 5, "is no border")
