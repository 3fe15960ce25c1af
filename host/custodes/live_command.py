# SPDX-License-Identifier: Apache-2.0
"""`custodes live`: real traffic through a warden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from custodes.command_line import JsonOption, LanesOption, QuietOption, VerboseOption, command, ended, screen
from custodes.device import open_warden
from custodes.errors import StoppedError, UsageError
from custodes.interface import Interface
from custodes.live import Bridge, Traffic, Way
from custodes.policy import load_policy
from custodes.table import Port
from custodes.terminal import Screen, shown


@command
def live(
    cluster: Annotated[str, typer.Option("--cluster", metavar="IF", help="The interface on the cluster's side.")],
    world: Annotated[str, typer.Option("--world", metavar="IF", help="The interface on the world's side.")],
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="What is admitted (TOML).")],
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
    with (
        ended() as stopping,
        Interface(cluster) as inner,
        Interface(world) as outer,
        open_warden(device, lanes) as warden,
    ):
        warden.load(admitted)
        ports = {Port.CLUSTER: inner, Port.WORLD: outer}
        for note in (*inner.notes, *outer.notes):
            display.note(note)
        bridge = Bridge(ports, warden.link.exchange)
        about = {"device": device, "lanes": lanes, "policy": shown(policy)}
        display.note(f"bridging {cluster} and {world} through {device}; Ctrl-C ends")
        with _shower(display, ports, about, bridge.traffic, as_json) as show:
            bridge.run(lambda: bool(stopping) or _over(bridge.traffic, seconds), show, interval)
        if as_json:
            display.json(about | summary(ports, bridge.traffic))
        else:
            display.facts(_facts(ports, about, bridge.traffic))
    if stopping:
        raise StoppedError(f"stopped after {bridge.traffic.seconds:.1f} s")


def _over(traffic: Traffic, seconds: float | None) -> bool:
    return seconds is not None and traffic.seconds >= seconds


def summary(ports: dict[Port, Interface], traffic: Traffic) -> dict[str, Any]:
    """The numbers of a run as JSON."""
    sides = {
        port.name.lower(): {"interface": ports[port].name}
        | way.to_json()
        | {
            "cut": ports[port].cut,
            "completed": ports[port].completed,
            "refused": ports[port].refused,
            "lost": ports[port].lost,
        }
        for port, way in traffic.ways.items()
    }
    return {
        "seconds": round(traffic.seconds, 3),
        "busy_seconds": round(traffic.busy_seconds, 3),
        "delay_ms": {"mean": round(traffic.delay_mean * 1e3, 3), "max": round(traffic.delay_max * 1e3, 3)},
        **sides,
    }


@contextmanager
def _shower(
    display: Screen, ports: dict[Port, Interface], about: dict[str, Any], traffic: Traffic, as_json: bool
) -> Iterator[Callable[[], None]]:
    """What shows the numbers so far."""
    if as_json:
        yield lambda: None
    elif display.terminal:
        with display.refreshed() as refresh:
            yield lambda: refresh(_facts(ports, about, traffic))
    else:
        yield lambda: display.result(f"{traffic.seconds:.1f}s  " + "; ".join(_line(ports, traffic)))


def _line(ports: dict[Port, Interface], traffic: Traffic) -> Iterator[str]:
    for port, way in traffic.ways.items():
        yield f"{port.name.lower()} {way.frames_in:,} in, {way.frames_out:,} out, {way.drops.total():,} dropped"
    yield f"delay {traffic.delay_mean * 1e3:.1f} ms"


def _facts(ports: dict[Port, Interface], about: dict[str, Any], traffic: Traffic) -> Iterator[tuple[str, str]]:
    """A run for people."""
    yield "device", f"{about['device']}, {about['lanes']} lane{'' if about['lanes'] == 1 else 's'}"
    yield "policy", about["policy"]
    for port, way in traffic.ways.items():
        yield from _side(ports[port], port, way, traffic.seconds)
    yield "delay", f"{traffic.delay_mean * 1e3:.2f} ms in the mean, {traffic.delay_max * 1e3:.2f} ms at most"
    share = traffic.busy_seconds / traffic.seconds if traffic.seconds else 0.0
    yield "time", f"{traffic.seconds:.1f} s, {share:.0%} of it in the device"


def _side(interface: Interface, port: Port, way: Way, seconds: float) -> Iterator[tuple[str, str]]:
    rate = way.bytes_in / 1e6 / seconds if seconds else 0.0
    told = f"{way.frames_in:,} frames in at {interface.name} ({rate:.2f} MB/s), {way.frames_out:,} out"
    told += f" ({way.altered:,} of them altered), {way.drops.total():,} dropped"
    yield f"from {port.name.lower()}", told
    for reason, count in way.drops.most_common():
        yield "", f"dropped {count:,}: {reason.title}"
    more = {
        "came merged and were cut into segments": interface.cut,
        "came without the checksum that hardware would have made": interface.completed,
        "could not be received or sent as they were": interface.refused,
        "found no room in front of the device": interface.lost,
    }
    for text, count in more.items():
        if count:
            yield "", f"{count:,} {text}"
