# SPDX-License-Identifier: Apache-2.0
"""Record real traffic between two network namespaces, and tell what a capture contains.

Run from the top of the repository: `python -m tests.captures.record --help`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.captures import kinds, scenes
from tests.captures.world import HERE, RecordingError, World

MIXED, SMALL = "mixed.pcap", "small.pcapng"
REQUIRED = {MIXED: kinds.REQUIRED_MIXED, SMALL: kinds.REQUIRED_SMALL}
LARGEST_BYTES = {MIXED: 700_000, SMALL: 150_000}
PROGRAMS = (
    *(
        "arping",
        "curl",
        "dig",
        "dnsmasq",
        "editcap",
        "ethtool",
        "hostname",
        "ip",
        "iperf3",
        "mount",
        "ndisc6",
        "nginx",
        "ping",
    ),
    *("rdisc6", "ss", "ssh", "ssh-keygen", "sshd", "sysctl", "tc", "tcpdump", "unshare"),
)


def faults(directory: Path = HERE) -> list[str]:
    """What is wrong with the two captures in the directory, one line each."""
    lines = []
    for name, required in REQUIRED.items():
        path = directory / name
        if not path.is_file():
            lines.append(f"{name}: missing")
            continue
        contents = kinds.read(path)
        lines += [f"{name}: {fault}" for fault in contents.faults(required)]
        if path.stat().st_size > LARGEST_BYTES[name]:
            lines.append(f"{name}: {path.stat().st_size} bytes, more than {LARGEST_BYTES[name]}")
        if not contents.nanoseconds:
            lines.append(f"{name}: time in whole microseconds")
    return lines


def record(directory: Path) -> None:
    """Record both captures into the directory. Needs root, Linux and the listed programs."""
    directory.mkdir(parents=True, exist_ok=True)
    with World() as world:
        mixed, small = world.directory / MIXED, world.directory / "small.pcap"
        with world.tap(world.client, mixed):
            world.plug_in()
            scenes.open_house(world)
            scenes.neighbours(world)
            scenes.play_together(world, scenes.MIXED)
            scenes.bridge(world)
        with world.tap(world.client, small):
            for scene in scenes.SMALL:
                scene(world)
        shutil.copyfile(mixed, directory / MIXED)
        # dumpcap would write the machine's processor and kernel into the file; editcap writes neither.
        world.run(world.client, "editcap", "-F", "pcapng", small, world.directory / SMALL)
        shutil.copyfile(world.directory / SMALL, directory / SMALL)


def show(path: Path) -> None:
    """Print a table of what the capture contains."""
    contents = kinds.read(path)
    unit = "nanoseconds" if contents.nanoseconds else "microseconds"
    title = f"{path.name}: {contents.frames} frames, {path.stat().st_size} bytes, {contents.seconds:.1f} s in {unit}"
    table = Table("kind", title=title, title_justify="left")
    table.add_column("frames", justify="right")
    for kind in sorted(set(contents.kinds) - set(kinds.MUST_BE_ZERO)):
        table.add_row(kind, str(contents.kinds[kind]))
    table.add_section()
    for kind in kinds.MUST_BE_ZERO:
        table.add_row(kind, str(contents.kinds[kind]))
    table.add_section()
    table.add_row("shortest frame, bytes", str(contents.shortest_bytes))
    table.add_row("longest frame, bytes", str(contents.longest_bytes))
    Console().print(table)


def main(
    out: Annotated[Path | None, typer.Option(help="Record both captures into this directory; as root.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Print what is in this capture.", exists=True)] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the committed captures, or those just made.")] = False,
) -> None:
    """Record real traffic between two network namespaces, and tell what a capture contains."""
    if out is None and summary is None and not verify:
        _leave("nothing to do: give --out, --summary or --verify", 2)
    if out is not None:
        _record_or_leave(out)
    if summary is not None:
        show(summary)
    if out is not None or verify:
        found = faults(out or HERE)
        if found:
            _leave("\n".join(found), 1)
        print(f"{' and '.join(REQUIRED)} in {out or 'tests/captures'} contain every required kind")


def _record_or_leave(out: Path) -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        _leave("recording needs root on Linux", 2)
    missing = [name for name in PROGRAMS if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        _leave(f"recording needs programs that are not installed: {', '.join(missing)}", 2)
    # An end from outside has to remove the namespaces too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        record(out)
    except RecordingError as error:
        _leave(str(error), 1)


def _leave(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
