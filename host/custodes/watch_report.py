# SPDX-License-Identifier: Apache-2.0
"""What a watcher has found, as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from custodes import markup
from custodes.output import output_file
from custodes.page import STYLE
from custodes.plots import Bar, bars
from custodes.table import Reason
from custodes.watch import Verdict
from custodes.watch_run import Audit

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Watcher's report: $input</title>
<style>$style</style>
</head>
<body>
<main>
<h1>What the watcher found</h1>
<p class="soft">$input: $epochs, $speed.</p>
<div class="$verdict_class" role="status">$verdict$findings</div>
<dl>$figures</dl>

<h2>Frames</h2>
<figure>
<figcaption>Frames that left or had to, and records. <span class="key"></span>agree
<span class="key left"></span>are missing, or a mismatch</figcaption>
$plot
</figure>
<p class="soft">Everything that was sent into the warden has been put through the executable specification again, with the
words that the opened shares make. A frame is missing if it had to leave and did not; it is a mismatch if it left and should
not have: not so, not then, or not at all.$swapped</p>

<h2>What had to be dropped</h2>
$drops

<h2>Epochs</h2>
<div class="wide" role="region" aria-label="Epochs" tabindex="0">$table</div>
</main>
</body>
</html>
""")


def write_page(path: Path, sources: Sequence[str], audit: Audit) -> None:
    """Write the page; raises `CaptureError` where it cannot be written."""
    with output_file(path) as file:
        file.write(page(sources, audit).encode())


def page(sources: Sequence[str], audit: Audit) -> str:
    """The page as text; ``sources`` are the directories and manifests."""
    many = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    findings = "".join(f"<li>{escape(text)}</li>" for text in audit.findings)
    swapped = (
        f" The taps do not tell the order of {audit.swapped:,} pairs of frames; it was taken as it explains the rest."
    )
    count = len(audit.outcomes)
    return PAGE.substitute(
        style=STYLE,
        input=escape(f"{sources[0]}{many}"),
        epochs=f"{count} epoch{'' if count == 1 else 's'}",
        speed=f"{audit.checked_frames:,} frames in {audit.seconds:.1f} s",
        verdict_class="verdict" if audit.good else "verdict bad",
        verdict=escape(audit.verdict),
        findings=f"<ul>{findings}</ul>" if findings else "",
        figures=_figures(audit),
        plot=_plot(audit),
        swapped=swapped if audit.swapped else "",
        drops=_drops(audit),
        table=_table(audit.outcomes),
    )


def _figures(audit: Audit) -> str:
    frames, records = audit.total("frames"), audit.total("records")
    facts = {
        "frames sent": audit.total("sent").total(),
        "frames left": audit.total("received").total(),
        "agree": frames[Verdict.AGREES.value],
        "missing": frames[Verdict.MISSING.value],
        "mismatches": frames[Verdict.MISMATCH.value],
        "records agree": records[Verdict.AGREES.value],
        "records do not": records.total() - records[Verdict.AGREES.value],
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>" for name, value in facts.items())


def _plot(audit: Audit) -> str:
    rows = []
    for what in ("frames", "records"):
        found = audit.total(what)
        bad = found.total() - found[Verdict.AGREES.value]
        rows.append(Bar(what, found.total(), bad, f"{found[Verdict.AGREES.value]:,} of {found.total():,} agree"))
    return bars("verdicts", "Frames and records, and how many of them do not agree", rows)


def _drops(audit: Audit) -> str:
    dropped = [(Reason[name].title, count) for name, count in audit.total("dropped").most_common()]
    if not dropped:
        return "<p>Nothing.</p>"
    text = "; ".join(f"{title}: {count}" for title, count in dropped)
    rows = [Bar(title, count, 0, f"{count:,}") for title, count in dropped]
    plot = bars("drops", f"Frames that had to be dropped, by reason. {text}", rows)
    table = markup.table(("Reason", "Frames"), [(title, f"{count:,}") for title, count in dropped])
    return f"<figure>{plot}</figure><details><summary>The same as a table</summary>{table}</details>"


def _table(outcomes: Sequence[dict[str, Any]]) -> str:
    heads = ("Epoch", "Frames agree", "Missing", "Mismatches", "Records agree", "do not", "Words")
    rows = []
    for outcome in outcomes:
        frames, records = outcome["frames"], outcome["records"] or {}
        agree = records.get(Verdict.AGREES.value, 0)
        rows.append(
            (
                str(outcome["epoch"]),
                *(f"{frames[verdict.value]:,}" for verdict in Verdict),
                f"{agree:,}" if records else "-",
                f"{sum(records.values()) - agree:,}" if records else "-",
                f"{sum(outcome['words']):,}",
            )
        )
    return markup.table(heads, rows)
