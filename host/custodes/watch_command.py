# SPDX-License-Identifier: Apache-2.0
"""`custodes watch`: what a watcher runs, on what the taps at a warden have recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from custodes.command_line import JsonOption, QuietOption, VerboseOption, apart, command, ended, screen
from custodes.errors import MismatchError, UsageError
from custodes.flow_table import FLOWS
from custodes.table import Port, Reason
from custodes.terminal import Screen, shown
from custodes.watch import Limits, Verdict
from custodes.watch_inputs import Files, parse_seed
from custodes.watch_live import InterfaceTap, record
from custodes.watch_manifest import SHARES, find_epochs
from custodes.watch_run import Audit, State, run
from custodes.watch_schedule import DATAPATH_HZ

SECOND_NS = 1_000_000_000


@command
def watch(
    sources: Annotated[
        list[Path], typer.Argument(metavar="EPOCH...", help="Directories of an epoch each, or manifests (TOML).")
    ],
    policy: Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="What is admitted (TOML).")] = None,
    schedule: Annotated[
        Path | None, typer.Option("--schedule", metavar="FILE", help="When frames leave for the world (TOML).")
    ] = None,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="HEX", help="Of the epoch, where there are no opened shares.")
    ] = None,
    number: Annotated[int, typer.Option("--epoch", metavar="N", min=0, help="Its number, with --seed.")] = 0,
    uncertainty: Annotated[
        int, typer.Option("--uncertainty", metavar="NS", min=0, help="By which times at the taps may be wrong.")
    ] = Limits.uncertainty_ns,
    delay: Annotated[
        int, typer.Option("--delay", metavar="NS", min=0, help="That the warden may take for a frame.")
    ] = Limits.delay_ns,
    beat: Annotated[
        int | None,
        typer.Option("--beat", metavar="CYCLES", min=1, help="From one record to the next, where it is known."),
    ] = None,
    flows: Annotated[int, typer.Option("--flows", metavar="N", help="Slots of the flow table.")] = FLOWS,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, max=1024, help="Processes, of a Dask cluster.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="A Dask scheduler that there is: tcp://...")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Keep what is found, and take it from there again.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="IF", help="Tap this interface, on the cluster's side.")
    ] = None,
    world: Annotated[str | None, typer.Option("--world", metavar="IF", help="And this one, on the world's.")] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", min=0.05, help="Tap so long; without, until Ctrl-C.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a report.")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Check that a warden did what its specification says, frame by frame, from captures at both its cables.

    A directory holds cluster-sent, cluster-received, world-sent and world-received (.pcap or .pcapng): what the stations of
    each side have sent into the warden, and what it let out to them. Beside them may be opened.json (the shares of the coin,
    from `custodes coin`), records.jsonl (from `custodes records`), policy.toml and schedule.toml. A manifest has a table
    [[epoch]] for each, which names files with the same keys.

    All is done again by the specification, with the words that the shares make. Each frame agrees, or is missing, or is a
    mismatch: changed, too much, out of order, or at a wrong time. The flow table is empty when an epoch begins.

    With --cluster and --world, what passes two interfaces is first written into the directory, and then checked, unless
    there are neither shares nor a seed yet. Linux only, as root or with CAP_NET_RAW.

    Exit code 6 unless everything agrees.
    """
    display = screen(quiet, verbose)
    if workers is not None and scheduler is not None:
        raise UsageError("--workers are of a cluster of its own; a scheduler has its own")
    if flows < 64 or flows > 16384 or flows & (flows - 1):
        raise UsageError("--flows: a power of two, 64 to 16384")
    try:
        parsed = None if seed is None else parse_seed(seed)
    except ValueError as error:
        raise UsageError(f"--seed: {error}") from None
    beat_ns = None if beat is None else beat * SECOND_NS // DATAPATH_HZ
    common = Files(
        policy or Path(),
        (),
        (),
        (),
        (),
        None,
        parsed,
        number,
        None,
        schedule,
        Limits(uncertainty, delay),
        beat_ns,
        flows,
    )
    if cluster is not None or world is not None:
        folder = _tap(display, sources, cluster, world, seconds)
        if parsed is None and not (folder / SHARES).exists():
            return
    epochs = find_epochs(sources, common)
    for files in epochs:
        apart(html, *files.all)
    with display.waiting() as waiting:
        audit = run(
            epochs, State(state), workers, scheduler, lambda done: waiting(f"{done} of {len(epochs)} epochs checked")
        )
    if html is not None:
        from custodes.watch_report import write_page  # matplotlib is slow to import

        write_page(html, [shown(source) for source in sources], audit)
    if as_json:
        display.json(audit.to_json() | {"page": None if html is None else shown(html)})
    else:
        display.facts(_facts(audit))
        for finding in audit.findings:
            display.result(finding)
        display.result(audit.verdict)
    if not audit.good:
        raise MismatchError(audit.verdict)


def _tap(display: Screen, sources: list[Path], cluster: str | None, world: str | None, seconds: float | None) -> Path:
    """Record an epoch; returns its directory."""
    if cluster is None or world is None or cluster == world or len(sources) != 1:
        raise UsageError("taps need --cluster and --world, two interfaces, and one directory to write to")
    with ended() as stopping, InterfaceTap(cluster) as inner, InterfaceTap(world) as outer:
        display.note(f"tapping {cluster} and {world}; Ctrl-C ends")
        until = None if seconds is None else time.monotonic() + seconds
        counts = record(
            {Port.CLUSTER: inner, Port.WORLD: outer},
            sources[0],
            lambda: bool(stopping) or (until is not None and time.monotonic() >= until),
        )
    display.note(f"{shown(sources[0])}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return sources[0]


def _facts(audit: Audit) -> Iterator[tuple[str, str]]:
    """An audit for people."""
    if len(audit.outcomes) > 1:
        again = f", {audit.resumed} of them before" if audit.resumed else ""
        yield "epochs", f"{len(audit.outcomes)}{again}"
    sent, received = audit.total("sent"), audit.total("received")
    yield "sent", f"{sent['cluster']:,} frames by the cluster, {sent['world']:,} by the world"
    yield "left", f"{received['world']:,} frames to the world, {received['cluster']:,} to the cluster"
    for name, count in audit.total("dropped").most_common():
        yield "", f"{count:,} had to be dropped: {Reason[name].title}"
    for what, known in (("frames", True), ("records", audit.checked_records)):
        found = audit.total(what)
        told = ", ".join(f"{found[verdict.value]:,} {verdict.value}" for verdict in Verdict)
        yield what, told if known else "none were given"
    if audit.swapped:
        yield "order", f"{audit.swapped:,} pairs of frames, which the taps do not tell apart, taken the other way"
    who = "" if audit.workers is None else f" by {audit.workers} worker{'' if audit.workers == 1 else 's'}"
    yield "speed", f"{audit.checked_frames:,} frames in {audit.seconds:.1f} s{who}: {audit.frames_per_s:,.0f} frames/s"
