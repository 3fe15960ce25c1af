# SPDX-License-Identifier: Apache-2.0
"""The report of a run as one HTML page that needs nothing else: no network, no script, no font."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from custodes import markup
from custodes.macsec import Sealing, Side
from custodes.output import output_file
from custodes.plots import Bar, bars
from custodes.report import Erased, Report
from custodes.sealed_leg import SealedLeg
from custodes.session_report import OCTETS_TITLES, AssociationCounts
from custodes.table import RESIDUAL_NOTE
from custodes.terminal import bits, carries, flows_line, plural, policy_line

STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --paper: #fbfbf9; --soft: #5a6572; --line: #d9dcd6;
  --erased: #b9cfe0; --left: #b3401f; --good: #1c6b43; --bad: #a3261b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8e4; --paper: #14181d; --soft: #a2acb5; --line: #333b44;
  --erased: #38566d; --left: #f08a63; --good: #7fd0a4; --bad: #ff9a8d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .5rem 0; }
.soft { color: var(--soft); }
.verdict { border-left: .35rem solid var(--good); padding: .5rem 1rem; margin: 1.25rem 0; font-weight: 600; }
.verdict.bad { border-color: var(--bad); }
.verdict ul { font-weight: 400; margin: .5rem 0 0; padding-left: 1.1rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 1rem; margin: 1.25rem 0; }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; max-width: 38rem; height: auto; }
svg text { font-family: system-ui, sans-serif !important; }
figcaption { color: var(--soft); font-size: .875rem; margin-bottom: .75rem; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .6em; background: var(--erased); }
.key.left { background: var(--left); }
details { margin: 1rem 0; }
summary { cursor: pointer; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; overflow-wrap: normal; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
"""

FRAME = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
$content
</main>
</body>
</html>
""")
"""Of every page."""

REPORT = Template("""<h1>What the warden let through</h1>
<p class="soft">$input, sent through $device.<br>Policy: $policy.<br>Flows: $flows.</p>
<div class="$verdict_class" role="status">$verdict$mismatches</div>
<dl>$figures</dl>

<h2>Covert capacity, field by field</h2>
<figure>
<figcaption>Bits that a sender could hide in the header fields of the frames that left.
<span class="key"></span>erased <span class="key left"></span>left</figcaption>
$field_plot
</figure>
<details><summary>The same as a table</summary>
<div class="wide" role="region" aria-label="Covert capacity" tabindex="0">$field_table</div></details>
<p class="soft">What became of each frame is the device's word. Which fields a frame carries, and how many bytes were
removed from it, is what the executable specification says of the same frame. A field of fixed size counts all its
bits before; a removed one counts eight bits for every byte removed.</p>

<h2>Frames</h2>
<figure>
<figcaption>Frames of the capture, those that left, and those that did not.</figcaption>
$frame_plot
</figure>

<h2>Why frames were dropped</h2>
$drops

<h2>What is left</h2>
$passed
<p>Headers do not show, and this device does not change: $residual.</p>
$sealed
$more""")


def write_page(path: Path, report: Report, leg: SealedLeg | None, more: Sequence[str] = ()) -> None:
    """Write the page; raises `CaptureError` where it cannot be written."""
    with output_file(path) as file:
        file.write(page(report, leg, more).encode())


def page(report: Report, leg: SealedLeg | None = None, more: Sequence[str] = ()) -> str:
    """The page as text; ``leg``: what became of the frames that were sealed afterwards; ``more``: sections after that."""
    erased = sorted((entry for entry in report.erased if carries(entry)), key=lambda entry: -entry.before)
    content = REPORT.substitute(
        input=escape(report.input),
        device=escape(f"{report.device} with {plural(report.lanes, 'lane')}"),
        policy=escape(policy_line(report)),
        flows=escape(flows_line(report)),
        verdict_class="verdict" if report.agrees else "verdict bad",
        verdict=escape(report.verdict),
        mismatches=_list([*(mismatch.describe() for mismatch in report.shown), *report.counters]),
        figures=_figures(report),
        field_plot=_field_plot(erased),
        field_table=_field_table(report),
        frame_plot=_frame_plot(report),
        drops=_drops(report),
        passed=_passed(report),
        residual=escape(RESIDUAL_NOTE),
        sealed="" if leg is None else _sealed(leg),
        more="\n".join(more),
    )
    return framed(f"Warden report: {report.input}", content)


def framed(title: str, content: str) -> str:
    """A whole page with our style."""
    return FRAME.substitute(title=escape(title), style=STYLE, content=content)


def _figures(report: Report) -> str:
    share = 1 - report.bits_after / report.bits_before if report.bits_before else 0
    facts = (
        ("frames in", f"{report.frames_in:,}"),
        ("frames out", f"{report.frames_out:,}"),
        ("dropped", f"{report.frames_dropped:,}"),
        ("bits erased", bits(report.bits_before - report.bits_after)),
        ("of those fields", f"{share:.1%}"),
    )
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)


def _field_plot(erased: Sequence[Erased]) -> str:
    rows = [
        Bar(entry.row.title, entry.before, entry.after, f"{bits(entry.before)} → {bits(entry.after)}")
        for entry in erased
    ]
    return bars("fields", "Bits of covert capacity per field before and after; the table below has the numbers", rows)


def _frame_plot(report: Report) -> str:
    numbers = (("in", report.frames_in), ("out", report.frames_out), ("dropped", report.frames_dropped))
    text = ", ".join(f"{count} {name}" for name, count in numbers)
    return bars("frames", f"Frames: {text}", [Bar(name, count, 0, f"{count:,}") for name, count in numbers])


def _drops(report: Report) -> str:
    if not report.frames_dropped:
        return "<p>None was.</p>"
    text = "; ".join(f"{title}: {count}" for title, count in report.drop_titles)
    plot = bars(
        "drops",
        f"Frames dropped by reason. {text}",
        [Bar(title, count, 0, f"{count:,}") for title, count in report.drop_titles],
    )
    table = markup.table(("Reason", "Frames"), [(title, f"{count:,}") for title, count in report.drop_titles])
    return f"<figure>{plot}</figure><details><summary>The same as a table</summary>{table}</details>"


def _passed(report: Report) -> str:
    rows = [(entry.row.title, f"{entry.frames:,}", bits(entry.after)) for entry in report.passed if entry.frames]
    if not rows:
        return ""
    table = markup.table(("Field", "Frames", "Bits, at most"), rows)
    return f"<p>These fields pass unchanged, and carry at most:</p>{table}"


def _sealed(leg: SealedLeg) -> str:
    report = leg.report
    rows = [(counts.title, *(f"{count:,}" for count in _sent(counts))) for counts in report.associations]
    rows += [(title, f"{count:,}", "") for title, count in report.drop_titles]
    return f"""<h2>Sealed for the way</h2>
<p>What left for the world was then sealed with MACsec (IEEE 802.1AE) by {escape(report.device)}, under a fresh random key
for each peer. Every frame was compared with the executable specification and then opened by another implementation.</p>
<div class="{"verdict" if leg.agrees else "verdict bad"}">{escape(leg.verdict)}
{_list([*(mismatch.describe() for mismatch in report.shown), *report.counters])}</div>
{markup.table(("Association, or why dropped", "Frames", "Octets"), rows)}"""


def _sent(counts: AssociationCounts) -> tuple[int, int]:
    """Frames and octets that were encrypted."""
    return (
        counts.counters[Sealing.OUT_PKTS_ENCRYPTED.title],
        counts.counters[OCTETS_TITLES[Side.ACCELERATOR]],
    )


def _field_table(report: Report) -> str:
    rows = [
        (e.row.title, e.row.action.name.lower(), f"{e.frames:,}", f"{e.altered:,}", bits(e.before), bits(e.after))
        for e in report.erased
        if carries(e)
    ]
    rows.append(("all scrubbed fields", "", "", "", bits(report.bits_before), bits(report.bits_after)))
    return markup.table(("Field", "Treatment", "Frames", "Altered", "Bits before", "Bits after"), rows, words=2)


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
