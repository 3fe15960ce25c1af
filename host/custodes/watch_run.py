# SPDX-License-Identifier: Apache-2.0
"""Many epochs, checked one after the other or by the workers of a Dask cluster, with the same outcome.

Every epoch begins with an empty flow table and is checked for itself. What has been found of one is kept in a directory, if
there is one, under a name that its files and settings make; it is taken from there the next time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from custodes.errors import CaptureError, DeviceError, UsageError
from custodes.output import output_file
from custodes.watch import Verdict
from custodes.watch_epoch import check
from custodes.watch_inputs import Files

FORMAT = 2
"""Of what is kept: what another one has kept is not taken."""
SHOWN_FINDINGS = 10


@dataclass
class Audit:
    """What was found in all epochs: `Outcome.to_json` of each, in order.

    Attributes:
        workers: None: this process has done it.
        seconds: that it took, without what was found before.
        resumed: epochs that were found before.
    """

    workers: int | None = None
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    resumed: int = 0
    checked_frames: int = 0
    """In this run."""

    @property
    def good(self) -> bool:
        return all(outcome["agrees"] for outcome in self.outcomes)

    def total(self, what: str) -> Counter[str]:
        """Of all epochs: ``frames``, ``records``, ``sent``, ``received``, ``dropped`` or ``retimed``."""
        found: Counter[str] = Counter()
        for outcome in self.outcomes:
            found.update(outcome[what] or {})
        return found

    @property
    def swapped(self) -> int:
        return sum(outcome["order_taken_otherwise"] for outcome in self.outcomes)

    @property
    def checked_records(self) -> bool:
        """Whether every epoch came with records."""
        return all(outcome["records"] is not None for outcome in self.outcomes)

    @property
    def findings(self) -> list[str]:
        """The first ones, in words."""
        many = len(self.outcomes) > 1
        found = [
            (f"epoch {outcome['epoch']}: " if many else "") + text
            for outcome in self.outcomes
            for text in outcome["first"]
        ]
        return found[:SHOWN_FINDINGS]

    @property
    def verdict(self) -> str:
        frames, records = self.total("frames"), self.total("records")
        missing, mismatch = (frames[kind.value] + records[kind.value] for kind in (Verdict.MISSING, Verdict.MISMATCH))
        if self.good:
            told = f"{frames[Verdict.AGREES.value]:,} frames and {records[Verdict.AGREES.value]:,} records agree"
            return told + ", nothing is missing"
        return f"{mismatch:,} mismatch{'' if mismatch == 1 else 'es'}, {missing:,} missing"

    @property
    def frames_per_s(self) -> float:
        return self.checked_frames / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Keys: ``agrees``, ``verdict``, ``epochs`` (as `Outcome.to_json`), ``speed`` (``workers`` or null, ``seconds``,
        ``frames``, ``frames_per_s``, ``epochs_resumed``)."""
        return {
            "agrees": self.good,
            "verdict": self.verdict,
            "epochs": self.outcomes,
            "speed": {
                "workers": self.workers,
                "seconds": round(self.seconds, 3),
                "frames": self.checked_frames,
                "frames_per_s": round(self.frames_per_s, 1),
                "epochs_resumed": self.resumed,
            },
        }


class State:
    """A directory of what was found of epochs."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CaptureError(f"{folder}: cannot be created: {error.strerror}") from None

    def get(self, files: Files) -> dict[str, Any] | None:
        """What was found of an epoch with the same files and settings, or None."""
        if self._folder is None:
            return None
        try:
            return json.loads((self._folder / _name(files)).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CaptureError(f"{self._folder / _name(files)}: cannot be read: {error}") from None

    def put(self, files: Files, outcome: dict[str, Any]) -> None:
        """Keep it: all of it or, if something goes wrong, nothing."""
        if self._folder is not None:
            with output_file(self._folder / _name(files)) as file:
                file.write(json.dumps(outcome).encode())


def _name(files: Files) -> str:
    digest = hashlib.sha256(f"{FORMAT} {asdict(files)}".encode())
    for path in files.all:
        try:
            status = path.stat()
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}") from None
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
    return f"{digest.hexdigest()}.json"


def check_files(files: Files) -> dict[str, Any]:
    """Check one epoch; what a worker does."""
    return check(files.load()).to_json()


def run(
    epochs: Sequence[Files],
    state: State,
    workers: int | None = None,
    scheduler: str | None = None,
    done: Callable[[int], None] = lambda epochs: None,
) -> Audit:
    """Check all epochs.

    Args:
        workers: processes of a Dask cluster of its own; None: this process does it.
        scheduler: address of one that there is.
        done: called with the number of epochs that are finished.

    Raises:
        UsageError: Dask is not installed.
        DeviceError: the scheduler does not answer.
        CaptureError, PolicyError: a file is bad.
    """
    outcomes = {number: found for number, files in enumerate(epochs) if (found := state.get(files)) is not None}
    audit = Audit(workers, resumed=len(outcomes))
    rest = [number for number in range(len(epochs)) if number not in outcomes]
    with _checker(workers if rest else None, scheduler if rest else None) as checker:
        started = time.perf_counter()
        done(len(outcomes))
        for position, outcome in checker([epochs[number] for number in rest]):
            outcomes[rest[position]] = outcome
            state.put(epochs[rest[position]], outcome)
            audit.checked_frames += sum(outcome["sent"].values())
            done(len(outcomes))
        audit.seconds = time.perf_counter() - started
    audit.outcomes = [outcomes[number] for number in range(len(epochs))]
    return audit


Checker = Callable[[Sequence[Files]], Iterator[tuple[int, dict[str, Any]]]]
"""Checks epochs and gives the number of each, and what was found, as they are finished."""


@contextmanager
def _checker(workers: int | None, scheduler: str | None) -> Iterator[Checker]:
    if workers is None and scheduler is None:
        yield lambda epochs: ((number, check_files(files)) for number, files in enumerate(epochs))
        return
    if find_spec("distributed") is None:
        raise UsageError("workers need Dask, which is not installed: pip install 'custodes[cluster]'")
    from distributed import Client, LocalCluster, as_completed  # slow to import

    logging.getLogger("distributed").setLevel(logging.CRITICAL)

    def check_all(client: Client, epochs: Sequence[Files]) -> Iterator[tuple[int, dict[str, Any]]]:
        numbers = {client.submit(check_files, files, pure=False): number for number, files in enumerate(epochs)}
        for future in as_completed(numbers, loop=client.loop):
            yield numbers[future], future.result()

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise DeviceError(f"{scheduler}: no Dask scheduler answers: {str(error) or type(error).__name__}") from None
        with client:
            yield lambda epochs: check_all(client, epochs)
        return
    with (
        LocalCluster(
            workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,  # pyright: ignore[reportArgumentType]
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(workers or 1)
        yield lambda epochs: check_all(client, epochs)
