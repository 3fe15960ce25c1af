# SPDX-License-Identifier: Apache-2.0
"""RTLIL as one module of Verilog, with one table of all that hold the same: an FPGA has no memory with as many ports as AES
needs, a simulator does. Memories of zeros are left to the simulator, in which everything begins as zero: written down, they
would be most of what is compiled."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

_CELL = re.compile(r"^  cell \$mem_v2 .*\n(?:    .*\n)*  end\n", re.MULTILINE)
_ZEROS = re.compile(r"^(    parameter \\INIT \d+)'0+\n", re.MULTILINE)
_MEMBER = re.compile(r"^    (parameter|connect) \\(\w+) (.*)$", re.MULTILINE)
_PORT_BITS = ("RD_CLK_ENABLE", "RD_CLK_POLARITY", "RD_WIDE_CONTINUATION", "RD_CE_OVER_SRST")
_PORT_WORDS = ("RD_ARST_VALUE", "RD_SRST_VALUE", "RD_INIT_VALUE")
_PORT_SIGNALS = ("RD_CLK", "RD_EN", "RD_ARST", "RD_SRST", "RD_ADDR", "RD_DATA")


def write_flat_verilog(work: Path, passes: str, yosys: Callable[[str], object]) -> None:
    """Make ``device.v`` out of ``device.il`` in the folder ``work``, where ``yosys`` runs scripts; ``passes`` flatten it."""
    yosys(f"read_rtlil device.il; {passes}; write_rtlil flat.il")
    (work / "merged.il").write_text(merged((work / "flat.il").read_text()))
    yosys("read_rtlil merged.il; write_verilog -noattr device.v")


def merged(netlist: str) -> str:
    """RTLIL of one module, of whose memories without write ports those with the same contents have become one, and which
    does not say of memories with write ports that they are full of zeros.

    Shorter to write down, to compile and to keep in a cache; what is read, and when, stays the same.
    """
    tables: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for cell in _CELL.findall(netlist):
        members = _members(cell)
        if members["WR_PORTS"] == "0":
            tables[tuple(members[name] for name in ("SIZE", "WIDTH", "ABITS", "INIT"))].append(cell)
    replacements = {cells[0]: _one(cells) for cells in tables.values()}
    replacements |= {cell: "" for cells in tables.values() for cell in cells[1:]}
    return _CELL.sub(lambda cell: replacements.get(cell[0], _ZEROS.sub(r"\1'x\n", cell[0])), netlist)


def _members(cell: str) -> dict[str, str]:
    """Parameters and connections."""
    return {name: value for _, name, value in _MEMBER.findall(cell)}


def _one(cells: list[str]) -> str:
    """The first of these, with the ports of all."""
    members = [_members(cell) for cell in cells]
    values = {"RD_PORTS": str(sum(int(of["RD_PORTS"]) for of in members))}
    for name in (*_PORT_BITS, *_PORT_WORDS):
        bits = "".join(_bits(of[name]) for of in members)
        values[name] = f"{len(bits)}'{bits}"
    for name in _PORT_SIGNALS:
        values[name] = f"{{ {' '.join(of[name] for of in members)} }}"
    return _MEMBER.sub(lambda line: f"    {line[1]} \\{line[2]} {values.get(line[2], line[3])}", cells[0])


def _bits(constant: str) -> str:
    """The digits of ``width'digits``, as many as the width says."""
    width, digits = constant.split("'")
    return digits.rjust(int(width), "x" if digits == "x" else "0")
