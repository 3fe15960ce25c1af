# SPDX-License-Identifier: Apache-2.0
"""The part of a report that shows a crossing of the border, and what its watchers say."""

from __future__ import annotations

from html import escape

from custodes.border_leg import BorderLeg, Crossing, Watcher
from custodes.border_traffic import BEAT_CYCLES
from custodes.markup import table
from custodes.plots import Bar, bars
from custodes.table import Port
from custodes.terminal import plural
from custodes.watch_schedule import DATAPATH_HZ

MICROSECOND = 1_000_000


def border_section(leg: BorderLeg) -> str:
    """Headings, verdicts, a plot and tables, for a page with the style of `custodes.page`."""
    honest, schedule = leg.honest, leg.schedule
    slot_us = schedule.slot_cycles * MICROSECOND / DATAPATH_HZ
    beat_ms = BEAT_CYCLES * 1000 / DATAPATH_HZ
    return f"""<h2>Across the border, watched by both</h2>
<p>Prover and verifier flipped a coin over TCP, with the warden between them; its words took the place of what stations
choose for ports, identifiers and initial sequence numbers. Frames left for the world at a constant rate, one of
{schedule.slot_bytes:,} bytes every {slot_us:g} µs, dummies where none waited, and the device made a record of what had left
each way every {beat_ms:g} ms. Afterwards both shares were opened, and each party did everything again with the
specification, from its own taps at both cables and its own copy of the records.</p>
{_verdict(honest, leg.agrees)}
<dl>{_figures(honest)}</dl>
<figure>
<figcaption>What left for the world. <span class="key"></span>dummies <span class="key left"></span>frames of the
capture</figcaption>
{_plot(honest)}
</figure>
<p class="soft">Epoch {honest.epoch.epoch}: seed {honest.epoch.seed.hex()}. Stations that were recorded without a warden
answer in numbers that never left; in place of that the device was sent what they would have answered. The pauses of the
recording were left out.</p>
{_watchers(honest)}
<h2>A sabotaged warden</h2>
<p>The same capture crossed again, in epoch {leg.sabotaged.epoch.epoch}, through a device that had one bit of one field
wrong: {escape(leg.sabotage.describe())}. Checksums were right, and the records those of what had left, as the device made
them itself.</p>
{_verdict(leg.sabotaged, leg.agrees, sabotaged=True)}
{_watchers(leg.sabotaged)}"""


def _verdict(crossing: Crossing, good: bool, sabotaged: bool = False) -> str:
    lines = "".join(f"<li>{escape(_line(watcher, sabotaged))}</li>" for watcher in crossing.watchers)
    alarms = "".join(f"<li>{escape(alarm)}</li>" for alarm in crossing.traffic.alarms)
    right = all(watcher.agrees is not sabotaged for watcher in crossing.watchers)
    if sabotaged:
        title = "Caught by both watchers" if right else "Not caught by both watchers"
    else:
        title = "Both watchers agree with the device" if right else "The watchers do not agree with the device"
    return f'<div class="{"verdict" if good and right else "verdict bad"}">{title}<ul>{lines}{alarms}</ul></div>'


def _line(watcher: Watcher, sabotaged: bool) -> str:
    text = f"{watcher.party.title}: {watcher.verdict}"
    return f"{text}; {watcher.first}" if watcher.first else text


def _figures(crossing: Crossing) -> str:
    traffic = crossing.traffic
    words = crossing.epoch.used
    facts = {
        "frames sent": traffic.sent.total(),
        "frames left": sum(map(len, traffic.left.values())),
        "dropped": traffic.dropped.total(),
        "dummies": traffic.dummies,
        "records": traffic.records,
        "words used": sum(words),
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>" for name, value in facts.items())


def _plot(crossing: Crossing) -> str:
    frames, dummies = len(crossing.traffic.left[Port.WORLD]), crossing.traffic.dummies
    text = f"{frames:,} of {frames + dummies:,}"
    return bars("slots", f"Slots with frames: {text}", [Bar("slots", frames + dummies, frames, text)])


def _watchers(crossing: Crossing) -> str:
    heads = ("Watcher", "Frames agree", "Missing", "Mismatches", "Records agree", "do not", "frames/s")
    rows = [_row(watcher) for watcher in crossing.watchers]
    dropped = [(reason.title, f"{count:,}") for reason, count in crossing.traffic.dropped.most_common()]
    drops = table(("Dropped by the device because of", "Frames"), dropped)
    commands = "".join(f"<li><code>{escape(watcher.command)}</code></li>" for watcher in crossing.watchers)
    return f"""<div class="wide" role="region" aria-label="Watchers" tabindex="0">{table(heads, rows)}</div>
<details><summary>{plural(crossing.traffic.dropped.total(), "frame")} dropped, and how to watch again</summary>
{drops}<ul>{commands}</ul></details>"""


def _row(watcher: Watcher) -> tuple[str, ...]:
    (epoch,) = watcher.found["epochs"]
    frames, records = epoch["frames"], epoch["records"]
    numbers = (
        frames["agrees"],
        frames["missing"],
        frames["mismatch"],
        records["agrees"],
        records["missing"] + records["mismatch"],
        round(watcher.found["speed"]["frames_per_s"]),
    )
    return (watcher.party.title, *(f"{number:,}" for number in numbers))
