# SPDX-License-Identifier: Apache-2.0
"""The simulated processor as a link and behind the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from custodes import commands
from custodes.capture import Capture
from custodes.errors import DeviceError
from custodes.link import Ingress, open_link
from custodes.macsec import Sealing, Side
from custodes.processor import SIMULATED, Processor
from custodes.simlink import LANES, SimLink, built_lanes
from tests.compare_session import SessionPair
from tests.host.fake_processor import KEY_A, PEER, keys, plain

ROOT = Path(__file__).parents[2]
SEALED = Ingress(Side.ACCELERATOR, plain())


@pytest.mark.parametrize("lanes", LANES)
def test_says_who_it_is_and_seals_as_specified(lanes: int):
    pair = SessionPair(keys(), lanes)
    assert pair.link.lanes == lanes
    assert pair.differences([SEALED, Ingress(Side.NETWORK, plain()), SEALED]) == []
    assert pair.sealer.octets == {1: 2 * (len(SEALED.frame) - 12)}
    pair.link.close()


def test_lists_what_is_built():
    assert built_lanes("processor") == list(LANES)


def test_takes_other_keys_in_place_of_those_it_has():
    with open_link(SIMULATED) as link:
        processor = Processor(link)
        for _ in range(2):
            processor.load(keys())
            assert [processor.in_use(side) for side in Side] == [1, 1]
            assert processor.association(Side.ACCELERATOR, 1) == (keys().transmit[0].association[0].suite, 1)
            (outcome,) = link.exchange([SEALED])
            assert outcome.reason is Sealing.OUT_PKTS_ENCRYPTED


def test_after_reset_it_knows_no_keys_and_seals_nothing():
    with SimLink("processor") as link:
        processor = Processor(link)
        processor.load(keys())
        link.reset()
        assert [processor.in_use(side) for side in Side] == [0, 0]
        (outcome,) = link.exchange([SEALED])
        assert (outcome.frame, outcome.reason) == (None, Sealing.OUT_PKTS_NO_PEER)


def test_after_tampering_it_takes_no_keys_until_reset():
    with SimLink("processor") as link:
        processor = Processor(link)
        processor.load(keys())
        link.tamper(True)
        link.step(10)
        link.tamper(False)
        assert processor.tampered
        with pytest.raises(DeviceError, match="tampered"):
            processor.load(keys())
        link.reset()
        processor.load(keys())
        (outcome,) = link.exchange([SEALED])
        assert outcome.reason is Sealing.OUT_PKTS_ENCRYPTED


XPN = f'suite = "GCM-AES-XPN-256", key = "{KEY_A.hex()}", salt = "{"5a" * 12}", ssci = 1, pn = 0xFFFFFFF0'
KEYS = f"""
[[transmit]]
peer = "02:00:00:00:00:02"
sci = "02:00:00:00:00:01/1"
association = [{{ an = 0, {XPN} }}]

[[receive]]
sci = "02:00:00:00:00:01/1"
association = [{{ an = 0, {XPN} }}]
"""
"""Over the end of the lower half of the packet number."""


@pytest.mark.parametrize("lanes", LANES)
def test_recorded_traffic_is_sealed_and_opened_again(tmp_path: Path, lanes: int):
    source = ROOT / "tests" / "captures" / "small.pcapng"
    secrets, sealed, opened = (tmp_path / name for name in ("keys.toml", "sealed.pcapng", "opened.pcapng"))
    secrets.write_text(KEYS)
    for command, start, end in (("seal", source, sealed), ("open", sealed, opened)):
        arguments = [command, str(start), str(end), "--keys", str(secrets), "--lanes", str(lanes), "--check", "--json"]
        result = CliRunner().invoke(commands.app, arguments)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["check"]["verdict"] == "0 mismatches against the specification"
    wanted = [(packet.time_ns, packet.frame) for packet in Capture(source) if packet.frame[:6] == PEER and packet.whole]
    assert len(wanted) > 100
    assert [(packet.time_ns, packet.frame) for packet in Capture(opened)] == wanted
