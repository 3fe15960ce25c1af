# SPDX-License-Identifier: Apache-2.0
"""Output files: complete or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from custodes.errors import CaptureError
from custodes.output import Abandon, output_file


def test_appears_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with output_file(path) as file:
        file.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, CaptureError])
def test_leaves_what_was_there_when_it_fails(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"before")
    with pytest.raises(failure), output_file(path) as file:
        file.write(b"half")
        raise failure
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_can_be_abandoned(tmp_path: Path) -> None:
    with output_file(tmp_path / "out") as file:
        file.write(b"half")
        raise Abandon
    assert list(tmp_path.iterdir()) == []


def test_replaces_what_a_link_points_to(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"before")
    target.chmod(0o640)
    link.symlink_to(target)
    with output_file(link) as file:
        file.write(b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"
    assert target.stat().st_mode & 0o777 == 0o640


def test_new_files_get_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with output_file(tmp_path / "out"):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", [".", "no/such/directory/out", "x" * 300, "\0"])
def test_refuses_what_is_no_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(CaptureError), output_file(tmp_path / name):
        pass


def test_never_replaces_a_device() -> None:
    with pytest.raises(CaptureError, match="is not a regular file"), output_file(Path("/dev/null")):
        pass


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No space left on device"), output_file(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
