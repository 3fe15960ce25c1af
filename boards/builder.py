# SPDX-License-Identifier: Apache-2.0
"""From a board and a device to a bitstream whose clocks are all met."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from boards import colorlight_5a75b, ecpix5, icebreaker, ulx3s, versa_ecp5, versa_ecp5_5g
from boards.board import Board
from boards.clock_report import Clock, read_clocks
from boards.toolchain import BITSTREAMS, Run, prepare
from boards.top import CLOCK_HZ, CONTROL_HZ, BorderTop, ControlTop, GatewayTop, NicTop, WardenTop
from firmware import image
from gateware.control.system import SECRET_BYTES

BOARDS = {
    module.BOARD.name: module.BOARD
    for module in (versa_ecp5, versa_ecp5_5g, colorlight_5a75b, ecpix5, ulx3s, icebreaker)
}


@dataclass(frozen=True)
class Contents:
    """What a device gets with its bitstream.

    Attributes:
        writes: registers that it writes by itself after reset, if it is one that does.
        secret: of the device, 32 bytes, if it has one.
        build_id: what it says of itself; see `Build`.
    """

    writes: Sequence[tuple[int, int]] = ()
    secret: bytes = bytes(SECRET_BYTES)
    build_id: bytes = bytes(hashlib.sha256().digest_size)


DEVICES: dict[str, Callable[[Board, Contents], Any]] = {
    "warden": lambda board, contents: WardenTop(board, contents.writes),
    "loop": lambda board, contents: WardenTop(board, contents.writes),
    "border": lambda board, contents: BorderTop(board, contents.writes, contents.build_id),
    "gateway": lambda board, contents: GatewayTop(board, contents.build_id),
    "nic": lambda board, contents: NicTop(board, image.build().data, contents.secret, contents.build_id),
    "control": lambda board, contents: ControlTop(board),
}
"""What goes onto boards -> what makes it. A loop is a warden with one port."""
CELLS = {
    "ecp5": {"logic": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD"},
    "ice40": {"logic": "ICESTORM_LC", "bram": "ICESTORM_RAM"},
}
"""Family -> what is counted -> nextpnr's name of it. On iCE40 a flip-flop is part of a logic cell."""
SEEDS = range(1, 9)


class TimingError(Exception):
    """No seed met every clock."""


@dataclass(frozen=True)
class Build:
    """What a build was made from, and what came of it.

    ``used`` and ``there`` are cells by kind. ``source`` is the digest of all that went in, ``build_id`` the SHA-256 of the
    Verilog, with zeros where the device says it, ``bitstream`` that of the bitstream.
    """

    board: str
    device: str
    source: str
    build_id: str
    seed: int
    bitstream: str
    used: dict[str, int]
    there: dict[str, int]
    clocks: tuple[Clock, ...]

    @property
    def name(self) -> str:
        return f"{self.board}-{self.device}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Build:
        clocks = tuple(Clock(**clock) for clock in kept["clocks"])
        return cls(**{key: value for key, value in kept.items() if key != "clocks"}, clocks=clocks)


def expected_clocks(board: Board, device: str) -> list[int]:
    """Hz of every clock that the device on this board has: its own, that of the transmitters, one per receiver, and that of
    its control."""
    if board.pll is None:
        return [int(board.platform().default_clk_frequency)]
    return [CLOCK_HZ] * (2 + len(board.ports)) + [CONTROL_HZ] * (device in ("border", "gateway", "nic"))


def build(
    board: Board, device: str, contents: Contents, out: Path, seeds: Sequence[int], say: Callable[[str], None]
) -> tuple[Build, Path]:
    """Build, or find built, the bitstream of a device; returns what is to be said of it and where it is.

    Args:
        contents: what the device gets with it, but for the build id.
        out: folder of bitstreams; what the tools work on stays in a folder of the same name.
        seeds: of the placer, tried in order until every clock is met.
        say: is told how it goes.

    Raises:
        ToolError: a tool failed. FirmwareError: the firmware cannot be built. ClockError: a clock is not constrained as it
            must be. TimingError: no seed was good.
    """
    plan = prepare(board.platform(), board.family, DEVICES[device](board, contents))
    name = f"{board.name}-{device}"
    record = out / f"{name}.json"
    bitstream = out / f"{name}{Path(BITSTREAMS[board.family]).suffix}"
    if record.exists() and bitstream.exists():
        kept = Build.from_json(json.loads(record.read_text()))
        if kept.source == plan.digest and kept.bitstream == _sha256(bitstream.read_bytes()):
            say(f"{name}: built before from the same sources")
            return kept, bitstream
    record.unlink(missing_ok=True)
    run = Run(plan, out / name)
    build_id = _sha256(run.verilog())
    # The others come out as before.
    named = replace(contents, build_id=bytes.fromhex(build_id))
    run = Run(prepare(board.platform(), board.family, DEVICES[device](board, named)), out / name)
    say(f"{name}: synthesis")
    run.synthesise()
    for seed in seeds:
        say(f"{name}: place and route with seed {seed}")
        report = run.place(seed)
        clocks = tuple(read_clocks(report, expected_clocks(board, device)))
        say(f"{name}: " + ", ".join(f"{clock.name} {clock.reached_mhz} of {clock.asked_mhz} MHz" for clock in clocks))
        if all(clock.met for clock in clocks):
            break
    else:
        raise TimingError(f"no seed of {list(seeds)} meets every clock")
    cells = {kind: report["utilization"][cell] for kind, cell in CELLS[board.family].items()}
    made = Build(
        board=board.name,
        device=device,
        source=plan.digest,
        build_id=build_id,
        seed=seed,
        bitstream=_sha256(run.bitstream.read_bytes()),
        used={kind: cell["used"] for kind, cell in cells.items()},
        there={kind: cell["available"] for kind, cell in cells.items()},
        clocks=clocks,
    )
    staged = bitstream.with_name(f".{bitstream.name}")
    shutil.copyfile(run.bitstream, staged)
    staged.replace(bitstream)
    record.write_text(json.dumps(made.as_json(), indent=1) + "\n")
    return made, bitstream


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
