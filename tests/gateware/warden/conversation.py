# SPDX-License-Identifier: Apache-2.0
"""What the stations of `tests.gateware.flow.traffic` say to a whole warden."""

from __future__ import annotations

from custodes.flow_table import FLOWS
from custodes.link import Ingress
from custodes.model import Scrubber
from custodes.seed_registers import MOST_WORDS
from custodes.table import Port
from tests import traffic
from tests.compare import WholePair
from tests.frames import POLICY, Frame
from tests.gateware.flow.traffic import Sent, Stations, Tick, specified


class Conversation(Stations):
    """Stations of which every frame is kept as they send it, with random and damaged ones between.

    Attributes:
        acts: frames and ticks, in order.
    """

    def __init__(self, seed: int, limit: int = MOST_WORDS) -> None:
        super().__init__(seed, FLOWS, limit)
        self.acts: list[Ingress | Tick] = []
        self._specification_of_headers = Scrubber(POLICY)

    def say(self, port: Port, frame: Frame) -> None:
        self.acts.append(Ingress(port, frame.pack()))
        super().say(port, frame)

    def _noise(self) -> None:
        r = self.random
        damage = r.choice((None, *traffic.DAMAGE))
        frame = traffic.make(r.choice(sorted(traffic.KINDS)), r.getrandbits(32), damage, r.choice(traffic.WHERE))
        if not frame.frame:
            return
        self.acts.append(frame)
        scrubbed = self._specification_of_headers.scrub(frame.frame, frame.port).frame
        if scrubbed is not None:
            self.events.append(Sent(frame.port, scrubbed))
            self.expected.append(specified(self.specification, Sent(frame.port, scrubbed)))

    def _tick(self) -> None:
        self.acts.append(Tick())
        super()._tick()

    def differences(self, pair: WholePair) -> list[str]:
        """Let a warden have all of it; say in words where device and specification differ."""
        found: list[str] = []
        turn: list[Ingress] = []
        for act in [*self.acts, Tick()]:
            if isinstance(act, Ingress):
                turn.append(act)
                continue
            found += pair.differences(turn)
            turn = []
            pair.tick()
        return found
