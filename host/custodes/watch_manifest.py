# SPDX-License-Identifier: Apache-2.0
"""Which files belong to which epoch: directories of files with fixed names, or a manifest that names them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from custodes.errors import CaptureError, UsageError
from custodes.policy import Number, Strict, first_problem
from custodes.watch_inputs import Files, parse_seed

TAPS = ("cluster-sent", "cluster-received", "world-sent", "world-received")
SUFFIXES = (".pcap", ".pcapng")
SHARES, RECORDS, POLICY, SCHEDULE = "opened.json", "records.jsonl", "policy.toml", "schedule.toml"
Paths = Annotated[tuple[str, ...], Field(min_length=1)]


class EpochEntry(Strict):
    """An epoch of a manifest. Paths begin where the manifest is. What is not said is as for all epochs."""

    cluster_sent: Paths
    cluster_received: Paths
    world_sent: Paths
    world_received: Paths
    policy: str | None = None
    schedule: str | None = None
    shares: str | None = None
    seed: str | None = None
    epoch: Annotated[Number, Field(ge=0, lt=1 << 64)] = 0
    records: str | None = None


class Manifest(Strict):
    """A manifest, in TOML: ``policy`` and ``schedule`` for all epochs, and a table ``[[epoch]]`` for each."""

    policy: str | None = None
    schedule: str | None = None
    epoch: Annotated[tuple[EpochEntry, ...], Field(min_length=1)]


def find_epochs(sources: Sequence[Path], common: Files) -> list[Files]:
    """The epochs of directories and manifests, in order; ``common`` is what is not said there.

    Raises:
        UsageError: an epoch has no policy.
        CaptureError: a source is neither, or names what does not exist.
    """
    found = [files for source in sources for files in _epochs(source, common)]
    for files in found:
        if files.policy == Path():
            raise UsageError("there is no policy: give one with --policy FILE")
    return found


def _epochs(source: Path, common: Files) -> Iterator[Files]:
    if source.is_dir():
        yield _directory(source, common)
    else:
        yield from _manifest(source, common)


def _directory(folder: Path, common: Files) -> Files:
    def own(name: str, otherwise: Path | None) -> Path | None:
        return folder / name if (folder / name).exists() else otherwise

    taps = [_tap(folder, name) for name in TAPS]
    return replace(
        common,
        policy=own(POLICY, common.policy),
        cluster_sent=taps[0],
        cluster_received=taps[1],
        world_sent=taps[2],
        world_received=taps[3],
        shares=own(SHARES, common.shares),
        records=own(RECORDS, common.records),
        schedule=own(SCHEDULE, common.schedule),
    )


def _tap(folder: Path, name: str) -> tuple[Path, ...]:
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").exists()]
    if len(found) != 1:
        raise CaptureError(f"{folder}: holds {'no' if not found else 'more than one'} {name}.pcap or .pcapng")
    return (found[0],)


def _manifest(path: Path, common: Files) -> Iterator[Files]:
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise CaptureError(f"{path}: {first_problem(error)}") from None
    except ValueError as error:
        raise CaptureError(f"{path}: is neither a directory nor a manifest: {error}") from None
    folder = path.parent
    for entry in manifest.epoch:

        def own(*names: str | None) -> Path | None:
            return next((folder / name for name in names if name is not None), None)

        try:
            seed = common.seed if entry.seed is None else parse_seed(entry.seed)
        except ValueError as error:
            raise CaptureError(f"{path}: epoch.seed: {error}") from None
        yield replace(
            common,
            policy=own(entry.policy, manifest.policy) or common.policy,
            cluster_sent=tuple(folder / name for name in entry.cluster_sent),
            cluster_received=tuple(folder / name for name in entry.cluster_received),
            world_sent=tuple(folder / name for name in entry.world_sent),
            world_received=tuple(folder / name for name in entry.world_received),
            shares=own(entry.shares) or common.shares,
            seed=seed,
            number=entry.epoch or common.number,
            records=own(entry.records) or common.records,
            schedule=own(entry.schedule, manifest.schedule) or common.schedule,
        )
