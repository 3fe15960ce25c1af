# SPDX-License-Identifier: Apache-2.0
"""`custodes watch` over many epochs in frames per second, by this process alone and by workers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from custodes.model import Warden
from custodes.model.entropy import Words, seed
from custodes.watch_manifest import find_epochs
from custodes.watch_run import State, run
from tests.host.fake import POLICY
from tests.host.test_watch_command import SHARES, files, write_epoch
from tests.host.watch_traces import run as traced

EPOCHS, ROUNDS = 16, 12
WORKERS = (None, 1, 2)
"""None: no cluster at all."""


def measure_audits(epochs: int = EPOCHS, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Of honest wardens, by the clock on the wall and without the start of the workers."""
    with tempfile.TemporaryDirectory() as name:
        folders = []
        for number in range(1, epochs + 1):
            words = Words(seed(number, *SHARES))
            trace = traced(lambda words=words: Warden(POLICY, words), rounds=rounds, seed=number).record(epoch=number)
            folders.append(write_epoch(Path(name) / str(number), trace, number))
        found = [(workers, run(find_epochs(folders, files()), State(None), workers)) for workers in WORKERS]
    for _, audit in found:
        if not audit.good:
            raise AssertionError(f"the epochs of the bench do not agree: {audit.findings[0]}")
    return [
        {
            "workers": workers,
            "epochs": epochs,
            "frames": audit.checked_frames,
            "frames_per_s": round(audit.frames_per_s),
        }
        for workers, audit in found
    ]
