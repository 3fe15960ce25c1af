# SPDX-License-Identifier: Apache-2.0
"""Change the proven units one bit at a time and count how many of the mutants their properties kill.

A mutant that no property kills is compared with the unchanged unit. If no run of the same depth, under the same input
rules, tells them apart at the ports, it is listed as equivalent (to that depth) and not counted. If one does, the
properties have a hole: the exit status is 1, so the floor is that every mutant which shows at the ports is killed. It is
1, too, when more than ``--undecided`` mutants of a unit stay without an answer. The record is build/mutate.json.
"""

import argparse
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from .mutants import KILLED, SAME, SURVIVED, UNDECIDED, Mutant, Target, Verdict

__all__ = ["TARGETS", "main"]

BUILD = Path(__file__).resolve().parents[2] / "build"

# As deep as the deepest cover of each proof needs: what the mutants must be caught by has happened by then.
TARGETS = (
    Target("SkidBuffer", 12),
    Target("WidthConverter 1-3", 12),
    Target("WidthConverter 4-2", 10),
    Target("FrameFIFO", 14),
    Target("ClockCrossing", 14),
    Target("Queue", 12),
    Target("StreamChecker", 7),
)


def _where(mutant: Mutant) -> str:
    lines = [Path(source).name for source in mutant.sources] or [mutant.cell]
    return f"{mutant.module.removeprefix('top.')} {mutant.port} {mutant.mode}: {', '.join(lines)}"


def _table(verdicts: dict[str, list[Verdict]]) -> Table:
    table = Table(title="Mutants of the proven units")
    for heading in ("unit", "mutants", KILLED, SAME, SURVIVED, UNDECIDED, "share killed", "seconds"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    everything = [verdict for found in verdicts.values() for verdict in found]
    for unit, found in [*verdicts.items(), ("total", everything)]:
        if unit == "total":
            table.add_section()
        words = Counter(verdict.word for verdict in found)
        different = len(found) - words[SAME]
        table.add_row(
            unit,
            str(len(found)),
            *(str(words[word]) for word in (KILLED, SAME, SURVIVED, UNDECIDED)),
            f"{words[KILLED]}/{different}",
            f"{sum(verdict.seconds for verdict in found):.0f}",
        )
    return table


def main(argv: list[str] | None = None) -> int:
    """Exit status of ``python -m tests.mutate``: 0 if no mutant that shows itself at the ports survived, 1 else."""
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("--unit", action="append", choices=names, help="only this unit (can be repeated)")
    parser.add_argument("--count", type=int, default=20, help="mutants per unit (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which mutants (default %(default)s)")
    parser.add_argument("--undecided", type=int, default=0, help="allowed per unit (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time (default %(default)s)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds per proof (default %(default)s)")
    arguments = parser.parse_args(argv)

    console = Console(width=None if Console().is_terminal else 160)
    work = BUILD / "mutate"
    targets = [target for target in TARGETS if not arguments.unit or target.name in arguments.unit]
    start = time.monotonic()
    verdicts: dict[str, list[Verdict]] = {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for target in targets:
            if not target.holds(work, arguments.timeout):
                console.print(f"[red]{target.name}: the proof fails without a mutation, see {work}", soft_wrap=True)
                return 1
            futures = [
                pool.submit(target.judge, number, mutant, work, arguments.timeout)
                for number, mutant in enumerate(target.mutants(arguments.count, arguments.seed, work))
            ]
            follow = track(futures, target.name, console=console, transient=True, disable=not console.is_terminal)
            verdicts[target.name] = [future.result() for future in follow]
    seconds = time.monotonic() - start

    depths = {target.name: target.depth for target in targets}
    console.print(_table(verdicts))
    for unit, found in verdicts.items():
        for verdict in found:
            if verdict.word != KILLED:
                reason = f" (no difference at the ports in {depths[unit]} steps)" if verdict.word == SAME else ""
                line = f"{verdict.word}: {unit}, {_where(verdict.mutant)}{reason}"
                console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"seed {arguments.seed}, {seconds:.0f} s")
    report = {
        "seed": arguments.seed,
        "count": arguments.count,
        "seconds": round(seconds),
        "units": {
            unit: {
                "depth": depths[unit],
                **{
                    word: sum(verdict.word == word for verdict in found) for word in (KILLED, SAME, SURVIVED, UNDECIDED)
                },
                "mutants": [verdict.record() for verdict in found],
            }
            for unit, found in verdicts.items()
        },
    }
    (BUILD / "mutate.json").write_text(json.dumps(report, indent=1) + "\n")
    holes = any(verdict.word == SURVIVED for found in verdicts.values() for verdict in found)
    undecided = max(sum(verdict.word == UNDECIDED for verdict in found) for found in verdicts.values())
    return 1 if holes or undecided > arguments.undecided else 0
