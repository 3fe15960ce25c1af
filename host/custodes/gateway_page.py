# SPDX-License-Identifier: Apache-2.0
"""The report of a gateway's demo as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from custodes.detection import Detected
from custodes.detection_page import detection_section
from custodes.gateway import REASONS
from custodes.gateway_leg import GatewayRun
from custodes.gateway_registers import GatewayPort
from custodes.markup import table
from custodes.output import output_file
from custodes.page import framed
from custodes.recompute import Verdict
from custodes.terminal import plural
from custodes.upload_time import LINE_RATES, upload_seconds

TERABYTE = 10**12


def write_gateway_page(path: Path, device: str, run: GatewayRun, detected: Sequence[Detected]) -> None:
    """Write the page; raises `CaptureError` where it cannot be written."""
    with output_file(path) as file:
        file.write(gateway_page(device, run, detected).encode())


def gateway_page(device: str, run: GatewayRun, detected: Sequence[Detected]) -> str:
    """The page as text."""
    kind = "verdict" if run.agrees else "verdict bad"
    told = "".join(f"<li>{escape(line)}</li>" for line in run.told)
    power = "it still has power" if run.fault is None else REASONS[run.fault]
    return framed(
        f"Gateway report: {run.manifest.model}",
        f"""<h1>A server that can only serve what was agreed on</h1>
<p class="soft">Model {escape(run.manifest.model)}, {run.manifest.octets:,} bytes, SHA-256 {run.manifest.sha256.hex()};
through {escape(device)}.</p>
<div class="{kind}" role="status">{escape(run.verdict)}<ul>{told}</ul></div>
<dl>{_figures(run)}</dl>
<h2>What happened</h2>
<ol>
<li>Governors signed what the weights are; the file was compared with that, and the gateway told to expect so many bits with
such a digest. Only then the server got power.</li>
<li>The weights went in: {run.manifest.bits:,} bits counted in {run.upload_cycles:,} cycles of the simulated gateway. Their
digest was the announced one, and the server was let speak.</li>
<li>Somebody in the world asked questions over HTTP; {run.answers[False]:,} were answered honestly.</li>
<li>Then the server lied. {plural(run.answers[True], "wrong answer")} got through; the first that was kept was recomputed,
and differed.</li>
<li>The recomputer signed an order, and the gateway took the server's power: {escape(power)}.</li>
</ol>
<h2>Epochs</h2>
{_records(run)}
<p class="soft">Of {run.pairs:,} pairs in epochs that ended, {run.kept:,} were kept: by them epsilon is between
{run.interval.low:.3f} and {run.interval.high:.3f} (Clopper and Pearson, 99 %), and it was set to {run.epsilon:g}. Of each
pair the gateway had committed to what was said before it looked whether it is kept. The epoch in which the server lost its
power has no record: everything was forgotten.</p>
<h2>How soon a lie is found</h2>
{detection_section(detected)}
<h2>How long an upload takes</h2>
{_uploads()}""",
    )


def _figures(run: GatewayRun) -> str:
    facts = {
        "honest answers": f"{run.answers[False]:,}",
        "wrong answers": f"{run.answers[True]:,}",
        "pairs kept": f"{run.kept:,} of {run.pairs:,}",
        "recomputed, same": f"{run.verdicts[Verdict.PASS]:,}",
        "frames to the world": f"{run.frames.get(GatewayPort.WORLD, 0):,}",
        "sealed samples": f"{run.frames.get(GatewayPort.RECOMPUTER, 0):,}",
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())


def _records(run: GatewayRun) -> str:
    rows = [
        (
            str(record.epoch),
            record.root.hex()[:16],
            f"{record.pairs:,}",
            f"{record.kept:,}",
            f"{sum(record.events.values()):,}",
        )
        for record in run.records
    ]
    return table(("Epoch", "Root begins with", "Pairs", "Kept", "Frames dropped so far"), rows, words=2)


def _uploads() -> str:
    rows = [
        (rate.name, f"{rate.octets_per_s / 1e6:,.1f}", f"{upload_seconds(TERABYTE, rate):,.0f} s")
        for rate in LINE_RATES
    ]
    return table(("Device", "MB/s", "1 TB"), rows)
