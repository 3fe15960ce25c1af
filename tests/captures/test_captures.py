# SPDX-License-Identifier: Apache-2.0
"""The committed captures hold what other tests and the demo count on."""

from __future__ import annotations

from pathlib import Path

from tests.captures import kinds
from tests.captures.record import REQUIRED, SMALL, faults
from tests.captures.world import HERE


def test_captures_contain_every_required_kind_and_no_bad_checksum() -> None:
    assert faults() == []


def test_captures_stay_small() -> None:
    assert sum((HERE / name).stat().st_size for name in REQUIRED) < 1_000_000


def test_missing_captures_are_told(tmp_path: Path) -> None:
    assert faults(tmp_path) == [f"{name}: missing" for name in REQUIRED]


def test_changed_byte_is_a_bad_checksum(tmp_path: Path) -> None:
    changed = tmp_path / SMALL
    changed.write_bytes((HERE / SMALL).read_bytes().replace(b"200 OK", b"200 OL", 1))
    assert kinds.read(changed).faults(REQUIRED[SMALL]) == ["bad checksum: 1"]


def test_readme_tells_the_counts() -> None:
    contents = [kinds.read(HERE / name).kinds for name in REQUIRED]
    rows = {f"| {kind} | {' | '.join(str(each[kind]) for each in contents)} |" for kind in set().union(*contents)}
    lines = set((HERE / "README.md").read_text().splitlines())
    assert rows <= lines
