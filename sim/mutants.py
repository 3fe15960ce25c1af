# SPDX-License-Identifier: Apache-2.0
"""A design with mutants of itself inside, one of which is chosen while it runs.

A mutant has one change at one bit of one cell's port: it is inverted, or always 0 or 1. So a single simulated device stands
for them all, and building it takes little longer than building the device.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

INPUT = "mutant"
"""The port that is added to the design, and the number of the mutant that the design then is; 0: of none."""
FLATTEN = "proc; flatten; opt_expr; opt_clean; opt_dff; opt_clean -purge"
"""No mutant is spent on what drives no port."""
CHANGEABLE = "t:$meminit* %n"
"""What a memory holds before the first cycle is constant, and must stay so."""
MODES = ("inv", "const0", "const1")
"""Those of Yosys' `mutate` that let no bit depend on another that it did not depend on: nothing can begin to oscillate."""
SPARE = 3
"""Times as many are drawn as are wanted, for some are left out."""
_OPTION = re.compile(r"-(\w+) (\S+)")


@dataclass(frozen=True)
class Mutants:
    """So many, drawn by Yosys so that they are spread over cells and nets; ``seed`` says which."""

    count: int
    seed: int = 1


@dataclass(frozen=True)
class Mutant:
    """What is changed: the ``bit`` of a ``port`` of a ``cell``, which is near the ``wire``."""

    mode: str
    cell: str
    port: str
    bit: int
    wire: str

    def describe(self) -> str:
        return f"{self.wire}: {self.port.removeprefix(chr(92))}[{self.bit}] of {self.cell}, {self.mode}"


def mutate(work: Path, mutants: Mutants, yosys: Callable[[str], object]) -> list[Mutant]:
    """Put mutants into ``device.il`` in the folder ``work``, where ``yosys`` runs scripts. Returns them, the first being
    number 1.

    Clocks are left alone: a simulation without clocks shows nothing that a simulation of another device would not.
    """
    drawn = SPARE * mutants.count
    listing = f"mutate -list {drawn} -seed {mutants.seed} -o drawn.txt {CHANGEABLE}"
    yosys(f"read_rtlil device.il; {FLATTEN}; {listing}; write_rtlil plain.il")
    found = [*_usable((work / "drawn.txt").read_text())][: mutants.count]
    if len(found) < mutants.count:
        raise ValueError(f"there are only {len(found)} mutants, not {mutants.count}")
    width = mutants.count.bit_length()
    commands = [
        f"mutate -mode {mutant.mode} -module \\device -cell {mutant.cell} -port {mutant.port} -portbit {mutant.bit}"
        f" -ctrl \\{INPUT} {width} {number}"
        for number, mutant in enumerate(found, 1)
    ]
    (work / "mutate.ys").write_text("\n".join(["read_rtlil plain.il", *commands, "write_rtlil device.il", ""]))
    yosys("script mutate.ys")
    return found


def _usable(listing: str) -> Iterator[Mutant]:
    for line in listing.splitlines():
        options = dict(_OPTION.findall(line))
        if options.get("mode") in MODES and not options["port"].upper().endswith("CLK"):
            wire = options.get("wire", options["cell"])
            yield Mutant(options["mode"], options["cell"], options["port"], int(options["portbit"]), wire)


def listed(library: Path) -> Path:
    """Where the list of the mutants in a shared object is kept."""
    return library.with_suffix(".mutants")


def write_list(path: Path, found: list[Mutant]) -> None:
    path.write_text(json.dumps([asdict(mutant) for mutant in found], indent=1))


def read_list(library: Path) -> list[Mutant]:
    """The mutants in a shared object, the first being number 1."""
    return [Mutant(**found) for found in json.loads(listed(library).read_text())]
