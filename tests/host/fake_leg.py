# SPDX-License-Identifier: Apache-2.0
"""A crossing of the border as the demo reports it, without a device: what watchers say is said for them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, cast

from custodes.border_leg import BorderLeg, Crossing, Watcher
from custodes.border_traffic import Sabotage, Traffic
from custodes.coin import Speaker
from custodes.coin_transcript import PARTIES, Opened
from custodes.retimer import Schedule
from custodes.table import Port, Reason

FINDING = "mismatch: to world, frame 9 differs from byte 22 on: 41, not 40"


def watcher(party: Speaker, agrees: bool = True) -> Watcher:
    bad = 0 if agrees else 1
    epoch = {
        "frames": {"agrees": 20 - bad, "missing": 0, "mismatch": bad},
        "records": {"agrees": 6, "missing": 0, "mismatch": 0},
        "first": [] if agrees else [FINDING],
    }
    verdict = "20 frames and 6 records agree, nothing is missing" if agrees else "1 mismatch, 0 missing"
    found: dict[str, Any] = {
        "agrees": agrees,
        "verdict": verdict,
        "epochs": [epoch],
        "speed": {"frames_per_s": 1234.5},
    }
    return Watcher(party, f"custodes watch {party.title} --beat 1", found)


class FakeTraffic:
    """What `Traffic` has counted."""

    def __init__(self, alarms: tuple[str, ...] = ()) -> None:
        self.sent = Counter({Port.CLUSTER: 7, Port.WORLD: 5})
        self.left = {Port.CLUSTER: [2, 4], Port.WORLD: [1, 3, 5]}
        self.dropped = Counter({Reason.FLOW_UNKNOWN: 7})
        self.dummies, self.records, self.cycles, self.alarms = 15, 6, 125_000, [*alarms]


def crossing(number: int, agree: tuple[bool, bool], alarms: tuple[str, ...] = (), same: bool = True) -> Crossing:
    pair = bytes(32), bytes(32)
    epochs = [Opened(number, pair, pair, pair, bytes([one] * 32), 100, (3, 1)) for one in (1, 1 if same else 2)]
    watchers = tuple(watcher(party, one) for party, one in zip(PARTIES, agree, strict=True))
    opened = dict(zip(PARTIES, epochs, strict=True))
    return Crossing(Path("border"), cast(Traffic, FakeTraffic(alarms)), opened, 0.5, watchers)


def leg(
    honest: tuple[bool, bool] = (True, True),
    sabotaged: tuple[bool, bool] = (False, False),
    alarms: tuple[str, ...] = (),
    same: bool = True,
) -> BorderLeg:
    """``honest`` and ``sabotaged``: whether prover and verifier find that everything agrees."""
    return BorderLeg(Schedule(), crossing(1, honest, alarms, same), Sabotage(5, 65, 64), crossing(2, sabotaged))
