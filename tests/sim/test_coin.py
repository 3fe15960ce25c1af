# SPDX-License-Identifier: Apache-2.0
"""The coin flip with the simulated border as its device, which has words while the parties say so, and none between."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from custodes.border import Border, open_border
from custodes.coin import Speaker
from custodes.coin_device import Coin
from custodes.coin_registers import CoinState, Party
from custodes.coin_transcript import PARTIES, Opened, Transcripts, opened
from custodes.coin_warden import Pace, Warden
from tests.host.coin_scene import Scene
from tests.host.fake_coin import KEYS, PUBLIC

PACE = Pace(step=120, epoch=0.5, grace=1, join=60, poll=0.05)


class Watched:
    """The border's coin, and what its status was while words came."""

    def __init__(self, border: Border) -> None:
        self.registers = border.registers
        self.coin = border.coin
        self.live: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coin, name)

    def drawn(self) -> bool:
        status = self.registers.fields("COIN_STATUS")
        self.live.append((status["LIVE_CLUSTER"], status["LIVE_WORLD"]))
        return self.coin.drawn()


def test_the_border_has_words_in_each_epoch_and_none_between(tmp_path: Path):
    scene = Scene(tmp_path)
    with open_border("sim:border") as border:
        watched = Watched(border)
        kept = Transcripts(tmp_path, Speaker.WARDEN)
        scene.warden = Warden(cast(Coin, watched), KEYS[Speaker.WARDEN], PUBLIC, kept, PACE, 100, scene._note)
        assert asyncio.run(scene.play(epochs=2)) == [None, None, None]
        assert border.registers.field("COIN_STATUS", "STATE", CoinState) is CoinState.IDLE
        assert border.coin.last_epoch() == 2
        status = border.registers.fields("COIN_STATUS")
        assert (status["LIVE_CLUSTER"], status["LIVE_WORLD"]) == (0, 0)
    assert set(watched.live) == {(1, 1)}
    epochs: list[Opened] = scene.results
    assert [one.epoch for one in epochs] == [1, 2]
    for one in epochs:
        assert [opened(tmp_path / f"{speaker.title}-{one.epoch}.jsonl", PUBLIC) for speaker in PARTIES] == [one] * len(
            Party
        )
