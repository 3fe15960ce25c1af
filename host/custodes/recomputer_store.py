# SPDX-License-Identifier: Apache-2.0
"""What a recomputer knows, in one SQLite file: nothing is kept anywhere else, so a process that is killed has lost nothing.

A frame is written down as it comes. What it changes, its verdict among that, and that it has been worked off are one
transaction. A gateway that has been switched on again is another *boot*, as its epochs and pairs are counted anew.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from custodes.errors import CustodesError, UsageError

VERSION = 1
BUSY_S = 30.0
SCHEMA = """
CREATE TABLE values_ (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sources (name TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, frame BLOB NOT NULL);
CREATE TABLE epochs (boot INTEGER, epoch INTEGER, threshold BLOB NOT NULL, commitment BLOB NOT NULL, record BLOB,
    PRIMARY KEY (boot, epoch));
CREATE TABLE leaves (boot INTEGER, epoch INTEGER, place INTEGER, number BLOB NOT NULL, tag BLOB NOT NULL,
    digest BLOB NOT NULL, state INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (boot, epoch, place));
CREATE UNIQUE INDEX numbers ON leaves (boot, number);
CREATE TABLE pieces (start INTEGER PRIMARY KEY, octets BLOB NOT NULL);
CREATE TABLE verdicts (id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER, epoch INTEGER, place INTEGER,
    time_ns INTEGER NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, transcript BLOB, UNIQUE (boot, epoch, place));
CREATE TABLE findings (id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER, epoch INTEGER, time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE orders (serial INTEGER PRIMARY KEY, gateway BLOB NOT NULL, reason TEXT NOT NULL, message BLOB NOT NULL,
    given INTEGER NOT NULL DEFAULT 0);
CREATE TABLE nonces (nonce BLOB PRIMARY KEY);
CREATE TABLE requests (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, request BLOB NOT NULL,
    role TEXT, action TEXT, done INTEGER NOT NULL, reason TEXT NOT NULL, answer BLOB NOT NULL);
CREATE TABLE gateways (identity BLOB, model BLOB, PRIMARY KEY (identity, model));
"""


class StoreError(CustodesError):
    """A file is no state of a recomputer, or cannot be written; one clear line."""

    exit_code = 3


class Row(NamedTuple):
    """A leaf: ``state`` is one of those of `custodes.recomputer_check.State`."""

    place: int
    tag: bytes
    digest: bytes
    state: int


class Store:
    """A file with what a recomputer knows; a context manager that closes it.

    Args:
        path: of the file, which is made unless it is only to be read.
        owned: nobody else may work on it, only ask and give requests.

    Raises:
        StoreError: it cannot be opened, or is something else.
        UsageError: somebody else works on it.
    """

    def __init__(self, path: Path, owned: bool = False, new: bool = True) -> None:
        self.path = path
        self._lock: BinaryIO | None = None
        if not new and not path.is_file():
            raise StoreError(f"{path}: there is no state of a recomputer")
        try:
            if owned:
                self._lock = path.with_name(f"{path.name}.lock").open("wb")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._base = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except BlockingIOError:
            self._unlock()
            raise UsageError(f"{path}: a recomputer works on it already") from None
        except (OSError, sqlite3.Error, ValueError) as error:
            self._unlock()
            raise StoreError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self.write("PRAGMA journal_mode = WAL")
        self.write("PRAGMA synchronous = FULL")
        with self.transaction():
            ((version,),) = self.rows("PRAGMA user_version")
            if version == 0 and not self.rows("SELECT name FROM sqlite_master LIMIT 1"):
                for statement in SCHEMA.split(";\n"):
                    self.write(statement)
                self.write(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise StoreError(f"{self.path}: is no state of a recomputer of this version")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in the block is there afterwards, or nothing of it where it raises or is killed."""
        self.write("BEGIN IMMEDIATE")
        try:
            yield
            self.write("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self.write("ROLLBACK")
            raise

    def rows(self, query: str, *values: object) -> list[Any]:
        """What a query finds."""
        try:
            return self._base.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from None

    def write(self, statement: str, *values: object) -> None:
        """Carry out a statement."""
        self.rows(statement, *values)

    def value(self, name: str, otherwise: Any = None) -> Any:
        """A value that was set, of what JSON can say."""
        found = self.rows("SELECT value FROM values_ WHERE name = ?", name)
        return json.loads(found[0][0]) if found else otherwise

    def set_value(self, name: str, value: Any) -> None:
        self.write("INSERT OR REPLACE INTO values_ VALUES (?, ?)", name, json.dumps(value))

    def receive(self, frames: Iterable[bytes], source: str = "", position: int | None = None) -> None:
        """Write frames down; with a position, that a source has been read up to there."""
        with self.transaction():
            for frame in frames:
                self.write("INSERT INTO inbox (frame) VALUES (?)", frame)
            if position is not None:
                self.write("INSERT OR REPLACE INTO sources VALUES (?, ?)", source, position)

    def position(self, source: str) -> int:
        """Up to where a source has been read."""
        found = self.rows("SELECT position FROM sources WHERE name = ?", source)
        return found[0][0] if found else 0

    def next_frames(self, count: int) -> list[tuple[int, bytes]]:
        """The first frames that have not been worked off, and their numbers."""
        return self.rows("SELECT id, frame FROM inbox ORDER BY id LIMIT ?", count)

    def leaf(self, boot: int, epoch: int, place: int) -> Row | None:
        query = "SELECT place, tag, digest, state FROM leaves WHERE boot = ? AND epoch = ? AND place = ?"
        found = self.rows(query, boot, epoch, place)
        return Row(*found[0]) if found else None

    def leaves(self, boot: int, epoch: int) -> list[Row]:
        """In the order of their indices."""
        query = "SELECT place, tag, digest, state FROM leaves WHERE boot = ? AND epoch = ? ORDER BY place"
        return [Row(*row) for row in self.rows(query, boot, epoch)]

    def close(self) -> None:
        self._base.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
