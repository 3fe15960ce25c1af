# SPDX-License-Identifier: Apache-2.0
"""Processor against specification: frames, verdicts, counters, octets and packet numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from custodes.keys import Keys
from custodes.link import Ingress, Link, Outcome
from custodes.macsec import ASSOCIATIONS, Side
from custodes.model import Opener, Sealer
from custodes.processor import Processor
from custodes.session import counter_differences, specified
from custodes.simlink import SimLink


class SessionPair:
    """A processor and the specification with the same keys.

    Members:
        link: the device; a simulated one, unless told otherwise.
        processor: the same behind its registers.
        sealer, opener: the specification.
    """

    def __init__(self, keys: Keys, lanes: int, link: Link | None = None) -> None:
        self.link = link or SimLink("processor", lanes)
        self.processor = Processor(self.link)
        self.load(keys)

    def load(self, keys: Keys) -> None:
        """Give both these keys and no others."""
        self.processor.load(keys)
        self.sealer, self.opener = Sealer.of(keys), Opener.of(keys)

    def expected(self, frame: Ingress[Side]) -> Outcome[Any]:
        """What the specification does with a frame, which changes it."""
        work = self.sealer.seal if frame.port is Side.ACCELERATOR else self.opener.open
        result = work(frame.frame, frame.error)
        return Outcome(result.frame, result.reason)

    def differences(self, frames: Sequence[Ingress[Side]]) -> list[str]:
        """Send the frames; say in words where device and specification differ."""
        before, specified_before = self.processor.counters(), specified(self.sealer, self.opener)
        outcomes = self.link.exchange(frames)
        wanted = [self.expected(frame) for frame in frames]
        rises = self.processor.counters().since(before)
        return [
            *(
                f"frame {number} ({frame.port.name} {frame.frame.hex()}): {_outcome(got)} instead of {_outcome(want)}"
                for number, (frame, got, want) in enumerate(zip(frames, outcomes, wanted, strict=True))
                if got != want
            ),
            *counter_differences(rises, specified(self.sealer, self.opener).since(specified_before)),
            *self._associations(),
        ]

    def _associations(self) -> Iterator[str]:
        """Where suites or packet numbers differ; of a PN that has no successor in 64 bits those are compared."""
        for side, direction in ((Side.ACCELERATOR, self.sealer), (Side.NETWORK, self.opener)):
            for number in range(ASSOCIATIONS):
                got, suite, pn = self.processor.association(side, number), direction.suite(number), direction.pn(number)
                want = None if suite is None or pn is None else (suite, pn & (1 << 64) - 1)
                if got != want:
                    yield f"{side.name} association {number}: {got} instead of {want}"


def _outcome(outcome: Outcome[Any]) -> str:
    return f"{outcome.reason.name} {'' if outcome.frame is None else outcome.frame.hex()}"
