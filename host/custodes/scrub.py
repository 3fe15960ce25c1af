# SPDX-License-Identifier: Apache-2.0
"""A capture through a warden: frames in, what it lets out, and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from custodes.admission import Admission
from custodes.capture import Capture
from custodes.device import COUNTER_NAMES, Warden
from custodes.link import Ingress, Outcome
from custodes.model import Scrubber
from custodes.output import Abandon
from custodes.passage import passed, written
from custodes.registers import field_counter, reason_counter
from custodes.report import Report
from custodes.table import SCRUBBED, Port


def scrub_capture(
    capture: Capture,
    output: Path,
    admission: Admission,
    warden: Warden,
    report: Report,
    progress: Callable[[int], None] = lambda position: None,
) -> None:
    """Send a capture through a warden and write what comes out.

    Order and times of the output are the input's. Frames that were not captured whole are never sent, and counted.
    Where the device contradicts the specification (if the report asks for the check) or its own counters, nothing is
    written: ``report.agrees`` says so.

    Args:
        output: its suffix chooses the format; any other suffix means the input's format.
        report: takes in the numbers.
        progress: called now and then with the bytes of the capture that have been read.

    Raises:
        CaptureError: the capture is bad, or the output cannot be written or is the input.
        PolicyError: the device's table cannot hold the policy.
        DeviceError: the device does not answer.
    """
    specification = Scrubber(admission.policy)
    with written(capture, output) as writer:
        warden.load(admission.policy)
        before = warden.counters()
        expected: Counter[tuple[Port, Outcome]] = Counter()
        for number, time_ns, sent, outcome in passed(
            capture, warden.link, lambda frame: Ingress(admission.port(frame), frame), report, progress
        ):
            report.count(number, sent, outcome, specification.scrub(sent.frame, sent.port))
            expected[sent.port, outcome._replace(frame=None)] += 1
            if outcome.frame is not None:
                writer.write(time_ns, outcome.frame)
        report.counters += _counter_differences(before, warden.counters(), expected)
        if not report.agrees:
            raise Abandon


def _counter_differences(
    before: dict[int, int], after: dict[int, int], expected: Counter[tuple[Port, Outcome]]
) -> list[str]:
    """The 32-bit counters whose increase is not what the outcomes add up to, in words."""
    wanted: Counter[int] = Counter()
    for (port, outcome), count in expected.items():
        wanted[reason_counter(port, outcome.reason)] += count
        for row in range(len(SCRUBBED)):
            wanted[field_counter(port, row)] += count * (outcome.altered >> row & 1)
    return [
        f"counter '{name}' rose by {(after[address] - before[address]) % (1 << 32)}, not {wanted[address]}"
        for address, name in COUNTER_NAMES.items()
        if (after[address] - before[address]) % (1 << 32) != wanted[address] % (1 << 32)
    ]
