# SPDX-License-Identifier: Apache-2.0
"""`custodes demo --device sim:gateway`."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from custodes.detection import measure_detection
from custodes.errors import CaptureError, MismatchError
from custodes.gateway import open_gateway
from custodes.gateway_leg import run_gateway
from custodes.recompute import Verdict
from custodes.terminal import Screen, shown
from custodes.upload_command import GATEWAY_DEVICE


def demo_gateway(display: Screen, out: Path, lanes: int, as_json: bool) -> None:
    """Run it, and write its page; raises `MismatchError` where it does not go as it has to."""
    # Whatever this environment says of matplotlib: it shows no window, and where it caches fonts is nobody's concern.
    os.environ["MPLBACKEND"] = "svg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from custodes.gateway_page import write_gateway_page  # matplotlib is slow to import

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptureError(f"{shown(out)}: cannot be created: {error.strerror}") from None
    with open_gateway(GATEWAY_DEVICE, lanes) as gateway:
        run = run_gateway(gateway, out / "gateway", display)
    page = out / "gateway.html"
    display.note("wrong answers are planted, sampled and recomputed, to see how soon they are found")
    detected = measure_detection()
    agree = sum(one.agrees for one in detected)
    write_gateway_page(page, f"{GATEWAY_DEVICE} with {lanes} lanes" if lanes > 1 else GATEWAY_DEVICE, run, detected)
    if as_json:
        display.json(run.to_json() | {"detection": [one.to_json() for one in detected], "page": shown(page)})
    else:
        display.facts(
            [
                ("model", f"{run.manifest.model}, {run.manifest.octets:,} bytes in {run.upload_cycles:,} cycles"),
                ("answers", f"{run.answers[False]} honest, {run.answers[True]} wrong"),
                ("pairs", f"{run.kept} of {run.pairs} kept with epsilon {run.epsilon:g}"),
                ("recomputed", f"{run.verdicts[Verdict.PASS]} the same, {run.verdicts[Verdict.FAIL]} not"),
                ("ordered", run.order or "nothing"),
                ("found", f"{agree} of {len(detected)} measured probabilities agree with 1 - (1 - epsilon d)^m"),
            ]
        )
        display.result(run.verdict)
        display.result(f"report: {shown(page)}")
    run.judge()
    if agree < len(detected):
        raise MismatchError(
            f"{len(detected) - agree} of {len(detected)} probabilities that a lie is found are not as said"
        )
