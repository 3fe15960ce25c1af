# SPDX-License-Identifier: Apache-2.0
"""`custodes fingerprint`: what a device said of the frames that left it, made again from a capture of them."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from custodes.capture import Capture
from custodes.command_line import JsonOption, QuietOption, VerboseOption, command, screen
from custodes.errors import CaptureError, MismatchError
from custodes.records import Finding, Verdict, check_records, read_records
from custodes.table import Port
from custodes.terminal import shown

SHOWN_FINDINGS = 5


class Way(enum.StrEnum):
    """Where frames leave."""

    WORLD = "world"
    CLUSTER = "cluster"

    @property
    def entered(self) -> Port:
        return Port[self.name].other


@command
def fingerprint(
    records: Annotated[
        Path, typer.Argument(metavar="RECORDS", help="From `custodes records`, a JSON object per line.")
    ],
    capture: Annotated[
        Path, typer.Option("--capture", metavar="FILE", help="What left the device that way, and nothing else.")
    ],
    to: Annotated[Way, typer.Option("--to", help="Which way.")] = Way.WORLD,
    skip: Annotated[int, typer.Option("--skip", metavar="N", min=0, help="Leave out the first N frames.")] = 0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make every record of a device again from one's own capture of what left it.

    A record says of how many frames it is, and they are taken from the capture in order. Where the file begins with a later
    record than the first of a device, that one is taken as it is, and the capture has to begin with the first frame after
    it. Exit code 6 unless every record is there and agrees.
    """
    display = screen(quiet, verbose)
    found: Counter[Verdict] = Counter()
    bad: list[Finding] = []
    source = Capture(capture)
    with (
        closing(_frames(source)) as captured,
        closing(read_records(records)) as said,
        display.progress(source.size, "checking") as progress,
    ):
        frames = islice(captured, skip, None)
        mine = (record for record in said if record.direction is to.entered)
        for finding in check_records(mine, frames):
            found[finding.verdict] += 1
            if not finding.verdict.good:
                bad.append(finding)
                display.detail(finding.describe())
            progress(source.position)
        after = 0 if bad and bad[-1].verdict.final else sum(1 for _ in frames)
    if not found:
        raise CaptureError(f"{shown(records)}: no record of what left to the {to}")
    verdict = _verdict_line(found)
    if as_json:
        display.json(
            {
                "records": shown(records),
                "capture": shown(capture),
                "to": to.value,
                "found": {verdict.name.lower(): found[verdict] for verdict in Verdict},
                "first": [finding.describe() for finding in bad[:SHOWN_FINDINGS]],
                "frames_after": after,
                "verdict": verdict,
            }
        )
    else:
        for finding in bad[:SHOWN_FINDINGS]:
            display.result(finding.describe())
        display.result(verdict)
        if after:
            display.note(f"{after} frames have left after the last record")
    if bad:
        raise MismatchError(f"{shown(records)}: {verdict}")


def _frames(capture: Capture) -> Generator[bytes, None, None]:
    for number, packet in enumerate(capture, 1):
        if not packet.whole:
            raise CaptureError(f"{shown(capture.path)}: frame {number} was not captured whole")
        yield packet.frame


def _verdict_line(found: Counter[Verdict]) -> str:
    total = found.total()
    agree = found[Verdict.AGREES]
    anchored = ", the first is taken as it is" if found[Verdict.ANCHOR] else ""
    bad = sum(count for verdict, count in found.items() if not verdict.good)
    return f"{agree} of {total} records agree{anchored}" + (f", {bad} do not" if bad else "")
