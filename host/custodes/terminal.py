# SPDX-License-Identifier: Apache-2.0
"""What commands print: results on stdout, everything else on stderr, a progress bar on a terminal only."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from custodes.errors import CaptureError
from custodes.passage import Passage
from custodes.report import Erased, Report
from custodes.session_report import SessionReport
from custodes.table import RESIDUAL_NOTE

PLAIN_WIDTH = 120
"""Columns of a report that does not go to a terminal."""


def shown(path: Path) -> str:
    """A file name that can be printed, whatever its bytes."""
    return _printable(str(path))


def error_line(text: str) -> None:
    """Say on stderr, in one line, why a command fails."""
    try:
        print(f"custodes: {_printable(' '.join(text.split()))}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what is still in the buffer not fail again when Python ends."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _printable(text: str) -> str:
    """The bytes of a name that are not UTF-8, and characters that would control a terminal, as escapes."""
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in decoded)


class _Notes(Console):
    """A console whose reader may leave."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _give_up(sys.stderr)


class Screen:
    """Where a command prints. ``verbosity`` is -1 for errors and results only, 0, or 1 for details."""

    def __init__(self, verbosity: int = 0) -> None:
        terminal = sys.stdout.isatty()
        self._text = io.StringIO()
        self._out = Console(
            file=self._text,
            force_terminal=terminal or None,
            width=None if terminal else PLAIN_WIDTH,
            markup=False,
            highlight=False,
        )
        self._err = _Notes(markup=False, highlight=False, stderr=True)
        self._verbosity = verbosity
        self._status: Status | None = None

    def note(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if self._verbosity >= 0:
            self._err.print(text, soft_wrap=True)

    def detail(self, text: str) -> None:
        """A line on stderr for those who asked for details."""
        if self._verbosity > 0:
            self._err.print(text, soft_wrap=True, style="dim")

    def result(self, *parts: RenderableType) -> None:
        """Print a result on stdout. A reader who has left is no error; raises `CaptureError` where the disk is full."""
        for part in parts:
            self._out.print(part, soft_wrap=isinstance(part, str))
        lines = self._text.getvalue().split("\n")
        self._text.seek(0)
        self._text.truncate()
        try:
            sys.stdout.write("\n".join(line.rstrip() for line in lines))
            sys.stdout.flush()
        except OSError as error:
            _give_up(sys.stdout)
            if not isinstance(error, BrokenPipeError):
                raise CaptureError(f"standard output: {error.strerror}") from None

    def json(self, value: Any) -> None:
        """Print one JSON object on stdout."""
        self.result(json.dumps(value, indent=2))

    @contextmanager
    def progress(self, total: int, doing: str) -> Iterator[Callable[[int], None]]:
        """A bar of ``total`` bytes that goes away at the end; call what it yields with how far things are."""
        columns = (TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        hidden = self._verbosity < 0 or not self._err.is_terminal
        with Progress(*columns, console=self._err, transient=True, disable=hidden) as bar:
            task = bar.add_task("", total=total)
            yield lambda position: bar.update(task, completed=position)

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """A line that goes away at the end, on a terminal only; call what it yields with what is being waited for."""
        if self._verbosity < 0 or not self._err.is_terminal:
            yield lambda doing: None
            return
        with self._err.status("") as self._status:
            yield self._status.update
        self._status = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """The line of `waiting` is away for the length of a block, as what is asked would be lost in it."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Names and what they are, below each other."""
        self.result(_grid(rows))

    @property
    def terminal(self) -> bool:
        """Whether results go to one."""
        return sys.stdout.isatty()

    @contextmanager
    def refreshed(self) -> Iterator[Callable[[Iterable[tuple[str, str]]], None]]:
        """Facts in one place of the terminal; call what it yields with the new ones."""
        with Live(console=Console(markup=False, highlight=False), auto_refresh=False) as live:
            yield lambda rows: live.update(_grid(rows), refresh=True)

    def line(self, value: Any) -> None:
        """Print one JSON object on one line of stdout."""
        self.result(json.dumps(value))

    def report(self, report: Report) -> None:
        """A report for people, its verdict last."""
        parts: list[RenderableType] = [_summary(report), *_dropped(report), _fields(report)]
        passed = [entry for entry in report.passed if entry.frames]
        if passed:
            table = _table("Residual: passes as it is", "frames", "bits, at most")
            for entry in passed:
                table.add_row(entry.row.title, f"{entry.frames:,}", bits(entry.after))
            parts.append(table)
        parts.append(f"Residual that headers do not show: {RESIDUAL_NOTE}\n")
        self.result(*parts, *_verdict(report))

    def session(self, report: SessionReport) -> None:
        """A report on a sealed or opened capture for people, its verdict last."""
        grid = Table.grid(padding=(0, 2))
        grid.add_row("capture", report.input)
        grid.add_row("device", f"{report.device}, {plural(report.lanes, 'lane')}")
        grid.add_row("keys", f"{report.keys_file}: {plural(report.channels, 'channel')}")
        grid.add_row("frames", f"{report.frames_in:,} in, {report.frames_out:,} out, {report.frames_dropped:,} dropped")
        grid.add_row("speed", _speed(report))
        table = _table("Associations", "count")
        for counts in report.associations:
            if any(counts.counters.values()):
                table.add_row(counts.title, style="dim")
                for name, count in counts.counters.items():
                    table.add_row(f"  {name}", f"{count:,}")
        self.result(grid, *_dropped(report), *([table] if table.row_count else []), *_verdict(report))

    def info(self, facts: dict[str, Any]) -> None:
        """What `custodes info` found."""
        grid = Table.grid(padding=(0, 2))
        device = facts["device"]
        grid.add_row("version", facts["version"])
        grid.add_row("device", f"{device['name']}, identity {device['identity']}, {plural(device['lanes'], 'lane')}")
        for name, value in (facts.get("policy_defaults") or facts["sessions"]).items():
            grid.add_row(name.replace("_", " "), " ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in _control_rows(facts):
            grid.add_row(name, value)
        for name, value in facts.get("gateway", {}).items():
            grid.add_row(name.replace("_", " "), str(value))
        if "table" not in facts:
            self.result(grid)
            return
        table = _table("Scrub table: what becomes of each field", "treatment", "bits", "left")
        for row in facts["table"]:
            size = "8 a byte" if row["bits"] is None else str(row["bits"])
            table.add_row(row["title"], row["action"], size, f"{row['after']:g}")
        self.result(grid, table)


def _control_rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a device with control says of itself."""
    if "control" not in facts:
        return
    for name, value in facts["control"].items():
        yield name.replace("_", " "), ", ".join(value) or "none" if isinstance(value, list) else str(value)
    yield "firmware", f"version {facts['firmware']}" if facts["firmware"] else "does not run"
    for name, item in (facts["items"] or {}).items():
        yield f"keeps {name.lower()}", f"{item['bytes']} bytes, {item['sha256']}"
    for name, value in (facts["proved"] or {}).items():
        yield name.replace("_", " "), value


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def bits(count: float) -> str:
    """A number of bits, or of bits per frame times frames, rounded to whole bits."""
    return f"{count:,.0f}"


def plural(count: int, thing: str) -> str:
    """``1 frame``, ``2 frames``, ``2 addresses``."""
    ending = "" if count == 1 else "es" if thing.endswith("s") else "s"
    return f"{count:,} {thing}{ending}"


def _summary(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row("capture", report.input)
    grid.add_row("device", f"{report.device}, {plural(report.lanes, 'lane')}")
    grid.add_row("policy", policy_line(report))
    grid.add_row("flows", flows_line(report))
    altered = f"{report.frames_altered:,} of them altered"
    counts = f"{report.frames_in:,} in, {report.frames_out:,} out ({altered}), {report.frames_dropped:,} dropped"
    grid.add_row("frames", counts)
    grid.add_row("speed", _speed(report))
    return grid


def _speed(report: Passage) -> str:
    return f"{report.frames_per_s:,.0f} frames/s, {report.megabytes_per_s:.2f} MB/s through the device"


def _dropped(report: Passage) -> list[RenderableType]:
    """Why frames were dropped, where any was."""
    if not report.frames_dropped:
        return []
    table = _table("Dropped", "frames")
    for title, count in report.drop_titles:
        table.add_row(title, f"{count:,}")
    return [table]


def _verdict(report: Passage) -> list[RenderableType]:
    """What is wrong, and the verdict."""
    parts: list[RenderableType] = [f"  {mismatch.describe()}" for mismatch in report.shown]
    hidden = report.mismatches - len(report.shown)
    parts += [f"  ... and {hidden:,} more frames"] if hidden else []
    parts += [f"  {line}" for line in report.counters]
    colour = "yellow" if not report.checked else "green" if report.agrees else "red"
    return [*parts, Text(report.verdict, style=f"bold {colour}")]


def policy_line(report: Report) -> str:
    """Which policy, and how much it admits."""
    policy = report.admission
    size = f"{plural(policy.stations, 'station')} and {plural(policy.ip_addresses, 'IP address')}"
    if policy.file is not None:
        return f"{shown(policy.file)}: {size}"
    return f"none given: admitted the {size} found in the capture; the first station is the cluster"


def flows_line(report: Report) -> str:
    """Whether the device knows flows, and what their words are made of."""
    if not report.flows:
        return "no flow table: ports, identifiers and initial sequence numbers leave as stations choose them"
    seed = "zeros, which everybody knows" if report.seed is None else report.seed
    return f"{report.flows:,} slots; words are made of {seed}"


def _table(title: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2), header_style="dim")
    table.add_column("", min_width=52)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _fields(report: Report) -> Table:
    table = _table("Covert capacity of the frames that left, in bits", "frames", "altered", "before", "after")
    for entry in report.erased:
        if carries(entry):
            table.add_row(
                entry.row.title, f"{entry.frames:,}", f"{entry.altered:,}", bits(entry.before), bits(entry.after)
            )
    table.add_section()
    table.add_row("all scrubbed fields", "", "", bits(report.bits_before), bits(report.bits_after), style="bold")
    return table


def carries(entry: Erased) -> bool:
    """Whether a row has anything to say: capacity, or alterations."""
    return bool(entry.before or entry.altered)
