# SPDX-License-Identifier: Apache-2.0
"""The parties of the demo: keys of their own, an epoch as long as there is work, and transcripts that anybody can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from custodes.border_parties import Parties
from custodes.coin_transcript import PARTIES
from custodes.errors import CaptureError, DeviceError
from tests.host.fake_coin import FakeBorder
from tests.host.test_provision_commands import custodes


def border() -> Any:
    return FakeBorder()


def test_an_epoch_lasts_as_long_as_the_work_in_it(tmp_path: Path):
    device, drawn = border(), list[bool]()

    async def work() -> None:
        drawn.append(device.coin.drawn())

    parties = Parties(tmp_path, lambda text: None)
    for number in (1, 2):
        epochs = parties.flip(device, work)
        assert {epoch.epoch for epoch in epochs.values()} == {number}
        assert set(epochs) == {*PARTIES}
        assert len({epoch.seed for epoch in epochs.values()}) == 1
        assert not device.coin.drawn()
    assert drawn == [True, True]


def test_transcripts_can_be_checked_with_the_keys_beside_them(tmp_path: Path):
    async def work() -> None:
        pass

    epochs = Parties(tmp_path, lambda text: None).flip(border(), work)
    keys = [part for name in ("prover", "verifier", "warden") for part in (f"--{name}", tmp_path / f"{name}.pub")]
    for party in PARTIES:
        result = custodes("coin", "check", tmp_path / f"{party.title}-1.jsonl", *keys)
        assert result.exit_code == 0, result.output
        assert epochs[party].seed.hex() in result.stdout


def test_transcripts_of_other_keys_go(tmp_path: Path):
    async def work() -> None:
        pass

    for _ in range(2):
        epochs = Parties(tmp_path, lambda text: None).flip(border(), work)
        assert {epoch.epoch for epoch in epochs.values()} == {1}


def test_work_that_fails_ends_the_epoch_and_is_told(tmp_path: Path):
    device = border()

    async def work() -> None:
        raise DeviceError("it burns")

    with pytest.raises(DeviceError, match="it burns"):
        Parties(tmp_path, lambda text: None).flip(device, work)
    assert not device.coin.drawn()


def test_says_where_it_cannot_write(tmp_path: Path):
    with pytest.raises(CaptureError, match="cannot be written"):
        Parties(tmp_path / "none", lambda text: None)
