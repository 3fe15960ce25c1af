# SPDX-License-Identifier: Apache-2.0
"""What `custodes live` reads of a flow table, and how it lets flows grow old."""

from __future__ import annotations

from custodes.device import Warden
from custodes.live_flows import Flows, FlowState
from custodes.policy import Flow, Policy
from custodes.registers import FLOW_ALARM, FLOW_CONTROL, FLOW_TICK, FLOWS_IN_USE, FLOWS_REGISTER, TICK
from custodes.seed_registers import MOST_WORDS, seed_writes
from tests.host.fake import FakeLink

SEED = bytes(range(32))


class Recording(FakeLink):
    """Keeps what is written."""

    def __init__(self, **registers: int) -> None:
        super().__init__(registers={FLOWS_REGISTER: 4096, FLOWS_IN_USE: 5 << 16 | 3, FLOW_ALARM: registers["alarm"]})
        self.written: list[tuple[int, int]] = []

    def write(self, address: int, value: int) -> None:
        self.written.append((address, value))


def test_state_is_what_the_registers_say() -> None:
    flows = Flows(Warden(Recording(alarm=1)), Policy(), SEED)
    assert flows.state() == FlowState(4096, 3, 5, full=True, empty=False)
    assert Flows(Warden(Recording(alarm=2)), Policy(), SEED).state() == FlowState(4096, 3, 5, full=False, empty=True)


def test_a_device_without_flow_table() -> None:
    assert Flows(Warden(FakeLink(flows=0)), Policy(), SEED).state() == FlowState()


def test_old_alarms_are_cleared_and_the_devices_own_ticks_end() -> None:
    link = Recording(alarm=3)
    Flows(Warden(link), Policy(), SEED)
    assert link.written[:2] == [(FLOW_TICK, 0), (FLOW_ALARM, 3)]


def test_flows_grow_old_as_the_policy_says() -> None:
    link = Recording(alarm=0)
    flows = Flows(Warden(link), Policy(flow=Flow(tick=1 << 17)), SEED)
    assert round(flows.tick_seconds) == 69
    flows.tick()
    assert link.written[-1] == (FLOW_CONTROL, TICK)
    assert Flows(Warden(link), Policy(flow=Flow(tick=0)), SEED).tick_seconds == 0


def test_words_are_made_of_the_seed() -> None:
    link = Recording(alarm=0)
    Flows(Warden(link), Policy(), SEED)
    assert link.written[2:] == list(seed_writes(SEED, MOST_WORDS))
