# SPDX-License-Identifier: Apache-2.0
"""Device against specification: frames, verdicts and counters, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

from custodes.device import COUNTER_NAMES, Warden
from custodes.link import Ingress, Outcome
from custodes.model import Scrubber
from custodes.policy import Policy
from custodes.registers import field_counter, reason_counter
from custodes.simlink import SimLink
from custodes.table import SCRUBBED, Port, Reason


class Pair:
    """A simulated device and the specification under one policy."""

    def __init__(self, policy: Policy, lanes: int) -> None:
        self.link = SimLink("warden", lanes)
        self.specification = Scrubber(policy)
        self._policy = policy
        self._warden = Warden(self.link)
        self.load_policy()

    def load_policy(self) -> None:
        self._warden.load(self._policy)

    def reset(self) -> None:
        """Reset the device, which then knows no policy, and give it the policy again."""
        self.link.reset()
        self.load_policy()

    def expected(self, frame: Ingress) -> Outcome:
        result = self.specification.scrub(frame.frame, frame.port, frame.error)
        return Outcome(result.frame, result.reason, result.altered)

    def differences(self, frames: Sequence[Ingress]) -> list[str]:
        """Send the frames; say in words where device and specification differ."""
        before = self._warden.counters()
        outcomes = self.link.exchange(frames)
        wanted = [self.expected(frame) for frame in frames]
        found = [
            f"frame {number} ({frame.port.name} {frame.frame.hex()}): {_outcome(got)} instead of {_outcome(want)}"
            for number, (frame, got, want) in enumerate(zip(frames, outcomes, wanted, strict=True))
            if got != want
        ]
        after, rises = self._warden.counters(), expected_rises(frames, wanted)
        assert after.keys() == before.keys() == rises.keys()
        for address, want in rises.items():
            if (got := after[address] - before[address]) != want:
                found.append(f"counter of {COUNTER_NAMES[address]} rose by {got} instead of {want}")
        return found


def expected_rises(frames: Sequence[Ingress], outcomes: Sequence[Outcome]) -> dict[int, int]:
    """By how much each counter, by its address, must have risen."""
    rises: dict[int, int] = {}
    for port in Port:
        mine = [outcome for frame, outcome in zip(frames, outcomes, strict=True) if frame.port == port]
        for reason in Reason:
            rises[reason_counter(port, reason)] = sum(outcome.reason == reason for outcome in mine)
        for row in range(len(SCRUBBED)):
            rises[field_counter(port, row)] = sum(outcome.altered >> row & 1 for outcome in mine)
    return rises


def _outcome(outcome: Outcome) -> str:
    rows = [row.key for i, row in enumerate(SCRUBBED) if outcome.altered >> i & 1]
    return f"{outcome.reason.name} {'' if outcome.frame is None else outcome.frame.hex()} {rows}"
