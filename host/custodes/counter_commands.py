# SPDX-License-Identifier: Apache-2.0
"""`custodes counters`: what a device has counted, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from custodes.command_line import JsonOption, QuietOption, VerboseOption, command, screen
from custodes.device import COUNTER_NAMES, Warden, at_rest, opened
from custodes.macsec import ASSOCIATIONS, ASSOCIATIONS_PER_CHANNEL, Side
from custodes.nic import Nic
from custodes.nic_access import NIC_DEVICE, NicOption
from custodes.processor import OUTCOMES, Processor
from custodes.processor_registers import COUNTERS, OCTETS, association_register
from custodes.recognition import roused
from custodes.session_report import OCTETS_TITLES, associated
from custodes.terminal import Screen

DIRECTIONS = {Side.ACCELERATOR: "transmit", Side.NETWORK: "receive"}
Counters = dict[str, int]
"""What is counted -> how often."""


def warden_counters(warden: Warden) -> Counters:
    """Every counter of a warden."""
    return {name: warden.link.read(address) for address, name in COUNTER_NAMES.items()}


def session_counters(processor: Processor, everything: bool) -> Counters:
    """The counters of a processor; unless ``everything`` is asked for, of the associations that have a key, and those
    that are of no association."""
    found: Counters = {}
    for side, outcomes in OUTCOMES.items():
        numbers = range(ASSOCIATIONS) if everything else processor.numbers(side)
        direction = DIRECTIONS[side]
        values = processor.link.read_many(association_register(COUNTERS, side, 0), len(outcomes))
        found |= {
            f"{direction} {outcome.title}": value
            for outcome, value in zip(outcomes, values, strict=True)
            if not associated(outcome)
        }
        for number in numbers:
            channel, an = divmod(number, ASSOCIATIONS_PER_CHANNEL)
            values = processor.link.read_many(association_register(COUNTERS, side, number), len(outcomes))
            found |= {
                f"{direction} {channel} AN {an} {outcome.title}": value
                for outcome, value in zip(outcomes, values, strict=True)
                if associated(outcome)
            }
            lower, upper = processor.link.read_many(association_register(OCTETS, side, number), 2)
            found[f"{direction} {channel} AN {an} {OCTETS_TITLES[side]}"] = lower | upper << 32
    return found


def reading(device: Warden | Processor | Nic, everything: bool) -> Callable[[], Counters]:
    """How the counters of a device are read."""
    if isinstance(device, Warden):
        return lambda: warden_counters(device)
    processor = Processor(device.link) if isinstance(device, Nic) else device
    return lambda: session_counters(processor, everything)


@command
def counters(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.05, max=86400, help="Seconds between two readings.")
    ] = 1.0,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="With --watch: end after so many readings.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are 0, and of associations without a key.")
    ] = False,
    device: NicOption = NIC_DEVICE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what a device has counted: a warden, a processor, or a whole network card.

    With --watch the terminal shows it afresh in every interval; where there is none, a line is printed, and with --json
    an object on one line: seconds since the first reading, and every counter.
    """
    display = screen(quiet, verbose)
    with opened(roused, device, 1) as found:
        read = reading(found, everything)
        if watch:
            _watch(display, device, read, interval, count, everything, as_json)
            return
        now = at_rest(read)
    if as_json:
        display.json({"device": device, "counters": now})
    else:
        display.facts(_shown(now, {}, everything))
        if not any(now.values()) and not everything:
            display.note("every counter is 0")


def _shown(now: Counters, before: Counters, everything: bool) -> Iterator[tuple[str, str]]:
    for name, value in now.items():
        if value or everything:
            rise = (value - before.get(name, value)) % (1 << (64 if "Octets" in name else 32))
            yield name, f"{value:,}" + (f"  +{rise:,}" if rise else "")


def _watch(
    display: Screen,
    device: str,
    read: Callable[[], Counters],
    interval: float,
    count: int | None,
    everything: bool,
    as_json: bool,
) -> None:
    started = time.monotonic()
    before: Counters = {}
    readings = 0
    with _shower(display, device, everything, as_json) as show:
        while True:
            now = read()
            seconds = time.monotonic() - started if readings else 0.0
            show(seconds, now, before)
            before = now
            readings += 1
            if readings == count:
                return
            time.sleep(max(0.0, started + readings * interval - time.monotonic()))


@contextmanager
def _shower(
    display: Screen, device: str, everything: bool, as_json: bool
) -> Iterator[Callable[[float, Counters, Counters], None]]:
    """What shows a reading: seconds, counters, and the counters before."""
    if as_json:
        yield lambda seconds, now, before: display.line(
            {"device": device, "seconds": round(seconds, 3), "counters": now}
        )
    elif display.terminal:
        with display.refreshed() as refresh:
            yield lambda seconds, now, before: refresh(
                [("device", device), ("seconds", f"{seconds:.1f}"), *_shown(now, before, everything)]
            )
    else:
        yield lambda seconds, now, before: display.result(
            f"{seconds:.1f}s  "
            + ("; ".join(f"{name} {value}" for name, value in _shown(now, before, everything)) or "every counter is 0")
        )
