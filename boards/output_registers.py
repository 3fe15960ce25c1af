# SPDX-License-Identifier: Apache-2.0
"""A step between Yosys and nextpnr on ECP5: registers right behind a block RAM become the block RAM's own.

A DP16KD has output registers (Lattice FPGA-TN-02204, section 5), which Yosys does not infer. Without them its outputs take
5.8 ns at speed 6, most of a cycle at 125 MHz, and the register behind must be next to it. Nothing changes at any pin.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_WIDTH = 18
PSEUDO_DUAL_WIDTH = 36
"""Of side A where that writes and B reads, a word coming out of both sides' outputs: a PDPW16KD."""
FREE = {"REGSET": "RESET", "CLKMUX": "CLK", "GSR": "DISABLED"}
"""A register of the block RAM starts at 0, at the rising edge, whatever the global reset does."""
Bit = int | str
Cell = dict[str, Any]
Sink = tuple[str, str]


def absorb(netlist: Path) -> int:
    """Rewrite a netlist of Yosys; returns how many flip-flops it has less."""
    design = json.loads(netlist.read_text())
    absorbed = sum(_absorb(module["cells"]) for module in design["modules"].values())
    staged = netlist.with_name(f".{netlist.name}")
    staged.write_text(json.dumps(design))
    staged.replace(netlist)
    return absorbed


def _absorb(cells: dict[str, Cell]) -> int:
    sinks: dict[Bit, list[Sink]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"].get(port) == "input":
                for bit in bits:
                    sinks[bit].append((name, port))
    absorbed: list[str] = []
    for cell in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        pseudo_dual = int(cell["parameters"]["DATA_WIDTH_A"], 2) == PSEUDO_DUAL_WIDTH
        for sides in ["AB"] if pseudo_dual else ["A", "B"]:
            absorbed += _absorb_port(cells, cell, sides, sinks)
    for name in absorbed:
        del cells[name]
    return len(absorbed)


def _absorb_port(cells: dict[str, Cell], ram: Cell, sides: str, sinks: dict[Bit, list[Sink]]) -> Iterator[str]:
    """Give the outputs of ``sides``, the last of which reads, their registers, if all that they drive are such; yields their
    names. Two sides have the same mode, clock and enable, as it is not said which of them the outputs of A follow."""
    connections = ram["connections"]
    outputs = [f"DO{side}{number}" for side in sides for number in range(MAX_WIDTH)]
    used = {port: bits[0] for port in outputs if (bits := connections.get(port)) and sinks[bits[0]]}
    clock = connections[f"CLK{sides[-1]}"]
    if not used or connections[f"OCE{sides[-1]}"] != ["1"] or not all(_is_free(ram, side, clock) for side in sides):
        return
    registers: dict[str, str] = {}
    for port, bit in used.items():
        (name, pin), *others = sinks[bit]
        if others or pin != "DI" or cells[name]["type"] != "TRELLIS_FF":
            return
        registers[port] = name
    enables = {_enable(cells[name], clock) for name in registers.values()}
    if len(enables) != 1 or None in enables or (len(sides) > 1 and enables != {"1"}):
        return
    enable = enables.pop()
    for side in sides:
        ram["parameters"][f"REGMODE_{side}"] = "OUTREG"
        connections[f"OCE{side}"] = [enable]
    for port, name in registers.items():
        connections[port] = cells[name]["connections"]["Q"]
        yield name


def _is_free(ram: Cell, side: str, clock: list[Bit]) -> bool:
    """Whether the registers of a side are not in use, and would neither follow another clock nor be reset."""
    free = {f"REGMODE_{side}": "NOREG", f"CLK{side}MUX": f"CLK{side}"}
    same = {f"CLK{side}": clock, f"RST{side}": ["0"]}
    return free.items() <= ram["parameters"].items() and all(
        ram["connections"][port] == net for port, net in same.items()
    )


def _enable(register: Cell, clock: list[Bit]) -> Bit | None:
    """What enables a flip-flop that could be a block RAM's: a net, or ``"1"``. None if it could not."""
    parameters, connections = register["parameters"], register["connections"]
    if connections["CLK"] != clock or any(parameters[key] != value for key, value in FREE.items()):
        return None
    if connections.get("LSR", ["0"]) != ["0"] or parameters["LSRMUX"] != "LSR":
        return None
    if parameters["CEMUX"].strip() == "1":
        return "1"
    return connections["CE"][0] if parameters["CEMUX"] == "CE" else None
