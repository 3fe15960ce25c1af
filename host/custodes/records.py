# SPDX-License-Identifier: Apache-2.0
"""Files of fingerprint records, one JSON object per line, and the check of records against the frames that left."""

from __future__ import annotations

import enum
import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from custodes.errors import CaptureError
from custodes.fingerprint import DIGEST_BYTES, NO_CHAIN, Flag, Record
from custodes.model.fingerprint import Fingerprint
from custodes.table import Port

_NUMBERS = {"beat": 64, "epoch": 64, "frames_in": 32, "frames_out": 32, "words": 32, "ticks": 32}


def record_line(record: Record) -> str:
    """A record as a line of a file, without its end.

    Keys: ``to``, where its frames leave, ``flags`` by name, those of `Record` that are numbers, ``chain`` in hexadecimal.
    """
    numbers = {name: getattr(record, name) for name in _NUMBERS}
    flags = [flag.name for flag in Flag if flag in record.flags]
    to = record.direction.other.name.lower()
    return json.dumps({"to": to, "flags": flags, **numbers, "chain": record.chain.hex()})


def parse_record(line: str) -> Record:
    """The record of a line. Raises `ValueError` where it is none."""
    found: Any = json.loads(line)
    if not isinstance(found, dict) or found.keys() != {"to", "flags", "chain", *_NUMBERS}:
        raise ValueError("has not the keys of a record")
    flags = found["flags"]
    if not isinstance(flags, list) or not {*map(str, flags)} <= {*Flag.__members__}:
        raise ValueError("has flags that do not exist")
    if found["to"] not in ("world", "cluster"):
        raise ValueError("has a direction that does not exist")
    for name, bits in _NUMBERS.items():
        if type(found[name]) is not int or not 0 <= found[name] < 1 << bits:
            raise ValueError(f"has a {name} that is no number of {bits} bits")
    chain = bytes.fromhex(found["chain"]) if isinstance(found["chain"], str) else b""
    if len(chain) != DIGEST_BYTES:
        raise ValueError(f"has a chain of {len(chain)} bytes")
    numbers = {name: found[name] for name in _NUMBERS}
    return Record(Port[found["to"].upper()].other, Flag(sum(Flag[flag] for flag in flags)), **numbers, chain=chain)


def read_records(path: Path) -> Generator[Record, None, None]:
    """The records of a file. Raises `CaptureError` where it cannot be read, or a line is no record."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield parse_record(line)
                except ValueError as error:
                    why = "is no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
                    raise CaptureError(f"{path}: line {number} {why}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CaptureError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


class Verdict(enum.Enum):
    """What is to be said of a record."""

    AGREES = "agrees"
    ANCHOR = "begins the file: the chain before it is not known, and it is taken as it is"
    OVERFLOW = "says itself that frames are not in it"
    MISMATCH = "has another chain than the frames make"
    SHORT = "counts more frames than the capture has"
    GAP = "does not follow the record before it"

    @property
    def good(self) -> bool:
        return self in (Verdict.AGREES, Verdict.ANCHOR)

    @property
    def final(self) -> bool:
        """After it nobody knows which frames belong to which record."""
        return self in (Verdict.SHORT, Verdict.GAP)


@dataclass(frozen=True)
class Finding:
    """A record and what is to be said of it."""

    record: Record
    verdict: Verdict

    def describe(self) -> str:
        return f"record {self.record.beat}: {self.verdict.value}"


def check_records(records: Iterable[Record], frames: Iterator[bytes]) -> Iterator[Finding]:
    """Make each record again from the frames that left.

    Args:
        records: of one direction, in order. The first one is taken as it is unless it is the first of a device.
        frames: what left, in order, from the first frame after that one on; taken as the records count them.

    A record is checked with the chain that the one before it has, so that one mismatch is no mismatch of those after it. A
    record of the beat 0 begins a new chain: the device has been reset.
    """
    before: Record | None = None
    for record in records:
        if record.beat == 0:
            before = None
        elif before is None:
            yield Finding(record, Verdict.ANCHOR)
            before = record
            continue
        if before is not None and record.beat != before.beat + 1:
            yield Finding(record, Verdict.GAP)
            return
        verdict = _verdict(record, NO_CHAIN if before is None else before.chain, frames)
        yield Finding(record, verdict)
        if verdict.final:
            return
        before = record


def _verdict(record: Record, chain: bytes, frames: Iterator[bytes]) -> Verdict:
    fingerprint = Fingerprint(record.direction, chain, record.beat)
    count = 0
    for frame in islice(frames, record.frames_out):
        fingerprint.leave(frame)
        count += 1
    if count < record.frames_out:
        return Verdict.SHORT
    made = fingerprint.close(record.epoch, record.frames_in, record.words, record.ticks, record.flags)
    if made != record:
        return Verdict.MISMATCH
    return Verdict.OVERFLOW if Flag.OVERFLOW in record.flags else Verdict.AGREES
