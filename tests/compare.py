# SPDX-License-Identifier: Apache-2.0
"""Device against specification: frames, verdicts and counters, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from custodes.device import COUNTER_NAMES, Warden
from custodes.link import Ingress, Outcome
from custodes.model import Scrubber
from custodes.model import Warden as WardenSpecification
from custodes.model.entropy import Words
from custodes.policy import Policy
from custodes.registers import CLEAR, FLOW_CONTROL, field_counter, reason_counter
from custodes.seed_registers import MOST_WORDS
from custodes.simlink import SimLink
from custodes.table import SCRUBBED, Port, Reason

SEED = bytes(range(32))
"""Of the words of a warden under test."""


class Pair:
    """A simulated device without flows and the specification of the scrubber under one policy."""

    device = "scrubber"

    def __init__(self, policy: Policy, lanes: int) -> None:
        self.link = SimLink(self.device, lanes)
        self._policy = policy
        self._warden = Warden(self.link)
        self._scrubber = Scrubber(policy)
        self.load_policy()

    def load_policy(self) -> None:
        self._warden.load(self._policy)

    def reset(self) -> None:
        """Reset the device, which then knows no policy, and give it the policy again."""
        self.link.reset()
        self.load_policy()

    def expected(self, frame: Ingress) -> Outcome:
        """What becomes of the frame."""
        result = self._scrubber.scrub(frame.frame, frame.port, frame.error)
        return Outcome(result.frame, result.reason, result.altered)

    def exchange(self, frames: Sequence[Ingress]) -> list[Outcome]:
        """What the device does with each frame."""
        return self.link.exchange(frames)

    def differences(self, frames: Sequence[Ingress]) -> list[str]:
        """Send the frames; say in words where device and specification differ."""
        before = self._warden.counters()
        outcomes = self.exchange(frames)
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


class WholePair(Pair):
    """A simulated warden, with words of a seed, and the specification under one policy. Frames of the two ports are sent in
    turns, so that both see them in one order.

    Attributes:
        specification: of the device since it last got its policy.
    """

    device = "warden"
    specification: WardenSpecification

    def load_policy(self) -> None:
        super().load_policy()
        self.give_words(SEED)

    def give_words(self, seed: bytes, limit: int = MOST_WORDS) -> None:
        """Let flows begin with the words of ``seed``, of which there are so many, and forget those that are there."""
        self.link.write(FLOW_CONTROL, CLEAR)
        self._warden.seed(seed, limit)
        self.specification = WardenSpecification(self._policy, Words(seed, limit))

    def tick(self) -> None:
        """Every flow is a tick older."""
        self._warden.tick()
        self.specification.tick()

    def expected(self, frame: Ingress) -> Outcome:
        """What becomes of the frame, which must be the next that the device takes."""
        result = self.specification.pass_frame(frame.frame, frame.port, frame.error)
        return Outcome(result.frame, result.reason, result.altered)

    def exchange(self, frames: Sequence[Ingress]) -> list[Outcome]:
        turns = groupby(frames, lambda frame: frame.port)
        return [outcome for _, turn in turns for outcome in self.link.exchange([*turn])]


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
