# SPDX-License-Identifier: Apache-2.0
"""The results as tables, for a terminal and for a Markdown file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from .targets import Target, lut4_per_gbit
from .units import lanes_text


@dataclass(frozen=True)
class Table:
    """Text in rows; columns after the first ``left`` are numbers, set to the right."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    def rich(self) -> Group:
        table = RichTable()
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if number < self.left else "right")
        for row in self.rows:
            table.add_row(*row)
        return Group(Text(f"\n{self.title}", "bold"), table)

    def markdown(self) -> str:
        rules = ["---" if number < self.left else "---:" for number in range(len(self.headings))]
        lines = [self.headings, rules, *self.rows]
        body = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
        return f"## {self.title}\n\n{body}\n"


def tables(results: Mapping[str, Any], targets: Iterable[Target]) -> Iterator[Table]:
    """One table per section that has something in it."""
    if results["cycles"]:
        yield _cycles(results["cycles"])
    if results["units"]:
        yield _units(results["units"])
    if results["curve"]:
        yield _curve(results["curve"])
    yield from _slow_paths([*results["units"], *results["curve"]])
    if results["simulation"]:
        yield _simulation(results["simulation"])
    if results["specification"]:
        rows = [[row["frames"], f"{row['count']:,}", f"{row['frames_per_s']:,}"] for row in results["specification"]]
        yield Table("Specification, one core", ["frames", "count", "frames/s"], rows)
    if results["audits"]:
        yield _audits(results["audits"])
    yield _targets(targets)
    if results["not_measured"]:
        rows = [[row["what"], row["reason"]] for row in results["not_measured"]]
        yield Table("Not measured", ["what", "why"], rows, left=2)


def _pivot(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[tuple[Any, ...], str],
    keys: Sequence[str],
    cell: str,
) -> Table:
    """A row per frame size, and a column for each value of ``keys`` that is in ``columns``."""
    sizes = sorted({row["frame_bytes"] for row in rows})
    found = {(row["frame_bytes"], *(row[key] for key in keys)): cell.format(**row) for row in rows}
    body = [[str(size), *(found.get((size, *column), "") for column in columns)] for size in sizes]
    return Table(title, ["frame bytes", *columns.values()], body, left=0)


def _audits(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The ratio is to one process without workers."""
    alone = next((row["frames_per_s"] for row in rows if row["workers"] is None), 0)
    body = [
        [
            "none" if row["workers"] is None else str(row["workers"]),
            f"{row['epochs']:,}",
            f"{row['frames']:,}",
            f"{row['frames_per_s']:,}",
            f"{row['frames_per_s'] / alone:.2f}" if alone else "-",
        ]
        for row in rows
    ]
    return Table("Audits with `custodes watch`", ["workers", "epochs", "frames", "frames/s", "ratio"], body)


def _cycles(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = {(row["device"], row["lanes"]): f"{row['device']}, {lanes_text(row['lanes'])}" for row in rows}
    title = "Beats per cycle, frames back to back · latency in cycles, first beat in to last out"
    return _pivot(title, rows, columns, ["device", "lanes"], "{beats_per_cycle:.3f} · {latency_cycles:5}")


def _simulation(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = {
        (
            row["lanes"],
            row["directions"],
        ): f"{lanes_text(row['lanes'])}, {'both ways' if row['directions'] == 2 else 'one way'}"
        for row in rows
    }
    return _pivot("Simulation, ingress MB/s", rows, columns, ["lanes", "directions"], "{mbytes_per_s:.2f}")


def _units(rows: Sequence[Mapping[str, Any]]) -> Table:
    counts = {
        "lut4": "LUT4",
        "ccu2c": "CCU2C",
        "ff": "FF",
        "bram": "DP16KD",
        "dpr16x4": "DPR16X4",
        "trellis_comb": "COMB",
    }
    body = [
        [
            row["unit"],
            row["part"],
            str(row["lanes"]),
            *(_number(row[key], ",") for key in counts),
            _number(None if row["lut4"] is None else lut4_per_gbit(row["lut4"], row["lanes"]), ",.0f"),
            _number(row["fmax_mhz"], ".1f"),
            f"{row['clock_mhz']:g}",
        ]
        for row in rows
    ]
    headings = ["unit", "part", "lanes", *counts.values(), "LUT4 per Gbit/s", "Fmax MHz", "asked"]
    return Table("Units out of context", headings, body, left=2)


def _curve(rows: Sequence[Mapping[str, Any]]) -> Table:
    members = {
        "lut4": ("LUT4", ","),
        "trellis_comb": ("COMB", ","),
        "ff": ("FF", ","),
        "bram": ("DP16KD", ","),
        "fmax_mhz": ("Fmax MHz", ".1f"),
        "clock_mhz": ("asked", "g"),
        "gbit_per_s": ("Gbit/s", ".2f"),
        "gbit_per_s_per_klut": ("per 1,000 LUT4", ".3f"),
    }
    body = [
        [row["unit"], row["part"], str(row["lanes"]), *(_number(row[key], spec) for key, (_, spec) in members.items())]
        for row in rows
    ]
    headings = ["engine", "part", "lanes", *(heading for heading, _ in members.values())]
    return Table("AES-256-GCM, lanes x 8 bits x Fmax", headings, body, left=2)


def _slow_paths(rows: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    slow = [
        [row["unit"], str(row["lanes"]), row["slowest_path"]]
        for row in rows
        if row["slowest_path"] and row["fmax_mhz"] < row["clock_mhz"]
    ]
    if slow:
        yield Table("What keeps units from the clock asked for", ["unit", "lanes", "slowest path"], slow, left=3)


def _targets(targets: Iterable[Target]) -> Table:
    body = [
        [
            target.what,
            target.verdict,
            f"{'≥' if target.at_least else '≤'} {_number(target.goal, ',g' if _whole(target.goal) else ',.2f')}",
            _number(target.measured, ",g" if _whole(target.measured) else ",.2f"),
            target.unit,
            _number(target.ratio, ".2f"),
        ]
        for target in targets
    ]
    headings = ["target", "verdict", "goal", "measured", "unit", "ratio"]
    return Table("Targets: a ratio of 1 or more is met", headings, body, left=2)


def _whole(value: float | None) -> bool:
    return value is None or value == int(value)


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)
