# SPDX-License-Identifier: Apache-2.0
"""The demo of a gateway, with its specification in place of the device: real HTTP, and a server with power or without."""

import json
import os

import pytest

from custodes import gateway_leg
from custodes.detection import measure_detection
from custodes.errors import MismatchError
from custodes.gateway import Gateway
from custodes.gateway_leg import HONEST, GatewayRun, run_gateway, server_policy, session_keys
from custodes.gateway_page import gateway_page
from custodes.gateway_registers import Fault
from custodes.recompute import Verdict
from custodes.station import TUN
from custodes.terminal import Screen
from custodes.upload_time import LINE_RATES, upload_seconds
from custodes.weights_manifest import Manifest
from tests.host.fake_gateway import FakeGateway


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> GatewayRun:
    if not os.access(TUN, os.R_OK | os.W_OK):
        pytest.skip(f"{TUN} may not be used")
    folder = tmp_path_factory.mktemp("gateway")
    keys = session_keys()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway_leg, "session_keys", lambda: keys)
        found = run_gateway(Gateway(FakeGateway(server_policy(), keys[0])), folder, Screen(-1))
    assert json.loads((folder / "gateway.json").read_text())["agrees"] is found.agrees
    return found


def test_honest_answers_are_recomputed_and_a_lie_takes_the_power(run: GatewayRun):
    run.judge()
    assert run.answers[False] == HONEST and run.verdicts[Verdict.PASS] > 0
    assert run.verdicts[Verdict.FAIL] == 1 and run.fault is Fault.ORDERED
    assert "differs" in run.order


def test_epochs_have_every_honest_pair(run: GatewayRun):
    assert run.pairs + 1 >= HONEST  # the last one is complete when the next question comes, or the connection ends
    assert sum(record.kept for record in run.records) == run.kept
    assert all(record.events["store_full"] == 0 for record in run.records)


def test_the_page_says_what_happened(run: GatewayRun):
    page = gateway_page("sim:gateway", run, measure_detection(counts=[1, 4], trials=2))
    assert run.verdict in page and "<svg" in page and run.manifest.sha256.hex() in page


def test_a_run_that_went_wrong_is_said():
    run = GatewayRun(Manifest("small", 8, bytes(32)), told=["<b>nothing</b>"])
    with pytest.raises(MismatchError, match="did not go as it has to"):
        run.judge()
    page = gateway_page("sim:gateway", run, [])
    assert "verdict bad" in page and "<b>nothing" not in page


def test_a_terabyte_takes_as_long_as_the_cable_or_the_hash():
    one, eight = LINE_RATES
    assert round(upload_seconds(10**12, one)) == 8258
    assert round(upload_seconds(10**12, eight)) == 6500
