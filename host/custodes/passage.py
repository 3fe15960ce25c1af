# SPDX-License-Identifier: Apache-2.0
"""A capture on its way through a device, whichever it is: batches in, outcomes out, what is counted, what is compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from custodes.capture import Capture, CaptureWriter, Format
from custodes.errors import CaptureError
from custodes.link import Ingress, Link, Outcome
from custodes.macsec import Opening, Sealing, Side
from custodes.output import output_file
from custodes.table import SCRUBBED, Port, Reason

BATCH_FRAMES = 512
BATCH_BYTES = 1 << 18
"""What goes to the device at once: enough to keep it busy, little enough for Ctrl-C and the progress bar."""
NOT_WHOLE = "not captured whole"
SHOWN_MISMATCHES = 5


class Mismatch(NamedTuple):
    """A frame, by its number in the capture from 1, of which device and specification say different things."""

    number: int
    port: Port | Side
    device: Outcome[Any]
    specification: Outcome[Any]

    def describe(self) -> str:
        """In one line: verdicts, rows, or the first byte that differs."""
        device, wanted = self.device, self.specification
        text = f"frame {self.number} from {self.port.name.lower()}: "
        if device.reason != wanted.reason:
            return text + f"device says {device.reason.name}, specification {wanted.reason.name}"
        got, want = device.frame or b"", wanted.frame or b""
        if got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
            return text + (
                f"differs from byte {at} on: {got[at : at + 8].hex(' ') or 'ends'}, not "
                f"{want[at : at + 8].hex(' ') or 'the end'} ({len(got)} bytes, not {len(want)})"
            )
        rows = device.altered ^ wanted.altered
        names = [row.key for i, row in enumerate(SCRUBBED) if rows >> i & 1]
        return text + f"altered fields differ in {', '.join(names) or 'a bit without a row'}"


@dataclass
class Passage:
    """The numbers of one run that mean the same for every device."""

    input: str
    output: str
    device: str
    lanes: int
    checked: bool
    frames_in: int = field(default=0, init=False)
    not_whole: int = field(default=0, init=False)
    frames_out: int = field(default=0, init=False)
    bytes_in: int = field(default=0, init=False)
    bytes_out: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    """Spent in the device."""
    drops: Counter[Reason | Sealing | Opening] = field(default_factory=Counter, init=False)
    mismatches: int = field(default=0, init=False)
    shown: list[Mismatch] = field(default_factory=list, init=False)
    counters: list[str] = field(default_factory=list, init=False)
    """Counters of the device that differ from what they should be."""

    def take(self, outcome: Outcome[Any]) -> None:
        """Take in what the device did with a frame."""
        if outcome.frame is None:
            self.drops[outcome.reason] += 1
        else:
            self.frames_out += 1
            self.bytes_out += len(outcome.frame)

    def compare(self, number: int, port: Port | Side, outcome: Outcome[Any], wanted: Outcome[Any]) -> None:
        """Take in whether the device did with a frame what the specification says."""
        if outcome != wanted:
            self.mismatches += 1
            if len(self.shown) < SHOWN_MISMATCHES:
                self.shown.append(Mismatch(number, port, outcome, wanted))

    @property
    def agrees(self) -> bool:
        """Nothing contradicts the specification, nor the device itself."""
        return not self.mismatches and not self.counters

    @property
    def verdict(self) -> str:
        """The outcome of the check in one line."""
        if not self.checked:
            return "not checked against the specification"
        found = self.mismatches + len(self.counters)
        return f"{found} mismatch{'' if found == 1 else 'es'} against the specification"

    @property
    def frames_dropped(self) -> int:
        return self.drops.total() + self.not_whole

    @property
    def drop_titles(self) -> list[tuple[str, int]]:
        """Why frames were dropped, the most frequent first."""
        found = [(reason.title, count) for reason, count in self.drops.items()]
        found += [(NOT_WHOLE, self.not_whole)] if self.not_whole else []
        return sorted(found, key=lambda drop: (-drop[1], drop[0]))

    @property
    def frames_per_s(self) -> float:
        return (self.frames_in - self.not_whole) / self.seconds if self.seconds else 0.0

    @property
    def megabytes_per_s(self) -> float:
        return self.bytes_in / 1e6 / self.seconds if self.seconds else 0.0

    def speed_json(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 6),
            "frames_per_s": round(self.frames_per_s, 1),
            "megabytes_per_s": round(self.megabytes_per_s, 3),
        }

    def check_json(self) -> dict[str, Any]:
        return {
            "done": self.checked,
            "mismatches": self.mismatches + len(self.counters) if self.checked else None,
            "verdict": self.verdict,
            "first": [mismatch.describe() for mismatch in self.shown],
            "counters": self.counters,
        }


@contextmanager
def written(capture: Capture, output: Path) -> Iterator[CaptureWriter]:
    """A capture for what comes out of a device. It appears as `output_file` describes.

    Args:
        output: its suffix chooses the format; any other suffix means the input's format.

    Raises:
        CaptureError: ``output`` cannot be written or is the input.
    """
    with suppress(OSError):  # there is no such file, or `output_file` says what is wrong with it
        if output.samefile(capture.path):
            raise CaptureError(f"{output}: is the input; write to another file")
    with output_file(output) as file:
        yield CaptureWriter(file, Format.of_name(output, capture.format))


class Captured(NamedTuple):
    """A frame of a capture, by its place there, from 1, and as it enters the device."""

    number: int
    time_ns: int
    enters: Ingress[Any]


class Passed(NamedTuple):
    """A frame that has been through a device, ``sent`` as it has entered there."""

    number: int
    time_ns: int
    sent: Ingress[Any]
    outcome: Outcome[Any]


class Course:
    """How frames of a capture get through a device: as they are, and as many at once as it takes."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def together(self, first: Captured, later: Captured) -> bool:
        """Whether two frames may enter in one batch, those between them too."""
        return True

    def exchange(self, batch: Sequence[Captured]) -> list[tuple[Ingress[Any], Outcome[Any]]]:
        """Send a batch; what has been sent, and what became of it."""
        sent = [frame.enters for frame in batch]
        return list(zip(sent, self.link.exchange(sent), strict=True))


def passed(
    capture: Capture,
    course: Course,
    enter: Callable[[bytes], Ingress[Any] | None],
    passage: Passage,
    progress: Callable[[int], None],
) -> Iterator[Passed]:
    """Send a capture through a device, in batches, and give what became of each frame, in order.

    Frames that were not captured whole are never sent, and counted. A batch is sent when all that became of the one before
    has been given.

    Args:
        enter: how a frame is sent; None: it is none of this device's, and not counted.
        passage: takes in frames, bytes and seconds on the way in.
        progress: called now and then with the bytes of the capture that have been read.
    """
    for batch in _batches(capture, course, enter, passage):
        started = time.perf_counter()
        outcomes = course.exchange(batch)
        passage.seconds += time.perf_counter() - started
        for frame, (sent, outcome) in zip(batch, outcomes, strict=True):
            yield Passed(frame.number, frame.time_ns, sent, outcome)
        progress(capture.position)


def _batches(
    capture: Capture, course: Course, enter: Callable[[bytes], Ingress[Any] | None], passage: Passage
) -> Iterator[list[Captured]]:
    batch: list[Captured] = []
    size = 0
    for number, packet in enumerate(capture, 1):
        sent = enter(packet.frame)
        if sent is None:
            continue
        passage.frames_in += 1
        if not packet.whole:
            passage.not_whole += 1
            continue
        passage.bytes_in += len(packet.frame)
        frame = Captured(number, packet.time_ns, sent)
        if len(batch) >= BATCH_FRAMES or size >= BATCH_BYTES or (batch and not course.together(batch[0], frame)):
            yield batch
            batch, size = [], 0
        batch.append(frame)
        size += len(packet.frame)
    if batch:
        yield batch
