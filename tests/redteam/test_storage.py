# SPDX-License-Identifier: Apache-2.0
"""Covert storage channels: each carries every bit over a cable; through the warden, no more than coins do."""

from __future__ import annotations

import math

import pytest

from custodes.table import Port
from tests.redteam.outcome import BITS, SIGNIFICANCE, Recovered, bound, message, recovered
from tests.redteam.storage import Channel
from tests.redteam.table import CLOSED, OPEN, carried
from tests.redteam.wire import Tapped, bare, warded

SIDES = pytest.mark.parametrize("side", Port, ids=["from cluster", "from world"])


def names(channels: list[Channel]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("channel", channels, ids=[channel.name for channel in channels])


@SIDES
@names([*CLOSED, *OPEN])
def test_works_over_a_cable(channel: Channel, side: Port) -> None:
    assert carried(channel, bare, side).perfect


@SIDES
@names(CLOSED)
def test_is_closed_by_the_warden(channel: Channel, side: Port) -> None:
    assert carried(channel, warded(), side).chance


@SIDES
@names(CLOSED)
def test_what_leaves_is_the_same_whatever_the_message(channel: Channel, side: Port) -> None:
    """Stronger than that nobody reads it: there is nothing to read."""
    left: list[list[bytes | None]] = []
    for seed in (1, 2):
        wire = Tapped(warded(), side)
        channel.send(wire, side, message(seed, channel.width, distinct=channel.distinct))
        left.append(wire.left)
    assert len(left[0]) >= BITS // channel.width
    assert left[0] == left[1]


@SIDES
@names(OPEN)
def test_what_is_said_to_stay_open_is_open(channel: Channel, side: Port) -> None:
    """A channel that is closed by now is to be listed as closed."""
    assert not carried(channel, warded(), side).chance


def test_there_are_enough() -> None:
    assert len(CLOSED) >= 15
    assert len({channel.name for channel in (*CLOSED, *OPEN)}) == len(CLOSED) + len(OPEN)


def test_bound_is_that_of_the_binomial_distribution() -> None:
    assert bound(30) == 30, "all of 30 right is no proof: 2^-30 is more than half of 1e-9"
    assert bound(31) == 30
    above = sum(math.comb(BITS, right) for right in range(bound() + 1, BITS + 1)) / 2**BITS
    assert above <= SIGNIFICANCE / 2 < above + math.comb(BITS, bound()) / 2**BITS
    assert Recovered(BITS, bound()).chance and not Recovered(BITS, bound() + 1).chance
    assert Recovered(BITS, BITS - bound()).chance and not Recovered(BITS, BITS - bound() - 1).chance


def test_recovery_is_counted_in_bits() -> None:
    sent = message(3, 8)
    assert recovered(sent, sent, 8) == (1024, 1024)
    assert recovered(sent, [symbol ^ 1 for symbol in sent], 8) == (1024, 1024 - 128)
    assert recovered(sent, [symbol | 0xF00 for symbol in sent], 8).perfect, "more than the symbol is not counted"
    assert recovered(sent, [None] * len(sent), 8).chance
