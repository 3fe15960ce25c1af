# SPDX-License-Identifier: Apache-2.0
"""`custodes live`: real traffic through a warden."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from custodes.command_line import JsonOption, LanesOption, QuietOption, VerboseOption, command, ended, screen
from custodes.device import open_warden
from custodes.errors import StoppedError, UsageError
from custodes.interface import Interface
from custodes.live import Bridge, Duty, Traffic
from custodes.live_flows import Flows
from custodes.live_report import LiveReport
from custodes.policy import load_policy
from custodes.seed_registers import SEED_BYTES
from custodes.seeds import load_seed
from custodes.table import Port
from custodes.terminal import Screen, shown


@command
def live(
    cluster: Annotated[str, typer.Option("--cluster", metavar="IF", help="The interface on the cluster's side.")],
    world: Annotated[str, typer.Option("--world", metavar="IF", help="The interface on the world's side.")],
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="What is admitted (TOML).")],
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed", metavar="FILE", help="What words are made of: 64 hexadecimal digits. Without: it is drawn."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="The device: sim:warden is simulated.")
    ] = "sim:warden",
    lanes: LanesOption = 8,
    interval: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.05, max=86400, help="Seconds between two readings.")
    ] = 1.0,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", min=0.05, help="End after so long, with exit code 0.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Bridge two network interfaces through a warden, until Ctrl-C or SIGTERM.

    What arrives at one leaves at the other only as the device says; nothing else crosses. The terminal shows what passes;
    where there is none, a line is printed in every interval, and with --json one object at the end.

    Linux only, as root or with CAP_NET_RAW and CAP_NET_ADMIN. Until the end, receive offloads, IPv4 forwarding and IPv6 of
    this machine are off at both interfaces. They should have no addresses of its own: there it answers without the device.
    """
    display = screen(quiet, verbose)
    if cluster == world:
        raise UsageError(f"{cluster}: both sides are the same interface")
    admitted = load_policy(policy)
    words = os.urandom(SEED_BYTES) if seed is None else load_seed(seed)
    with (
        ended() as stopping,
        Interface(cluster) as inner,
        Interface(world) as outer,
        open_warden(device, lanes) as warden,
    ):
        warden.load(admitted)
        flows = Flows(warden, admitted, words)
        ports = {Port.CLUSTER: inner, Port.WORLD: outer}
        for note in (*inner.notes, *outer.notes, *_about(flows, seed)):
            display.note(note)
        bridge = Bridge(ports, warden.link.outcomes)
        report = LiveReport(device, lanes, shown(policy), ports, bridge.traffic, flows.state)
        display.note(f"bridging {cluster} and {world} through {device}; Ctrl-C ends")
        with _shower(display, report, as_json) as show:
            duties = [Duty(interval, show)] + ([Duty(flows.tick_seconds, flows.tick)] if flows.tick_seconds else [])
            bridge.run(lambda: bool(stopping) or _over(bridge.traffic, seconds), *duties)
            if display.terminal:
                show()
        if as_json:
            display.json(report.to_json())
        elif not display.terminal:
            display.facts(report.facts())
    if stopping:
        raise StoppedError(f"stopped after {bridge.traffic.seconds:.1f} s")


def _about(flows: Flows, seed: str | None) -> Iterator[str]:
    """What a user should know of the device's flow table."""
    if not flows.state().slots:
        yield "this device has no flow table: ports and initial sequence numbers leave as stations choose them"
    elif seed is None:
        yield "words: drawn by this machine alone; nobody else can tell that they are random"


def _over(traffic: Traffic, seconds: float | None) -> bool:
    return seconds is not None and traffic.seconds >= seconds


@contextmanager
def _shower(display: Screen, report: LiveReport, as_json: bool) -> Iterator[Callable[[], None]]:
    """What shows the numbers so far."""
    if as_json:
        yield lambda: None
    elif display.terminal:
        with display.refreshed() as refresh:
            yield lambda: refresh(report.facts())
    else:
        yield lambda: display.result(report.line())
