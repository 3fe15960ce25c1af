# SPDX-License-Identifier: Apache-2.0
"""`custodes sample`: what it shows of a gateway, and the epochs that it begins."""

import json
from pathlib import Path

import pytest

from custodes.gateway import Gateway
from custodes.gateway_leg import GATEWAY, RECOMPUTER, server_policy, session_keys
from custodes.model.upload import weights
from custodes.sample_tree import commitment
from tests.host.fake_gateway import FakeGateway
from tests.host.test_provision_commands import custodes


def ran(*words: object) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    result = custodes(*words)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """Of a gateway whose server gets its weights, and knows the recomputer."""
    found = FakeGateway(server_policy(), session_keys()[0])
    gateway = Gateway(found)
    gateway.start(8, bytes(32))
    assert found.power and weights(b"x", bytes(6), bytes(6))
    gateway.send_samples_to(RECOMPUTER, GATEWAY)
    monkeypatch.setattr("custodes.device.open_link", lambda *_: found)
    return found


def test_a_reading_says_what_goes_on(link: FakeGateway):
    code, output, _ = ran("sample", "--json")
    found = json.loads(output)
    assert code == 0
    assert (found["mode"], found["epoch"], found["live"], found["pairs"]) == ("upload", 0, False, 0)


def test_epochs_follow_each_other_and_are_logged(link: FakeGateway, tmp_path: Path):
    log = tmp_path / "epochs.jsonl"
    for _ in range(3):
        code, _, errors = ran("sample", "--epsilon", "0.25", "--log", log)
        assert code == 0 and "has begun, committed to" in errors
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["epoch"] for one in found] == [1, 2]
    assert all(one["epsilon"] == 0.25 and one["pairs"] == 0 and one["observed"] is None for one in found)
    assert len({one["key"] for one in found}) == 2
    assert link.sampler and link.sampler.commitment != commitment(bytes.fromhex(found[0]["key"]))


def test_watching_prints_a_line_per_reading(link: FakeGateway):
    code, output, _ = ran("sample", "--watch", "--count", "3", "--interval", "0.05", "--json")
    assert code == 0 and [json.loads(line)["mode"] for line in output.splitlines()] == ["upload"] * 3


@pytest.mark.parametrize(
    "words", [("--every", "1"), ("--every", "1", "--watch"), ("--epsilon", "1.5"), ("--epsilon", "x")]
)
def test_what_cannot_be_meant_is_refused(link: FakeGateway, words: tuple[str, ...]):
    code, _, errors = ran("sample", *words)
    assert code == 2 and errors


def test_a_log_that_cannot_be_written_is_said(link: FakeGateway, tmp_path: Path):
    code, _, errors = ran("sample", "--log", tmp_path / "none" / "log")
    assert code == 3 and "cannot be written" in errors
