# SPDX-License-Identifier: Apache-2.0
"""The comparison that the gateware is held to finds what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from custodes.link import Ingress, Outcome
from custodes.macsec import Sealing, Side
from custodes.model import Sealer
from custodes.processor_registers import OCTETS, PN_STATE, association_register
from tests.compare_session import SessionPair
from tests.host.fake_processor import MIRROR_TOML, OWN, PEER, FakeProcessor, keys, plain


def frames() -> list[Ingress[Side]]:
    """Three that leave, and one for each of four drops."""
    theirs = Sealer.of(keys(MIRROR_TOML))
    wire = theirs.seal(plain(80, OWN, PEER)).frame or b""
    return [
        Ingress(Side.ACCELERATOR, plain()),
        Ingress(Side.NETWORK, wire),
        Ingress(Side.ACCELERATOR, plain(13)),
        Ingress(Side.NETWORK, wire[:-1]),
        Ingress(Side.ACCELERATOR, plain(300)),
        Ingress(Side.NETWORK, plain(), error=True),
        Ingress(Side.ACCELERATOR, plain(60, OWN)),
    ]


def test_finds_no_difference_where_there_is_none() -> None:
    pair = SessionPair(keys(), 1, FakeProcessor())
    assert pair.differences(frames()) == []
    assert pair.differences(frames()) == []
    assert pair.sealer.octets == {1: 2 * (88 + 288)}
    pair.load(keys())
    assert pair.differences(frames()) == []


def longer(outcome: Outcome[Any]) -> Outcome[Any]:
    return outcome if outcome.frame is None else outcome._replace(frame=outcome.frame + b"\0")


def denied(outcome: Outcome[Any]) -> Outcome[Any]:
    return Outcome(None, Sealing.OUT_PKTS_NO_PEER) if outcome.frame else outcome


@pytest.mark.parametrize(("spoil", "word"), [(longer, "OUT_PKTS_ENCRYPTED"), (denied, "OUT_PKTS_NO_PEER")])
def test_finds_a_frame_that_differs(spoil: Callable[[Outcome[Any]], Outcome[Any]], word: str) -> None:
    found = SessionPair(keys(), 1, FakeProcessor(spoil)).differences(frames())
    assert len(found) == 3
    assert found[0].startswith(f"frame 0 (ACCELERATOR {plain().hex()}): {word}")


@pytest.mark.parametrize(
    ("base", "side", "message"),
    [
        (OCTETS, Side.ACCELERATOR, "counter 'OutOctetsEncrypted of channel 0, AN 1' rose by"),
        (PN_STATE, Side.NETWORK, "NETWORK association 1: (<Suite.GCM_AES_256: 1>, 7) instead of"),
    ],
)
def test_finds_a_register_that_differs(base: int, side: Side, message: str) -> None:
    link = FakeProcessor(registers={association_register(base, side, 1): 7})
    (found,) = SessionPair(keys(), 1, link).differences(frames())
    assert found.startswith(message)
