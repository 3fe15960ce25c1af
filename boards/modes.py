# SPDX-License-Identifier: Apache-2.0
"""Looks in a netlist whether modes are as far apart as they were meant to be."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

from gateware.control.guarded import MIN_DISTANCE, MODES


def close_modes(netlist: Path) -> list[str]:
    """The mode registers (`guarded`) with two modes that differ in fewer than `MIN_DISTANCE` flip-flops.

    A bit that the design never changes is a constant in the netlist, and modes that need it otherwise are never reached.

    Args:
        netlist: of one module, as JSON from Yosys.
    """
    (module,) = (module for module in json.loads(netlist.read_text())["modules"].values() if not _is_cell(module))
    return sorted(
        name
        for name, net in module["netnames"].items()
        if MODES in net["attributes"] and _distance(net["bits"], net["attributes"][MODES]) < MIN_DISTANCE
    )


def _is_cell(module: dict[str, Any]) -> bool:
    return bool({"blackbox", "whitebox"} & module["attributes"].keys())


def _distance(bits: list[Any], modes: str) -> int:
    """The fewest different flip-flops in which two modes differ. A bit is the number of its net, or a constant."""
    numbers = [int(mode.split("=")[1]) for mode in modes.split()]
    reached = [
        number
        for number in numbers
        if all(isinstance(bit, int) or bit == str(number >> at & 1) for at, bit in enumerate(bits))
    ]
    return min(
        (
            len({bits[at] for at in range(len(bits)) if (one ^ other) >> at & 1})
            for one, other in combinations(reached, 2)
        ),
        default=MIN_DISTANCE,
    )
