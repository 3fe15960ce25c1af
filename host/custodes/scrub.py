# SPDX-License-Identifier: Apache-2.0
"""A capture through a warden: frames in, what it lets out, and the report.

A warden with flows is sent what stations would have sent with it on the way, `custodes.replay`, and what they would have
sent first enters first. Its flows grow old by the times of the capture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from custodes.admission import Admission
from custodes.capture import Capture
from custodes.device import COUNTER_NAMES, TICK_UNIT_NS, Warden
from custodes.flow_table import UNUSED_TICKS
from custodes.link import Ingress, Outcome
from custodes.model import Result, Scrubber
from custodes.model import Warden as Specification
from custodes.model.entropy import Words
from custodes.output import Abandon
from custodes.passage import Captured, Course, passed, written
from custodes.policy import Policy
from custodes.registers import field_counter, reason_counter
from custodes.replay import Replay
from custodes.report import Report
from custodes.seeds import KNOWN_SEED
from custodes.table import SCRUBBED, Port, Reason


class _Headers(Course):
    """Of a warden without flows, which knows nothing of frames before."""

    def __init__(self, warden: Warden, policy: Policy) -> None:
        super().__init__(warden.link)
        self._specification = Scrubber(policy)

    def wanted(self, sent: Ingress[Port]) -> Result:
        """What the specification makes of a frame that was sent."""
        return self._specification.scrub(sent.frame, sent.port)


class _Flows(Course):
    """Of a warden with flows. Frames of its two ports are sent in turns, so that they enter in the order of the capture."""

    def __init__(self, warden: Warden, policy: Policy, flows: int, seed: bytes) -> None:
        super().__init__(warden.link)
        self._warden = warden
        self._specification = Specification(policy, Words(seed), flows)
        self._replay = Replay()
        self._tick_ns = policy.flow.tick * TICK_UNIT_NS
        self._begin_ns: int | None = None
        self._ticks = 0
        warden.hold_ticks()
        warden.seed(seed)

    def together(self, first: Captured, later: Captured) -> bool:
        # The times of a capture may go back.
        return first.enters.port is later.enters.port and self._ticks_at(first) >= self._ticks_at(later)

    def exchange(self, batch: Sequence[Captured]) -> list[tuple[Ingress[Port], Outcome[Reason]]]:
        self._grow_old(self._ticks_at(batch[0]))
        sent = [one.enters._replace(frame=self._replay.adapted(one.enters.frame)) for one in batch]
        outcomes = self.link.exchange(sent)
        for one, outcome in zip(batch, outcomes, strict=True):
            if outcome.frame is not None:
                self._replay.hear(one.enters.frame, outcome.frame)
        return list(zip(sent, outcomes, strict=True))

    def wanted(self, sent: Ingress[Port]) -> Result:
        """What the specification makes of a frame that was sent, after all those before."""
        return self._specification.pass_frame(sent.frame, sent.port)

    def _ticks_at(self, frame: Captured) -> int:
        """Since the first frame, which is that about which it is asked first."""
        if self._begin_ns is None:
            self._begin_ns = frame.time_ns
        return (frame.time_ns - self._begin_ns) // self._tick_ns if self._tick_ns else 0

    def _grow_old(self, ticks: int) -> None:
        # After so many that no flow is left, one more changes nothing.
        for _ in range(min(ticks - self._ticks, UNUSED_TICKS)):
            self._warden.tick()
            self._specification.tick()
        self._ticks = max(ticks, self._ticks)


def scrub_capture(
    capture: Capture,
    output: Path,
    admission: Admission,
    warden: Warden,
    report: Report,
    progress: Callable[[int], None] = lambda position: None,
    seed: bytes = KNOWN_SEED,
) -> None:
    """Send a capture through a warden and write what comes out.

    Order and times of the output are the input's, and the same input gives the same output. Frames that were not captured
    whole are never sent, and counted. Where the device contradicts the specification (if the report asks for the check) or
    its own counters, nothing is written: ``report.agrees`` says so.

    Args:
        output: its suffix chooses the format; any other suffix means the input's format.
        report: takes in the numbers.
        progress: called now and then with the bytes of the capture that have been read.
        seed: what words are made of, where the warden has flows.

    Raises:
        CaptureError: the capture is bad, or the output cannot be written or is the input.
        PolicyError: the device's table cannot hold the policy.
        DeviceError: the device does not answer.
    """
    report.flows = warden.flows
    with written(capture, output) as writer:
        warden.load(admission.policy)
        course = (
            _Flows(warden, admission.policy, report.flows, seed) if report.flows else _Headers(warden, admission.policy)
        )
        before = warden.counters()
        expected: Counter[tuple[Port, Outcome]] = Counter()
        for number, time_ns, sent, outcome in passed(
            capture, course, lambda frame: Ingress(admission.port(frame), frame), report, progress
        ):
            report.count(number, sent, outcome, course.wanted(sent))
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
