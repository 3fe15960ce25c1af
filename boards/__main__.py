# SPDX-License-Identifier: Apache-2.0
"""``python -m boards``: bitstreams, and the table of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from boards.builder import BOARDS, DEVICES, SEEDS, Contents, TimingError, build
from boards.clock_report import ClockError
from boards.records import HEADINGS, POLICY, drift, read_records, rows, write_record
from boards.toolchain import ToolError
from custodes.errors import PolicyError
from custodes.policy import load_policy
from custodes.registers import initial_writes
from firmware.image import FirmwareError
from gateware.control.system import SECRET_BYTES

OUT = Path("build/boards")
USAGE, FAILED, POLICY_ERROR, TIMING, DRIFT = 2, 1, 4, 5, 6
"""Exit codes: wrong usage, a tool failed, bad policy, a clock is not met or not constrained, not what was recorded."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m boards", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="which device fits which board, and what the recorded builds take")
    making = commands.add_parser("build", help="make a bitstream whose clocks are all met")
    making.add_argument("--board", required=True, choices=BOARDS)
    making.add_argument("--device", required=True, choices=DEVICES)
    making.add_argument("--policy", type=Path, default=POLICY, help="the device's policy (default: an example)")
    making.add_argument(
        "--secret",
        type=Path,
        help="file with the secret of a nic, 64 hexadecimal digits (default: zeros, no secret at all)",
    )
    making.add_argument("--out", type=Path, default=OUT, help="folder of bitstreams (default %(default)s)")
    making.add_argument("--seed", type=int, action="append", help="of the placer, in place of the usual ones")
    making.add_argument("--record", action="store_true", help="put the result into the committed table")
    arguments = parser.parse_args(argv)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        if arguments.command == "list":
            return _list()
        return _build(arguments, console)
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130


class SecretError(Exception):
    """A file that is no secret; says so without what is in it."""


def _secret(path: Path | None) -> bytes:
    if path is None:
        return bytes(SECRET_BYTES)
    try:
        found = bytes.fromhex(path.read_text().strip())
    except ValueError:
        found = b""
    if len(found) != SECRET_BYTES:
        raise SecretError(f"{path} does not have {2 * SECRET_BYTES} hexadecimal digits")
    return found


def _list() -> int:
    console = Console(width=None if Console().is_terminal else 160)
    records = read_records()
    table = Table("board", "title", HEADINGS[1], "fits", *HEADINGS[2:])
    for board in BOARDS.values():
        for device in DEVICES:
            made = records.get(f"{board.name}-{device}")
            recorded = rows([made])[0][2:] if made else ()
            table.add_row(board.name, board.title, device, "yes" if device in board.devices else "no", *recorded)
        table.add_section()
    console.print(table)
    return 0


def _build(arguments: argparse.Namespace, console: Console) -> int:
    board, device = BOARDS[arguments.board], arguments.device
    if device not in board.devices:
        console.print(f"{device} does not fit {board.name}, which takes: {', '.join(board.devices)}")
        return USAGE
    example = arguments.policy == POLICY and arguments.secret is None
    if arguments.record and not example:
        console.print("only builds with the policy that comes with the tree and without a secret are recorded")
        return USAGE
    try:
        contents = Contents(tuple(initial_writes(load_policy(arguments.policy))), _secret(arguments.secret))
        recorded = read_records().get(f"{board.name}-{device}")
        first = [recorded.seed] if recorded else []
        seeds = arguments.seed or [*first, *(seed for seed in SEEDS if seed not in first)]
        arguments.out.mkdir(parents=True, exist_ok=True)
        made, bitstream = build(board, device, contents, arguments.out, seeds, console.print)
    except PolicyError as error:
        console.print(str(error))
        return POLICY_ERROR
    except SecretError as error:
        console.print(str(error))
        return USAGE
    except (ClockError, TimingError) as error:
        console.print(str(error))
        return TIMING
    except (ToolError, FirmwareError, OSError) as error:
        console.print(str(error))
        return FAILED
    print(f"{made.bitstream}  {bitstream}")
    if arguments.record:
        write_record(made)
    if not example:
        return 0
    differences = drift(made)
    for line in differences:
        console.print(line)
    return DRIFT if differences else 0


if __name__ == "__main__":
    sys.exit(main())
