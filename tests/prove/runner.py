# SPDX-License-Identifier: Apache-2.0
"""Prove the units with SymbiYosys and show what was proven, how deep, and by which solver."""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from .broken import COPIES
from .harness import Harness
from .sby import ENGINES, Outcome, Task, run
from .units import harness

__all__ = ["BUILD", "PROOFS", "Proof", "main"]

BUILD = Path(__file__).resolve().parents[2] / "build" / "prove"
STREAM = "stream rule, order, no loss, no duplication"
GATE = "nothing leaves but frames with good verdicts, as they came"
VERDICT = "good only if the frame's own tag is right and its key still there"
NONCE = "no nonce twice with a key, nothing sealed once it is zeroised"
KEY = "no key is touched that a frame inside has"
COIN = "no word before both shares have been checked in its epoch"
WORD = "each flow that begins has a word of its own, of its side, and a slot that it says"
DROPPED = "nothing leaves of a frame that was dropped, nor before its result is there"
SERVES = "nothing passes before every announced bit was digested, to the announced digest; no power too early"
ERASED = "every row and power is overwritten, nothing of a key stays behind"


@dataclass(frozen=True)
class Proof:
    """One harness and how far it is run.

    ``bounded`` is the depth in steps; ``bounded_z3`` is that of z3, 0 for the same one: which solver slows down sooner
    depends on the design. The covers must be reached within the deeper one, so that the proof is not one of runs in
    which nothing happens. ``induction`` is the k of the unbounded proof, 0 for none; its covers have ``covered`` steps.
    ``engines``: the first only, where it takes long and all of them show the same of the unit with other lanes.
    """

    harness: str
    what: str
    bounded: int = 0
    bounded_z3: int = 0
    induction: int = 0
    covered: int = 0
    engines: tuple[str, ...] = ENGINES

    @property
    def unit(self) -> str:
        return self.harness.split()[0]

    def tasks(self, engines: tuple[str, ...], timeout_s: int) -> list[Task]:
        """Every engine must agree. A cover is a run of the design, whoever found it, so the quicker one looks for it."""
        modes = []
        for engine in (engine for engine in engines if engine in self.engines):
            if self.bounded:
                depth = self.bounded_z3 if engine == "z3" and self.bounded_z3 else self.bounded
                modes.append(("bmc", depth, engine))
            if self.induction:
                modes.append(("prove", self.induction, engine))
        modes.append(("cover", self.covered or max(self.bounded, self.bounded_z3), ENGINES[0]))
        base = self.harness.replace(" ", "-")
        return [
            Task(f"{base}-{mode}-{engine}", mode, depth, engine, timeout_s=timeout_s) for mode, depth, engine in modes
        ]


PROOFS = (
    Proof("SkidBuffer", f"{STREAM}, latency, throughput", bounded=20),
    Proof("SkidBuffer paced", "the same for ever, if stalls last 1 cycle", induction=8, covered=20),
    Proof("WidthConverter 1-2", f"{STREAM}, error on last, latency", bounded=20, bounded_z3=10),
    Proof("WidthConverter 1-2 paced", "the same for ever, if pauses last 1 cycle", induction=8, covered=20),
    Proof("WidthConverter 1-3", f"{STREAM}, error on last, latency", bounded=14, bounded_z3=9),
    Proof("WidthConverter 2-1", f"{STREAM}, error on last, latency", bounded=20),
    Proof("WidthConverter 2-1 paced", "the same for ever, if pauses last 1 cycle", induction=8, covered=20),
    Proof("WidthConverter 4-2", f"{STREAM}, error on last, latency", bounded=14, bounded_z3=9),
    Proof("FrameFIFO", f"no partial frame, every verdict, {STREAM}, latency", bounded=14, bounded_z3=11),
    Proof("ClockCrossing", f"{STREAM}, waits are bounded", bounded=15, bounded_z3=16, covered=18),
    Proof("Queue", f"{STREAM}, level, latency", bounded=14, bounded_z3=10),
    Proof("StreamChecker", "every violation and nothing else, the right one", induction=4, covered=10),
    Proof("Gate", f"no byte before a good verdict, {STREAM}, latency", bounded=12, bounded_z3=9, covered=14),
    Proof("Gate 1", f"{GATE}, for ever", induction=2, covered=8),
    Proof("Gate 8", f"{GATE}, for ever", induction=2, covered=8),
    Proof("Opener 1", VERDICT, induction=6, covered=34, engines=ENGINES[:1]),
    Proof("Opener 8", VERDICT, induction=6, covered=30, engines=ENGINES[:1]),
    Proof("Opener 64", VERDICT, induction=3, covered=22),
    Proof("Opener gateway", VERDICT, induction=6, covered=34, engines=ENGINES[:1]),
    Proof("Sealer 1", NONCE, induction=5, covered=46, engines=ENGINES[:1]),
    Proof("Sealer 8", NONCE, induction=5, covered=28, engines=ENGINES[:1]),
    Proof("Sealer 64", NONCE, induction=3, covered=20),
    Proof("Sealer gateway", NONCE, induction=5, covered=46, engines=ENGINES[:1]),
    Proof("Associations", f"{KEY}, zeroised is never used again", induction=3, covered=14),
    Proof("Associations few", "every key is overwritten in time", bounded=16, bounded_z3=12, covered=20),
    Proof("Session", "keys, salts and SSCIs cannot be read", induction=2, covered=17),
    Proof("Session cleared", "nothing of a key waits for longer than its command", induction=3, covered=28),
    Proof("Coin", COIN, induction=2, covered=64),
    Proof("Allocator", f"{WORD}, for ever", induction=2, covered=16),
    Proof("WordRewriter", DROPPED, bounded=14, bounded_z3=8, covered=20),
    Proof("BeatRewriter", DROPPED, bounded=10, bounded_z3=7, covered=20),
    Proof("Upload", f"{SERVES}, for ever", induction=2, covered=56),
    Proof("KeyLoader 1", ERASED, induction=2, covered=36),
    Proof("KeyLoader 8", ERASED, induction=2, covered=36),
    Proof("KeyLoader 64", ERASED, induction=2, covered=36),
)


@dataclass(frozen=True)
class Job:
    """A task on a harness, which is still to be made; ``name`` and ``what`` are for the table."""

    name: str
    what: str
    make: Callable[[], Harness]
    task: Task

    @property
    def unit(self) -> str:
        return self.name.split()[0]


def _jobs(engines: tuple[str, ...], timeout_s: int) -> list[Job]:
    """All proofs, each unit's followed by its broken copies; what refutes one is a run, whoever found it."""
    jobs = [
        Job(
            proof.harness,
            proof.what if task.mode != "cover" else "the proof is not vacuous",
            partial(harness, proof.harness),
            task,
        )
        for proof in PROOFS
        for task in proof.tasks(engines, timeout_s)
    ]
    jobs += [Job(copy.by, f"the proof can fail: {copy.what}", copy.harness, copy.task()) for copy in COPIES]
    order = list(dict.fromkeys(job.unit for job in jobs))
    return sorted(jobs, key=lambda job: order.index(job.unit))


def _table(results: list[tuple[Job, Outcome]]) -> Table:
    table = Table(title="Proofs")
    for heading in ("unit", "shown", "engine", "mode"):
        table.add_column(heading)
    for heading in ("depth", "result", "covers", "seconds"):
        table.add_column(heading, justify="right")
    before = ""
    for job, outcome in results:
        if before and before != job.unit:
            table.add_section()
        before, task = job.unit, job.task
        good = "[green]as it must" if task.refutes else f"[green]{outcome.status}"
        verdict = good if outcome.passed else f"[bold red]{outcome.status}, FAILED"
        table.add_row(
            job.name,
            job.what,
            task.engine,
            "induction" if task.mode == "prove" else task.mode,
            f"k={task.depth}" if task.mode == "prove" else str(task.depth),
            verdict,
            f"{outcome.reached}/{outcome.covers}" if task.mode == "cover" else "",
            f"{outcome.seconds:.1f}{' cached' if outcome.cached else ''}",
        )
    return table


def main(argv: list[str] | None = None) -> int:
    """Exit status of ``python -m tests.prove``: 0 if everything that was asked for holds, 1 if not."""
    units = sorted({proof.unit for proof in PROOFS})
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--unit", action="append", choices=units, help="only this unit (can be repeated)")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this solver (can be repeated)")
    parser.add_argument("--jobs", type=int, default=2, help="proofs at the same time (default %(default)s)")
    parser.add_argument("--timeout", type=int, default=280, help="seconds per proof (default %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="do not reuse results of unchanged designs")
    arguments = parser.parse_args(argv)

    engines = tuple(arguments.engine or ENGINES)
    work = [job for job in _jobs(engines, arguments.timeout) if not arguments.unit or job.unit in arguments.unit]
    console = Console(width=None if Console().is_terminal else 160)
    start = time.monotonic()
    # All before the first is run: making one replaces parts of modules for a while, which no other thread may see.
    made = [job.make() for job in work]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [
            pool.submit(run, design, job.task, BUILD, reuse=not arguments.fresh)
            for design, job in zip(made, work, strict=True)
        ]
        outcomes = [
            future.result()
            for future in track(futures, "proving", console=console, transient=True, disable=not console.is_terminal)
        ]
    results = list(zip(work, outcomes, strict=True))
    console.print(_table(results))
    failed = [job.task.name for job, outcome in results if not outcome.passed]
    console.print(f"{len(results) - len(failed)} of {len(results)} passed in {time.monotonic() - start:.0f} s")
    for name in failed:
        console.print(f"[red]failed:[/red] see {BUILD / name}.log", soft_wrap=True)
    return 1 if failed else 0
