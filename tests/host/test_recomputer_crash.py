# SPDX-License-Identifier: Apache-2.0
"""A recomputer that is killed at any moment has lost no verdict, has given none twice, and goes on."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from custodes.recomputer_orders import read_shutdown
from custodes.recomputer_store import Store
from tests.host.program import ROOT
from tests.host.recomputer_scene import GATEWAY, SIGNER, WEIGHTS, epochs

KILLS = 25
PYTHONPATH = os.pathsep.join(map(str, (ROOT, ROOT / "host")))
WATCHED = (
    "SELECT boot, epoch, place, verdict, reason, transcript FROM verdicts ORDER BY id",
    "SELECT boot, epoch, kind, text FROM findings ORDER BY id",
    "SELECT boot, epoch, place, number, tag, digest, state FROM leaves ORDER BY boot, epoch, place",
    "SELECT boot, epoch, threshold, commitment, record FROM epochs ORDER BY boot, epoch",
    "SELECT gateway, reason, given FROM orders ORDER BY serial",
    "SELECT frame FROM inbox",
)


def frames() -> list[bytes]:
    """Two boots, with wrong answers in both, and a frame that is missing."""
    first, second = (epochs(pairs=12, cheat=lambda number: number in (9, 11), boot=boot) for boot in range(2))
    return [*first[:-5], *second[:20], *second[21:]]


def prepared(folder: Path) -> Path:
    folder.mkdir()
    (folder / "weights").write_bytes(WEIGHTS)
    (folder / "frames").write_bytes(pickle.dumps(frames()))
    return folder


def victim(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.host.recomputer_victim", str(folder)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": PYTHONPATH}, cwd=ROOT, stdout=subprocess.PIPE)


def finished(folder: Path) -> None:
    process = victim(folder)
    process.communicate(timeout=120)
    assert process.returncode == 0


def known(folder: Path) -> list[list[object]]:
    with Store(folder / "state") as store:
        return [store.rows(query) for query in WATCHED]


def verdicts(folder: Path) -> list[tuple[object, ...]]:
    """As they are in the file, whoever has died."""
    try:
        base = sqlite3.connect(folder / "state")
        found = base.execute(WATCHED[0]).fetchall()
        base.close()
    except sqlite3.OperationalError:
        return []
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[list[object]]:
    """What a recomputer knows that nobody has killed."""
    folder = prepared(tmp_path_factory.mktemp("whole") / "all")
    finished(folder)
    found = known(folder)
    assert len(found[0]) > 40 and len(found[1]) >= 2 and len(found[4]) == 2 and not found[5]
    return found


def test_a_process_that_is_killed_again_and_again_ends_where_one_does_that_is_not(
    tmp_path: Path, whole: list[list[object]]
):
    folder, random = prepared(tmp_path / "killed"), Random(7)
    before: list[tuple[object, ...]] = []
    alive = 0
    with subprocess.Popen(
        [sys.executable, "-c", FORKER, str(folder)],
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forker:
        assert forker.stdin is not None and forker.stdout is not None
        for _ in range(KILLS):
            forker.stdin.write(f"{random.uniform(0, 0.03)}\n")
            forker.stdin.flush()
            alive += forker.stdout.readline() == "alive\n"
            now = verdicts(folder)
            assert now[: len(before)] == before, "a verdict that was there is there"
            before = now
        forker.stdin.close()
        assert forker.wait(120) == 0
    assert alive > 3
    finished(folder)
    assert known(folder) == whole
    orders = [bytes.fromhex(line) for line in (folder / "orders").read_text().splitlines()]
    recomputer = SIGNER.public_key().public_bytes_raw()
    assert len({read_shutdown(order, recomputer, GATEWAY).serial for order in orders}) == 2


def test_a_process_that_is_killed_before_any_statement_ends_where_one_does_that_is_not(
    tmp_path: Path, whole: list[list[object]]
):
    """Killed from within, as the so manieth statement is about to be carried out: every moment that can matter."""
    moments = [*range(0, 60, 3), *range(60, 1300, 50)]
    for moment in moments:
        prepared(tmp_path / str(moment))
    result = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path), *map(str, moments)],
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=240,
        check=True,
    )
    codes = [line.split() for line in result.stdout.decode().splitlines()]
    assert codes == [[str(moment), str(-signal.SIGKILL), "0"] for moment in moments]
    for moment in moments:
        assert known(tmp_path / str(moment)) == whole, moment


FORKER = """
import os, signal, sys, time
from pathlib import Path
from tests.host.recomputer_victim import work

for line in sys.stdin:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(write, 1)
        os.close(read)
        os.close(write)
        try:
            work(Path(sys.argv[1]))
        finally:
            os._exit(0)
    os.close(write)
    said = os.read(read, 1)
    time.sleep(float(line))
    alive = said and os.waitpid(child, os.WNOHANG) == (0, 0)
    if alive:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    elif not said:
        os.waitpid(child, 0)
    os.close(read)
    print("alive" if alive else "ended", flush=True)
"""
"""For each number of seconds that comes, a recomputer of its own, which is killed so long after its first word."""

KILLER = """
import os, signal, sys
from pathlib import Path
from custodes.recomputer_store import Store
from tests.host.recomputer_victim import work

def code(folder, moment):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    left, prepare = moment, Store._prepare
    def prepared(store):
        prepare(store)
        def trace(statement):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        store._base.set_trace_callback(trace)
    Store._prepare = prepared
    work(folder)
    os._exit(0)

for moment in map(int, sys.argv[2:]):
    folder = Path(sys.argv[1]) / str(moment)
    print(moment, code(folder, moment), code(folder, 1 << 30), flush=True)
"""
