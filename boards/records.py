# SPDX-License-Identifier: Apache-2.0
"""Builds that were made of this tree, with the policy that comes with it: a committed table that every build is held to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from boards.builder import BOARDS, Build

RECORDS = Path(__file__).with_name("builds.json")
POLICY = Path(__file__).with_name("policy.toml")
HEADINGS = (
    "board",
    "device",
    "logic cells",
    "flip-flops",
    "block RAM",
    "clocks: reached / asked, MHz",
    "slack, ns",
    "seed",
)


def read_records(path: Path = RECORDS) -> dict[str, Build]:
    """By ``board-device``."""
    return {name: Build.from_json(kept) for name, kept in json.loads(path.read_text()).items()}


def write_record(build: Build, path: Path = RECORDS) -> None:
    """Add a build, or put it in the place of the one of the same name."""
    builds = read_records(path) | {build.name: build}
    ordered = {f"{board.name}-{device}" for board in BOARDS.values() for device in board.devices}
    kept = {name: builds[name].as_json() for name in sorted(ordered & builds.keys())}
    staged = path.with_name(f".{path.name}")
    staged.write_text(json.dumps(kept, indent=1) + "\n")
    staged.replace(path)


def drift(build: Build, path: Path = RECORDS) -> list[str]:
    """In which points a build is not what was recorded; a line each."""
    recorded = read_records(path).get(build.name)
    if recorded is None:
        return [f"{build.name} is not recorded"]
    then, now = recorded.as_json(), build.as_json()
    return [f"{key}: {then[key]} was recorded, {now[key]} was built" for key in then if then[key] != now[key]]


def rows(builds: Iterable[Build]) -> list[tuple[str, ...]]:
    """A row of text for each build, under `HEADINGS`."""
    return [
        (
            build.board,
            build.device,
            *(_share(build, kind) for kind in ("logic", "ff", "bram")),
            _frequencies(build),
            f"{min(clock.slack_ns for clock in build.clocks):.2f}",
            str(build.seed),
        )
        for build in builds
    ]


def markdown(builds: Iterable[Build]) -> str:
    """The table of `rows`, as it stands in the README of the project."""
    lines = [HEADINGS, ["---"] * 2 + ["---:"] * (len(HEADINGS) - 2), *rows(builds)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _frequencies(build: Build) -> str:
    """What is reached by the clocks that are asked for the same, slowest first."""
    found = []
    for asked_mhz in sorted({clock.asked_mhz for clock in build.clocks}):
        reached = sorted(clock.reached_mhz for clock in build.clocks if clock.asked_mhz == asked_mhz)
        found.append(f"{', '.join(f'{mhz:.1f}' for mhz in reached)} / {asked_mhz:g}")
    return "; ".join(found)


def _share(build: Build, kind: str) -> str:
    if kind not in build.used:
        return "-"
    return f"{build.used[kind]:,} ({build.used[kind] / build.there[kind]:.0%})"
