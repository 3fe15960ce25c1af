# SPDX-License-Identifier: Apache-2.0
"""What the demo of a gateway prints and writes of a run and a measurement, and that it fails where these are not as said."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from custodes import gateway_demo
from custodes.detection import Detected, measure_detection
from custodes.errors import MismatchError
from custodes.gateway_leg import HONEST, GatewayRun
from custodes.gateway_registers import Fault
from custodes.recompute import Verdict
from custodes.terminal import Screen
from custodes.weights_manifest import Manifest


@pytest.fixture(scope="module")
def measured() -> list[Detected]:
    return measure_detection([0.25], [1.0, 0.5], [4], trials=40)


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch, measured: list[Detected]) -> None:
    answers, verdicts = Counter({False: HONEST, True: 2}), Counter({Verdict.PASS: 9, Verdict.FAIL: 1})
    found = GatewayRun(Manifest("small", 8, bytes(32)), answers=answers, verdicts=verdicts, fault=Fault.ORDERED)
    monkeypatch.setattr(gateway_demo, "open_gateway", lambda device, lanes: nullcontext())
    monkeypatch.setattr(gateway_demo, "run_gateway", lambda gateway, folder, display: found)
    monkeypatch.setattr(gateway_demo, "measure_detection", lambda: measured)


def test_says_how_many_measured_probabilities_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gateway_demo.demo_gateway(Screen(-1), tmp_path, 1, False)
    assert "2 of 2 measured probabilities agree with 1 - (1 - epsilon d)^m" in capsys.readouterr().out
    assert "2 of 2 have" in (tmp_path / "gateway.html").read_text().replace("\n", " ")


def test_json_has_every_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gateway_demo.demo_gateway(Screen(-1), tmp_path, 1, True)
    points = json.loads(capsys.readouterr().out)["detection"]
    assert [(point["discernible"], point["agrees"], point["amiss"]) for point in points] == [
        (1, True, []),
        (0.5, True, []),
    ]
    assert all(point["interval"][0] <= point["expected"] <= point["interval"][1] for point in points)


def test_fails_where_a_probability_is_not_as_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[Detected]
):
    wrong = [measured[0], measured[1]._replace(found=0)]
    monkeypatch.setattr(gateway_demo, "measure_detection", lambda: wrong)
    with pytest.raises(MismatchError, match="1 of 2 probabilities that a lie is found"):
        gateway_demo.demo_gateway(Screen(-1), tmp_path, 1, False)
    assert '<td class="n">no</td>' in (tmp_path / "gateway.html").read_text()
