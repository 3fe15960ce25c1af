# SPDX-License-Identifier: Apache-2.0
"""A capture through the simulated border: both watchers agree with an honest device, and catch the one that is not."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from custodes.admission import admit_capture
from custodes.border_leg import LIMITS, BorderLeg, cross_border
from custodes.capture import Capture
from custodes.coin_transcript import PARTIES
from custodes.errors import CaptureError
from custodes.records import read_records
from custodes.retimer import Event, Schedule
from custodes.table import Port
from custodes.terminal import Screen
from custodes.watch_manifest import TAPS
from tests.host.fake import read_capture, write_capture
from tests.host.test_provision_commands import custodes

CAPTURE = Path(__file__).parent.parent / "captures" / "mixed.pcap"
FRAMES = 90
"""Of the capture: pings, DNS, refused connections, and the first of HTTP."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leg")


@pytest.fixture(scope="module")
def leg(folder: Path) -> BorderLeg:
    frames = [packet.frame for packet in Capture(CAPTURE)][:FRAMES]
    source = write_capture(folder / "some.pcap", frames)
    return cross_border(source, folder, admit_capture(Capture(source)), Screen(-1))


def test_all_agree_with_the_honest_device_and_catch_the_sabotaged_one(leg: BorderLeg):
    leg.judge()
    for crossing in (leg.honest, leg.sabotaged):
        traffic = crossing.traffic
        assert traffic.sent.total() == FRAMES
        assert traffic.sent.total() - traffic.dropped.total() == sum(map(len, traffic.left.values())) > FRAMES / 3
        assert traffic.dummies > 10 and traffic.records > 2 and sum(crossing.epoch.used) > 4
        assert traffic.retimed[Event.RELEASED] == len(traffic.left[Port.WORLD])
        assert not sum(traffic.retimed[event] for event in (Event.FULL, Event.OVER_SLOT, Event.ERROR, Event.TOO_LONG))
    assert leg.honest.epoch.seed != leg.sabotaged.epoch.seed


def test_what_was_sabotaged_is_what_is_found(leg: BorderLeg):
    sabotage = leg.sabotage
    assert bin(sabotage.ttl ^ sabotage.honest).count("1") == 1
    for watcher in leg.sabotaged.watchers:
        (epoch,) = watcher.found["epochs"]
        assert (epoch["frames"]["missing"], epoch["frames"]["mismatch"]) == (0, 1)
        assert watcher.first is not None
        assert f"on: {sabotage.ttl:02x} " in watcher.first and f"not {sabotage.honest:02x} " in watcher.first
        assert epoch["records"]["missing"] == epoch["records"]["mismatch"] == 0, "the device records what it does"


def test_frames_leave_for_the_world_in_every_slot(folder: Path, leg: BorderLeg):
    times = [time_ns for time_ns, _ in read_capture(folder / "honest" / "prover" / "world-received.pcap")]
    assert {later - earlier for earlier, later in pairwise(times)} == {Schedule().slot_cycles * 8}


def test_every_watcher_has_taps_records_and_shares_of_its_own(folder: Path, leg: BorderLeg):
    for party in PARTIES:
        own = folder / "honest" / party.title
        assert sum(len(read_capture(own / f"{name}.pcap")) for name in TAPS if name.endswith("sent")) == FRAMES
        assert len([*read_records(own / "records.jsonl")]) == leg.honest.traffic.records
        assert json.loads((own / "opened.json").read_text()) == leg.honest.opened[party].to_json()
        assert json.loads((own / "watch.json").read_text())["agrees"]
        assert (own / "watch.html").read_text().startswith("<!doctype html>")


def test_whoever_has_the_files_can_watch_again(folder: Path, leg: BorderLeg):
    for name, code in (("honest", 0), ("sabotaged", 6)):
        result = custodes("watch", folder / name / "verifier", *LIMITS)
        assert result.exit_code == code, result.output


def test_says_when_there_is_nothing_to_sabotage(tmp_path: Path):
    source = write_capture(tmp_path / "none.pcap", [])
    with pytest.raises(CaptureError, match="no IPv4 frame"):
        cross_border(source, tmp_path, admit_capture(Capture(source)), Screen(-1))
