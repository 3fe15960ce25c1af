# SPDX-License-Identifier: Apache-2.0
"""The flow table of a warden while it bridges: what it holds, and how it grows old."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from custodes.device import TICK_UNIT_NS, Warden
from custodes.policy import Policy
from custodes.registers import FLOW_ALARM, FLOWS_IN_USE, WARDEN_BLOCK


@dataclass(frozen=True)
class FlowState:
    """What a flow table holds: flows that each side has begun, of so many slots, and what has kept others from beginning
    since the bridge began. Without slots, the device has no such table."""

    slots: int = 0
    cluster: int = 0
    world: int = 0
    full: bool = False
    """There was no room in the table."""
    empty: bool = False
    """There was no word of entropy."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Flows:
    """The flow table of a warden that has its policy. What stands in for numbers that stations choose is made of ``seed``.

    Flows grow old by this machine's clock and no longer by the device's: of a simulated one, cycles pass only while frames
    do.
    """

    def __init__(self, warden: Warden, policy: Policy, seed: bytes) -> None:
        self._warden = warden
        self._link = warden.link
        self.tick_seconds = policy.flow.tick * TICK_UNIT_NS / 1e9
        """0: they do not grow old."""
        warden.hold_ticks()
        self._link.write(FLOW_ALARM, self._link.read(FLOW_ALARM))
        if warden.flows:
            warden.seed(seed)

    def tick(self) -> None:
        """Every flow is a tick older."""
        self._warden.tick()

    def state(self) -> FlowState:
        """What the table holds now."""
        used, alarm = WARDEN_BLOCK["FLOWS_IN_USE"], WARDEN_BLOCK["FLOW_ALARM"]
        words, bits = self._link.read(FLOWS_IN_USE), self._link.read(FLOW_ALARM)
        return FlowState(
            self._warden.flows,
            used.field("CLUSTER").of(words),
            used.field("WORLD").of(words),
            bool(bits & alarm.field("FULL").mask),
            bool(bits & alarm.field("EMPTY").mask),
        )
