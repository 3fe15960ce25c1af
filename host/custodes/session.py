# SPDX-License-Identifier: Apache-2.0
"""A capture through a processor: frames to be sealed or opened go in, what it lets out is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from custodes.capture import Capture
from custodes.link import Ingress, Outcome
from custodes.macsec import ASSOCIATIONS, ASSOCIATIONS_PER_CHANNEL, MACS_BYTES, OVERHEAD_BYTES, Opening, Sealing, Side
from custodes.model import Opener, Sealer
from custodes.output import Abandon
from custodes.passage import Course, passed, written
from custodes.processor import OUTCOMES, Counts, Processor
from custodes.session_report import OCTETS_TITLES, SessionReport, associated


def session_capture(
    capture: Capture,
    output: Path,
    processor: Processor,
    report: SessionReport,
    progress: Callable[[int], None] = lambda position: None,
    chosen: Callable[[bytes], bool] = lambda frame: True,
) -> None:
    """Seal or open a capture, whichever the report is about, and write what comes out.

    Order and times of the output are the input's. Frames that were not captured whole are never sent, and counted.
    Where the device contradicts the specification (if the report asks for the check) or its own counters, nothing is
    written: ``report.agrees`` says so.

    Args:
        output: its suffix chooses the format; any other suffix means the input's format.
        report: says which keys; takes in the numbers.
        progress: called now and then with the bytes of the capture that have been read.
        chosen: which frames of the capture are meant; the others are not counted.

    Raises:
        CaptureError: the capture is bad, or the output cannot be written or is the input.
        DeviceError: the device does not answer, or refuses the keys.
    """
    side = report.side
    sealer, opener = Sealer.of(report.keys), Opener.of(report.keys)
    judge = sealer.seal if side is Side.ACCELERATOR else opener.open
    outcomes: Counter[Sealing | Opening] = Counter()
    octets = 0
    with written(capture, output) as writer:
        processor.load(report.keys)
        before = processor.counters()
        for number, time_ns, sent, outcome in passed(
            capture,
            Course(processor.link),
            lambda frame: Ingress(side, frame) if chosen(frame) else None,
            report,
            progress,
        ):
            report.take(outcome)
            outcomes[outcome.reason] += 1
            if report.checked:
                wanted = judge(sent.frame)
                report.compare(number, side, outcome, Outcome(wanted.frame, wanted.reason))
            if outcome.frame is not None:
                octets += len(outcome.frame) - (MACS_BYTES if side is Side.NETWORK else MACS_BYTES + OVERHEAD_BYTES)
                writer.write(time_ns, outcome.frame)
        report.rises = processor.counters().since(before)
        if report.checked:
            report.counters += counter_differences(report.rises, specified(sealer, opener))
        else:
            report.counters += _contradictions(report.rises, side, outcomes, octets)
        if not report.agrees:
            raise Abandon


def specified(sealer: Sealer, opener: Opener) -> Counts:
    """What a specification has counted, as a device gives it."""
    directions: dict[Side, Any] = {Side.ACCELERATOR: sealer, Side.NETWORK: opener}
    return Counts(
        {
            (side, number, outcome): direction.counters[number, outcome]
            for side, direction in directions.items()
            for number in range(ASSOCIATIONS)
            for outcome in OUTCOMES[side]
        },
        {
            (side, number): direction.octets[number]
            for side, direction in directions.items()
            for number in range(ASSOCIATIONS)
        },
    )


def counter_differences(rises: Counts, wanted: Counts) -> list[str]:
    """The counters of a device that did not rise by what is wanted, in words."""
    return [
        *(
            _rose(f"{outcome.title}{_of(number) if associated(outcome) else ''}", count, want)
            for (side, number, outcome), count in rises.frames.items()
            if count != (want := wanted.frames[side, number, outcome])
        ),
        *(
            _rose(f"{OCTETS_TITLES[side]}{_of(number)}", count, want)
            for (side, number), count in rises.octets.items()
            if count != (want := wanted.octets[side, number])
        ),
    ]


def _contradictions(rises: Counts, entered: Side, outcomes: Counter[Sealing | Opening], octets: int) -> Iterator[str]:
    """The counters that, over all associations, did not rise by what the device said of the frames, in words."""
    for side in Side:
        for outcome in OUTCOMES[side]:
            count = sum(rise for (at, _, of), rise in rises.frames.items() if (at, of) == (side, outcome))
            want = outcomes[outcome] if side is entered else 0
            if count != want:
                yield _rose(outcome.title, count, want)
        count = sum(rise for (at, _), rise in rises.octets.items() if at == side)
        want = octets if side is entered else 0
        if count != want:
            yield _rose(OCTETS_TITLES[side], count, want)


def _of(number: int) -> str:
    channel, an = divmod(number, ASSOCIATIONS_PER_CHANNEL)
    return f" of channel {channel}, AN {an}"


def _rose(name: str, count: int, want: int) -> str:
    return f"counter '{name}' rose by {count}, not {want}"
