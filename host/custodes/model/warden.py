# SPDX-License-Identifier: Apache-2.0
"""The whole warden as an executable specification: the scrubber, then the translator."""

from __future__ import annotations

from custodes.flow_table import FLOWS
from custodes.model.entropy import Words
from custodes.model.frame import Drop, Trace
from custodes.model.scrubber import Result, Scrubber
from custodes.model.translator import Translator
from custodes.policy import Policy
from custodes.table import Port


class Warden:
    """Both directions of a warden under one policy.

    Frames must come in the order in which the device's flow table sees them, which is that in which it takes them in where
    those of both ports do not overlap.

    Args:
        words: of the present epoch; `words` may be replaced at any time. Without, no flow begins.
        flows: slots of the flow table.

    Raises:
        PolicyError: the device's address table cannot hold the policy.
    """

    def __init__(self, policy: Policy, words: Words | None = None, flows: int = FLOWS) -> None:
        self.scrubber = Scrubber(policy)
        self.translator = Translator(policy, Words(None) if words is None else words, flows)

    @property
    def words(self) -> Words:
        """Those that flows take now."""
        return self.translator.words

    @words.setter
    def words(self, words: Words) -> None:
        self.translator.words = words

    @property
    def flows(self) -> int:
        """How many there are now."""
        return len(self.translator.table)

    def pass_frame(self, frame: bytes, port: Port, error: bool = False) -> Result:
        """What becomes of one frame that enters at ``port``.

        Args:
            frame: from the destination address on, without FCS.
            error: the ingress port marked the frame bad.
        """
        scrubbed = self.scrubber.scrub(frame, port, error)
        if scrubbed.frame is None:
            return scrubbed
        trace = Trace(scrubbed.altered, scrubbed.scope, scrubbed.removed)
        try:
            clean = self.translator.translate(scrubbed.frame, port, trace)
        except Drop as drop:
            return Result(None, drop.reason)
        return Result(clean, scrubbed.reason, trace.altered, trace.scope, trace.removed)

    def tick(self) -> None:
        """Every flow is a tick older."""
        self.translator.table.tick()
