# SPDX-License-Identifier: Apache-2.0
"""Output files that appear under their name only when they are complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from custodes.errors import CaptureError


class Abandon(Exception):
    """Raised inside `output_path`: the file is not to appear, and that is no error."""


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file for writing that becomes ``path`` as `output_path` describes."""
    with output_path(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def output_path(path: Path) -> Iterator[Path]:
    """An empty file to write to that becomes ``path`` when the block ends, and vanishes when the block raises.

    It has a temporary name in the same directory, so that ``path`` is either what it was before or complete. A
    symbolic link is followed: what it points to is replaced.

    Raises:
        CaptureError: ``path`` cannot be written, is not a regular file, is ``-``, or the disk is full.
    """
    if path == Path("-"):
        raise CaptureError("-: cannot write to standard output; name a file")
    try:
        target = path.resolve()
        if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
            raise CaptureError(f"{path}: {'is not writable' if target.is_file() else 'is not a regular file'}")
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:64]}.", suffix=".part", dir=target.parent)
    except (OSError, RuntimeError, ValueError) as error:
        raise CaptureError(f"{path}: cannot be written: {_why(error)}") from None
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        temporary.chmod(_mode(target))
        temporary.replace(target)
    except Abandon:
        pass
    except OSError as error:
        raise CaptureError(f"{path}: cannot be written: {_why(error)}") from None
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or those of any new file of this user."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
