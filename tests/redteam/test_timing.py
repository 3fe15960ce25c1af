# SPDX-License-Identifier: Apache-2.0
"""Covert timing channels: each works where nothing is between; what is left of it behind each policy of the retimer."""

from __future__ import annotations

import pytest

from custodes.retimer import Policy
from tests.redteam.outcome import message
from tests.redteam.table import after, before
from tests.redteam.timing import CHANNELS, SCHEDULES, SIZE, Timing, retimed, span_of

OPEN = {
    (Policy.SLOT, "on/off", False),
    (Policy.SLOT, "on/off", True),
    (Policy.SLOT, "count", False),
    (Policy.SLOT, "count", True),
    (Policy.SLOT, "order of flows", True),
    (Policy.BATCH, "on/off", False),
    (Policy.BATCH, "on/off", True),
    (Policy.BATCH, "count", False),
    (Policy.BATCH, "count", True),
    (Policy.CONSTANT_RATE, "on/off", True),
    (Policy.CONSTANT_RATE, "count", True),
    (Policy.CONSTANT_RATE, "order of flows", True),
}
"""Policy, channel and whether the observer reads frames: what stays, as README.md of this folder says."""
CASES = [(policy, channel, reads) for policy in Policy for channel in CHANNELS for reads in (False, True)]
names = pytest.mark.parametrize(
    ("policy", "channel", "reads"),
    CASES,
    ids=[
        f"{policy.name}-{channel.name}-{'reads frames' if reads else 'sees times'}" for policy, channel, reads in CASES
    ],
)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("channel", CHANNELS, ids=[channel.name for channel in CHANNELS])
def test_works_with_nothing_between(channel: Timing, policy: Policy) -> None:
    assert before(channel, policy).perfect


@names
def test_is_closed_or_known(policy: Policy, channel: Timing, reads: bool) -> None:
    assert after(channel, policy, reads).chance == ((policy, channel.name, reads) not in OPEN)


@pytest.mark.parametrize("channel", CHANNELS, ids=[channel.name for channel in CHANNELS])
def test_at_constant_rate_times_and_lengths_are_the_same_whatever_the_message(channel: Timing) -> None:
    span = span_of(Policy.CONSTANT_RATE)
    seen = [
        retimed(channel.send(message(seed, channel.width), span), Policy.CONSTANT_RATE, False, span * 100)
        for seed in (1, 2)
    ]
    assert len(seen[0]) > 400
    assert seen[0] == seen[1]


def test_schedules_are_kept() -> None:
    assert all(schedule.can_be_kept(SIZE) for schedule in SCHEDULES.values())
    assert len(CHANNELS) >= 4
