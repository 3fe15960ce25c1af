# SPDX-License-Identifier: Apache-2.0
"""`custodes sample`: what a gateway has committed to and kept, and its epochs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from custodes.command_line import JsonOption, LanesOption, QuietOption, VerboseOption, appended, command, screen
from custodes.errors import CaptureError, UsageError
from custodes.gateway import EpochRecord, Gateway, open_gateway
from custodes.sampling_statistics import observed, probability, threshold
from custodes.terminal import Screen, shown
from custodes.upload_command import GATEWAY_DEVICE, GatewayOption


def reading(gateway: Gateway) -> dict[str, Any]:
    """What goes on in a gateway."""
    state = gateway.registers.fields("SAMPLER_STATE")
    return {
        "mode": gateway.mode.name.lower(),
        "epoch": gateway.registers.read("EPOCH"),
        "live": bool(state["LIVE"]),
        "connections": state["FLOWS"],
        "slots": state["SLOTS"],
        **gateway.counts,
    }


def record_json(record: EpochRecord) -> dict[str, Any]:
    """An epoch that has ended, as it is logged."""
    return {
        "epoch": record.epoch,
        "pairs": record.pairs,
        "kept": record.kept,
        "epsilon": probability(record.threshold),
        "threshold": f"{record.threshold:016x}",
        "observed": record.kept / record.pairs if record.pairs else None,
        "interval": [*observed(record.kept, record.pairs)],
        "root": record.root.hex(),
        "key": record.key.hex(),
        **record.events,
    }


@command
def sample(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.05, max=86400, help="Seconds between two readings.")
    ] = 1.0,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="With --watch: end after so many readings.")
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option("--epsilon", metavar="P", min=0, max=1, help="Begin an epoch in which a pair is kept so likely."),
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", metavar="S", min=0.05, help="With --watch: another epoch so often.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Records of epochs are added to it, an object per line."),
    ] = None,
    device: GatewayOption = GATEWAY_DEVICE,
    lanes: LanesOption = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what a gateway has committed to and kept, and begin epochs.

    An epoch begins with a key that the gateway draws, and commits to; as it ends, the gateway gives its record: the root
    over all pairs, and the key, with which anybody can tell which of them had to be kept.
    """
    display = screen(quiet, verbose)
    if every is not None and (epsilon is None or not watch):
        raise UsageError("--every needs --watch and --epsilon")
    with open_gateway(device, lanes) as gateway, appended(log) if log else nullcontext() as file:
        begins = None if epsilon is None else lambda: _begin(gateway, epsilon, file, display)
        if begins:
            begins()
        if not watch:
            _show(display, device, reading(gateway), as_json)
            return
        _watch(display, device, gateway, interval, count, (every, begins), as_json)


def _begin(gateway: Gateway, epsilon: float, log: TextIO | None, display: Screen) -> None:
    before = gateway.registers.field("SAMPLER_STATE", "LIVE")
    number = gateway.epoch(threshold(epsilon))
    display.note(f"epoch {number} has begun, committed to {gateway.commitment.hex()}")
    if not before:
        return
    found = record_json(gateway.record)
    display.note(
        f"epoch {found['epoch']} has ended: {found['pairs']} pairs, {found['kept']} kept, root {found['root']}"
    )
    if log:
        try:
            log.write(f"{json.dumps(found)}\n")
            log.flush()
        except OSError as error:
            raise CaptureError(f"{shown(Path(log.name))}: {error.strerror}") from None


def _watch(
    display: Screen,
    device: str,
    gateway: Gateway,
    interval: float,
    count: int | None,
    epochs: tuple[float | None, Callable[[], None] | None],
    as_json: bool,
) -> None:
    every, begins = epochs
    started = time.monotonic()
    due = started + every if every else None
    readings = 0
    while True:
        if due is not None and begins and every and time.monotonic() >= due:
            begins()
            due += every
        _show(display, device, reading(gateway), as_json, line=True)
        readings += 1
        if readings == count:
            return
        gateway.link.wait(max(0.0, started + readings * interval - time.monotonic()))


def _show(display: Screen, device: str, now: dict[str, Any], as_json: bool, line: bool = False) -> None:
    if as_json:
        (display.line if line else display.json)({"device": device, **now})
    elif line:
        display.result("; ".join(f"{name} {value}" for name, value in now.items()))
    else:
        display.facts([("device", device), *((name, str(value)) for name, value in now.items())])
