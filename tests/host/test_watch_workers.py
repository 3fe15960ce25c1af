# SPDX-License-Identifier: Apache-2.0
"""`custodes watch` with the workers of a Dask cluster: the same outcome as one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custodes.watch_manifest import find_epochs
from custodes.watch_run import State
from custodes.watch_run import run as audit
from tests.host.model.passage import W
from tests.host.test_provision_commands import custodes, fails
from tests.host.test_watch_command import LIMITS, files, honest, write_epoch

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def epochs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four, of which one does not agree."""
    folder = tmp_path_factory.mktemp("epochs")
    found = []
    for number in range(1, 5):
        trace = honest(number, traffic=number)
        if number == 3:
            del trace.left[W][2]
        found.append(write_epoch(folder / f"{number}", trace, number))
    return found


def test_workers_find_the_same(epochs: list[Path]):
    alone = custodes("watch", *epochs, *LIMITS, "--json")
    shared = custodes("watch", *epochs, *LIMITS, "--json", "--workers", 2)
    assert (alone.exit_code, shared.exit_code) == (6, 6), shared.output
    one, two = json.loads(alone.stdout), json.loads(shared.stdout)
    assert two["speed"]["workers"] == 2 and two["speed"]["frames_per_s"] > 0
    del one["speed"], two["speed"]
    assert one == two
    assert [epoch["agrees"] for epoch in two["epochs"]] == [True, True, False, True]


def test_a_scheduler_that_there_is_is_used(epochs: list[Path], tmp_path: Path):
    with distributed.LocalCluster(1, processes=False, dashboard_address=None, protocol="tcp") as cluster:
        found = audit(find_epochs(epochs, files()), State(tmp_path), None, cluster.scheduler_address)
    assert not found.good and len([*tmp_path.iterdir()]) == 4
    assert found.outcomes == audit(find_epochs(epochs, files()), State(None)).outcomes


def test_a_bad_file_is_told_by_a_worker(epochs: list[Path], tmp_path: Path):
    folder = write_epoch(tmp_path / "bad", honest())
    (folder / "world-received.pcap").write_bytes(b"")
    fails(custodes("watch", epochs[0], folder, *LIMITS, "--workers", 1), 3, "the file is empty")


def test_no_scheduler_is_one_line(epochs: list[Path]):
    fails(custodes("watch", epochs[0], "--scheduler", "tcp://127.0.0.1:9"), 5, "no Dask scheduler answers")
