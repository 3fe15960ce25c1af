# SPDX-License-Identifier: Apache-2.0
"""A capture through a warden: frames in, what it lets out, and the report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from custodes.admission import Admission
from custodes.capture import Capture, CaptureWriter, Format, Packet
from custodes.device import COUNTER_NAMES, Warden
from custodes.errors import CaptureError
from custodes.link import Ingress, Outcome
from custodes.model import Scrubber
from custodes.output import Abandon, output_file
from custodes.registers import field_counter, reason_counter
from custodes.report import Report
from custodes.table import SCRUBBED, Port

BATCH_FRAMES = 512
BATCH_BYTES = 1 << 18
"""What goes to the device at once: enough to keep it busy, little enough for Ctrl-C and the progress bar."""


class _Batch(NamedTuple):
    numbers: list[int]
    packets: list[Packet]


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
    with suppress(OSError):  # there is no such file, or `output_file` says what is wrong with it
        if output.samefile(capture.path):
            raise CaptureError(f"{output}: is the input; write to another file")
    specification = Scrubber(admission.policy)
    with output_file(output) as file:
        writer = CaptureWriter(file, Format.of_name(output, capture.format))
        warden.load(admission.policy)
        before = warden.counters()
        expected: Counter[tuple[Port, Outcome]] = Counter()
        for batch in _batches(capture, report):
            frames = [Ingress(admission.port(packet.frame), packet.frame) for packet in batch.packets]
            started = time.perf_counter()
            outcomes = warden.link.exchange(frames)
            report.seconds += time.perf_counter() - started
            for number, packet, sent, outcome in zip(batch.numbers, batch.packets, frames, outcomes, strict=True):
                report.count(number, sent, outcome, specification.scrub(sent.frame, sent.port))
                expected[sent.port, outcome._replace(frame=None)] += 1
                if outcome.frame is not None:
                    writer.write(packet.time_ns, outcome.frame)
            progress(capture.position)
        report.counters += _counter_differences(before, warden.counters(), expected)
        if not report.agrees:
            raise Abandon


def _batches(capture: Capture, report: Report) -> Iterator[_Batch]:
    batch, size = _Batch([], []), 0
    for packet in capture:
        report.frames_in += 1
        if not packet.whole:
            report.not_whole += 1
            continue
        report.bytes_in += len(packet.frame)
        batch.numbers.append(report.frames_in)
        batch.packets.append(packet)
        size += len(packet.frame)
        if len(batch.packets) >= BATCH_FRAMES or size >= BATCH_BYTES:
            yield batch
            batch, size = _Batch([], []), 0
    if batch.packets:
        yield batch


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
