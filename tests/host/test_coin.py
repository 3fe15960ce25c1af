# SPDX-License-Identifier: Apache-2.0
"""The coin flip as processes on loopback: prover, verifier, and the warden at a device."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.coin import Kind, Speaker
from custodes.coin_transcript import messages, opened
from custodes.model import entropy
from tests.host.fake_coin import PUBLIC, write_keys
from tests.host.program import python

WARDEN = """
import sys
from custodes import coin_commands
from tests.host.fake_coin import FakeBorder
coin_commands.open_border = FakeBorder
coin_commands.app(sys.argv[1:])
"""
PARTY = """
import sys
from custodes.coin_commands import app
app(sys.argv[1:])
"""
LIMIT_S = 300
"""However slow the machine is."""


class Table:
    """Where they sit: keys and transcripts in a directory, and the processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        write_keys(folder)

    def _start(self, code: str, *arguments: object) -> subprocess.Popen[str]:
        process = python(code, *arguments, "--transcripts", self.folder / "log", "--json", stdout=subprocess.PIPE)
        self.processes.append(process)
        return process

    def key(self, name: str) -> Path:
        return self.folder / name

    def warden(self, *options: object) -> tuple[subprocess.Popen[str], str]:
        """The process, and where it listens."""
        keys = (
            "--key",
            self.key("warden.key"),
            "--prover",
            self.key("prover.pub"),
            "--verifier",
            self.key("verifier.pub"),
        )
        paces = ("--listen", "127.0.0.1:0", "--epoch-seconds", 0.2, "--step-seconds", 60, "--join-seconds", LIMIT_S)
        process = self._start(WARDEN, "warden", *keys, *paces, *options)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("listening on "), line
        return process, line.removeprefix("listening on ").strip()

    def party(self, name: str, address: str) -> subprocess.Popen[str]:
        peer = "verifier" if name == "prover" else "prover"
        keys = ("--key", self.key(f"{name}.key"), "--peer", self.key(f"{peer}.pub"), "--warden", self.key("warden.pub"))
        return self._start(PARTY, name, "--connect", address, "--patience", LIMIT_S, *keys)

    def transcript(self, name: str, epoch: int) -> Path:
        return self.folder / "log" / f"{name}-{epoch}.jsonl"


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    table = Table(tmp_path)
    yield table
    for process in table.processes:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def ended(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, object]], str]:
    """Exit code, what was printed, and the last line on stderr."""
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, [json.loads(line) for line in out.splitlines()], (err.splitlines() or [""])[-1]


def test_three_processes_flip_a_coin_for_each_epoch_and_agree_on_it(table: Table):
    warden, address = table.warden("--epochs", 2, "--limit", 1000)
    parties = [table.party(name, address) for name in ("prover", "verifier")]
    results = [ended(process) for process in (warden, *parties)]
    assert [code for code, _, _ in results] == [0, 0, 0], results
    first, *others = [found for _, found, _ in results]
    assert others == [first, first]
    assert [one["epoch"] for one in first] == [1, 2]
    assert first[0]["seed"] != first[1]["seed"]
    for number, one in enumerate(first, 1):
        prover, verifier = (bytes.fromhex(share) for share in one["shares"])  # pyright: ignore[reportGeneralTypeIssues]
        assert one["seed"] == entropy.seed(number, prover, verifier).hex()
        assert (one["used"], one["limit"]) == ([3, 4], 1000)
        for name in ("prover", "verifier", "warden"):
            path = table.transcript(name, number)
            assert opened(path, PUBLIC).to_json() == one
            _nothing_is_told_early(path, prover.hex(), verifier.hex())


def _nothing_is_told_early(path: Path, *shares: str) -> None:
    """Shares stand in no transcript before the warden says that the epoch is over."""
    before = path.read_text().partition('"kind": "ended"')[0]
    assert not any(share in before for share in shares)
    kinds = [message.kind for message in messages(path, PUBLIC)]
    assert kinds.index(Kind.LATCHED) < kinds.index(Kind.REVEAL) < kinds.index(Kind.ENDED) < kinds.index(Kind.OPEN)


def test_a_party_that_leaves_voids_the_epoch_for_all(table: Table):
    warden, address = table.warden("--epoch-seconds", LIMIT_S)
    prover, verifier = (table.party(name, address) for name in ("prover", "verifier"))
    assert warden.stderr is not None
    while "words come" not in (line := warden.stderr.readline()):
        assert line
    verifier.kill()
    code, found, line = ended(warden)
    assert (code, line) == (7, "custodes: lost connection (verifier): the connection is gone")
    assert found == [{"fault": "lost connection", "by": "verifier", "detail": "the connection is gone", "evidence": []}]
    code, _, line = ended(prover)
    assert code == 7
    assert line.startswith("custodes: lost connection (verifier): the connection is gone; so says the warden")
    assert '"fault": "lost connection"' in table.transcript("warden", 1).read_text()
    assert Speaker.PROVER.title in table.transcript("prover", 1).read_text()
