# SPDX-License-Identifier: Apache-2.0
"""`custodes records`: what a device says of the frames that have left it, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TextIO

import typer

from custodes.border import Border, MissingRecordsError, open_border
from custodes.command_line import JsonOption, LanesOption, QuietOption, VerboseOption, appended, command, screen
from custodes.errors import CaptureError, StoppedError
from custodes.fingerprint import MIN_BEAT_CYCLES
from custodes.records import record_line
from custodes.terminal import Screen, shown

POLL_S = 0.1
"""Between two looks for a record."""


class _Taking:
    """Records on their way from a device into a file."""

    def __init__(self, border: Border, file: TextIO, display: Screen) -> None:
        self.count = 0
        self.missing: MissingRecordsError | None = None
        self._border = border
        self._file = file
        self._display = display

    def round(self, limit: int | None) -> bool:
        """Take what there is, up to ``limit`` in all; returns whether more may be wanted."""
        try:
            for record in self._border.records():
                self._file.write(f"{record_line(record)}\n")
                self._file.flush()
                self._display.detail(f"record {record.beat} of what left to the {record.direction.other.name.lower()}")
                self.count += 1
                if self.count == limit:
                    return False
        except MissingRecordsError as error:
            self._display.note(str(error))
            self.missing = error
        except OSError as error:
            raise CaptureError(f"{shown(Path(self._file.name))}: {error.strerror}") from None
        return True


@command
def records(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Records are added to it, a JSON object per line.")
    ],
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="The device: sim:border, serial:PATH[@BAUD].")
    ] = "sim:border",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until Ctrl-C.")] = False,
    count: Annotated[int | None, typer.Option("--count", metavar="N", min=1, help="Wait for so many, and end.")] = None,
    beat: Annotated[
        int | None,
        typer.Option("--beat", metavar="CYCLES", min=MIN_BEAT_CYCLES, max=(1 << 32) - 1, help="First set the beat."),
    ] = None,
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take records from a device: those that there are now, or as they come.

    There is one per beat and direction, also where nothing has left. Records that are not taken in time are lost; that is
    said, and the exit code is 5. `custodes fingerprint` makes them again from a capture.
    """
    display = screen(quiet, verbose)
    with open_border(device, lanes) as border, appended(out) as file:
        if beat is not None:
            border.beat_cycles = beat
        taking = _Taking(border, file, display)
        try:
            while taking.round(count) and (follow or count is not None):
                border.link.wait(POLL_S)
        except KeyboardInterrupt:
            raise StoppedError(f"interrupted after {taking.count} records") from None
        alarms = border.alarms()
    if as_json:
        display.json({"device": device, "out": shown(out), "records": taking.count, "alarms": alarms})
    else:
        display.result(f"{taking.count} records in {shown(out)}")
        for alarm in alarms:
            display.note(alarm)
    if taking.missing:
        raise taking.missing
