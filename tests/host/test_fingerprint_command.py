# SPDX-License-Identifier: Apache-2.0
"""`custodes fingerprint`: records against a capture of what left, and files that are no records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.fingerprint import Flag, Record
from custodes.model.fingerprint import Fingerprint
from custodes.records import parse_record, record_line
from custodes.table import Port
from tests.host.fake import write_capture
from tests.host.test_provision_commands import custodes, fails

BEATS = [[b"\x01" * 60, b"\x02" * 90], [], [b"\x03" * 1514], [b"\x04" * 60], [b"\x05" * 61]]
FRAMES = [frame for beat in BEATS for frame in beat]


def made(direction: Port = Port.CLUSTER) -> list[Record]:
    """The records of `BEATS`."""
    fingerprint = Fingerprint(direction)
    found = []
    for number, frames in enumerate(BEATS):
        for frame in frames:
            fingerprint.leave(frame)
        found.append(fingerprint.close(epoch=1, frames_in=5, words=number, ticks=number))
    return found


def write(path: Path, records: Sequence[Record]) -> Path:
    path.write_text("".join(f"{record_line(record)}\n" for record in records))
    return path


class Run:
    """The command with these records and frames."""

    def __init__(self, folder: Path, records: Sequence[Record], frames: Sequence[bytes] = FRAMES) -> None:
        self.arguments = [
            write(folder / "records.jsonl", records),
            "--capture",
            write_capture(folder / "own.pcap", frames),
        ]

    def agrees(self, *options: object) -> str:
        result = custodes("fingerprint", *self.arguments, *options)
        assert result.exit_code == 0, result.output
        return result.stdout

    def disagrees(self, *lines: str) -> None:
        result = custodes("fingerprint", *self.arguments)
        assert result.exit_code == 6, result.output
        assert result.stdout.splitlines()[:-1] == list(lines)
        assert result.stderr.startswith("custodes: ")
        found = json.loads(custodes("fingerprint", *self.arguments, "--json").stdout)
        assert found["first"] == list(lines) and found["verdict"] in result.stderr


def test_every_record_of_an_honest_device_agrees(tmp_path: Path):
    both = [record for pair in zip(made(), made(Port.WORLD), strict=True) for record in pair]
    for way in ("world", "cluster"):
        assert Run(tmp_path, both).agrees("--to", way) == "5 of 5 records agree\n"
    found = json.loads(Run(tmp_path, both, [*FRAMES, b"\x06" * 60]).agrees("--json"))
    assert found["found"] == {"agrees": 5, "anchor": 0, "overflow": 0, "mismatch": 0, "short": 0, "gap": 0}
    assert (found["to"], found["frames_after"], found["first"]) == ("world", 1, [])


def test_a_file_may_begin_later(tmp_path: Path):
    assert Run(tmp_path, made()[2:], FRAMES[3:]).agrees() == "2 of 3 records agree, the first is taken as it is\n"
    assert Run(tmp_path, made()[2:]).agrees("--skip", 3) == "2 of 3 records agree, the first is taken as it is\n"


def test_a_device_that_was_reset_begins_anew(tmp_path: Path):
    assert Run(tmp_path, [*made()[:3], *made()], [*FRAMES[:3], *FRAMES]).agrees() == "8 of 8 records agree\n"


@pytest.mark.parametrize("frame", range(len(FRAMES)))
def test_a_flipped_bit_is_a_mismatch_of_its_record_alone(tmp_path: Path, frame: int):
    frames = list(FRAMES)
    frames[frame] = frames[frame][:-1] + bytes([frames[frame][-1] ^ 1])
    beat = next(number for number, beat in enumerate(BEATS) if FRAMES[frame] in beat)
    Run(tmp_path, made(), frames).disagrees(f"record {beat}: has another chain than the frames make")


@pytest.mark.parametrize("field", ["epoch", "frames_in", "words", "ticks"])
def test_every_field_is_checked(tmp_path: Path, field: str):
    records = made()
    records[2] = replace(records[2], **{field: 99})
    Run(tmp_path, records).disagrees("record 2: has another chain than the frames make")


def test_frames_that_are_not_in_the_capture_are_missed(tmp_path: Path):
    Run(tmp_path, made(), FRAMES[:-1]).disagrees("record 4: counts more frames than the capture has")


def test_a_record_that_is_not_there_is_missed(tmp_path: Path):
    records = made()
    Run(tmp_path, records[:1] + records[2:]).disagrees("record 2: does not follow the record before it")


def test_a_record_with_an_overflow_does_not_count_as_right(tmp_path: Path):
    fingerprint = Fingerprint(Port.CLUSTER)
    fingerprint.overflow()
    record = fingerprint.close()
    assert record.flags is Flag.OVERFLOW
    Run(tmp_path, [record], FRAMES[:1]).disagrees("record 0: says itself that frames are not in it")


def test_a_line_is_a_record_and_back():
    for record in (*made(), replace(made()[0], flags=Flag.OVERFLOW | Flag.LOST)):
        assert parse_record(record_line(record)) == record


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("beat", -1, "has a beat that is no number of 64 bits"),
        ("beat", True, "has a beat that is no number of 64 bits"),
        ("words", 1 << 32, "has a words that is no number of 32 bits"),
        ("flags", ["SMALL"], "has flags that do not exist"),
        ("flags", [["LOST"]], "has flags that do not exist"),
        ("to", "nowhere", "has a direction that does not exist"),
        ("chain", "00", "has a chain of 1 bytes"),
        ("chain", 7, "has a chain of 0 bytes"),
        ("more", 7, "has not the keys of a record"),
    ],
)
def test_what_is_no_record_is_one_line(tmp_path: Path, key: str, value: object, message: str):
    run = Run(tmp_path, made())
    path = tmp_path / "records.jsonl"
    path.write_text(record_line(made()[0]) + "\n" + json.dumps(json.loads(record_line(made()[1])) | {key: value}))
    fails(custodes("fingerprint", *run.arguments), 3, f"line 2 {message}")


def test_files_that_cannot_be_used_are_one_line(tmp_path: Path):
    run = Run(tmp_path, made())
    fails(custodes("fingerprint", *run.arguments, "--to", "cluster"), 3, "no record of what left to the cluster")
    (tmp_path / "records.jsonl").write_text('{"beat"')
    fails(custodes("fingerprint", *run.arguments), 3, "line 1 is no JSON")
    (tmp_path / "records.jsonl").write_bytes(b"\xff\n")
    fails(custodes("fingerprint", *run.arguments), 3, "records.jsonl")
    (tmp_path / "records.jsonl").unlink()
    fails(custodes("fingerprint", *run.arguments), 3, "No such file")
