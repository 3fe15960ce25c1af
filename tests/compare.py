# SPDX-License-Identifier: Apache-2.0
"""Device against specification: frames, verdicts and counters, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from custodes.link import Ingress, Outcome
from custodes.model import Scrubber
from custodes.policy import Policy
from custodes.registers import field_counter, policy_writes, reason_counter
from custodes.simlink import SimLink
from custodes.table import SCRUBBED, Port, Reason

SETTLE_CYCLES = 200
"""After which every event has reached its counter."""


class Pair:
    """A simulated device and the specification under one policy."""

    def __init__(self, policy: Policy, lanes: int) -> None:
        self.link = SimLink("warden", lanes)
        self.specification = Scrubber(policy)
        self._policy = policy
        self.load_policy()

    def load_policy(self) -> None:
        for address, value in policy_writes(self._policy):
            self.link.write(address, value)

    def reset(self) -> None:
        """Reset the device, which then knows no policy, and give it the policy again."""
        self.link.reset()
        self.load_policy()

    def counters(self) -> list[int]:
        """Every counter, in the order of `expected_counters`."""
        self.link.step(SETTLE_CYCLES)
        return [self.link.read(address) for address in _counter_addresses()]

    def expected(self, frame: Ingress) -> Outcome:
        result = self.specification.scrub(frame.frame, frame.port, frame.error)
        return Outcome(result.frame, result.reason, result.altered)

    def differences(self, frames: Sequence[Ingress]) -> list[str]:
        """Send the frames; say in words where device and specification differ."""
        before = self.counters()
        outcomes = self.link.exchange(frames)
        wanted = [self.expected(frame) for frame in frames]
        found = [
            f"frame {number} ({frame.port.name} {frame.frame.hex()}): {_outcome(got)} instead of {_outcome(want)}"
            for number, (frame, got, want) in enumerate(zip(frames, outcomes, wanted, strict=True))
            if got != want
        ]
        increase = [after - start for start, after in zip(before, self.counters(), strict=True)]
        for address, got, want in zip(_counter_addresses(), increase, expected_counters(frames, wanted), strict=True):
            if got != want:
                found.append(f"counter {address:#x} rose by {got} instead of {want}")
        return found


def _counter_addresses() -> Iterator[int]:
    for port in Port:
        for reason in Reason:
            yield reason_counter(port, reason)
        for row in range(len(SCRUBBED)):
            yield field_counter(port, row)


def expected_counters(frames: Sequence[Ingress], outcomes: Sequence[Outcome]) -> Iterator[int]:
    """By how much each counter must have risen."""
    for port in Port:
        mine = [outcome for frame, outcome in zip(frames, outcomes, strict=True) if frame.port == port]
        for reason in Reason:
            yield sum(outcome.reason == reason for outcome in mine)
        for row in range(len(SCRUBBED)):
            yield sum(outcome.altered >> row & 1 for outcome in mine)


def _outcome(outcome: Outcome) -> str:
    rows = [row.key for i, row in enumerate(SCRUBBED) if outcome.altered >> i & 1]
    return f"{outcome.reason.name} {'' if outcome.frame is None else outcome.frame.hex()} {rows}"
