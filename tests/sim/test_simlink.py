# SPDX-License-Identifier: Apache-2.0
"""The simulated device as a link: what it says when it cannot be opened, reset, registers."""

from pathlib import Path

import pytest

from custodes.errors import DeviceError
from custodes.link import Ingress, open_link
from custodes.registers import IDENTITY, IDENTITY_VALUE, LANES, VOCABULARY, VOCABULARY_VALUE
from custodes.simlink import SimLink, built_lanes, library_path
from custodes.table import Port, Reason
from tests.compare import WholePair
from tests.frames import POLICY, Frame, Ip4, Udp

FRAME = Ingress(Port.CLUSTER, Frame(Ip4(Udp(b"payload"))).pack())


@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_says_who_it_is(lanes: int):
    with open_link("sim:warden", lanes) as link:
        assert link.lanes == lanes
        assert [link.read(address) for address in (IDENTITY, LANES, VOCABULARY)] == [
            IDENTITY_VALUE,
            lanes,
            VOCABULARY_VALUE,
        ]


def test_lists_what_is_built():
    assert built_lanes("warden") == [1, 8, 64]
    assert built_lanes("watcher") == []


@pytest.mark.parametrize(
    ("name", "lanes", "message"),
    [
        ("serial:/nowhere", 1, "no such device"),
        ("sim:watcher", 1, "no such device"),
        ("sim:warden", 3, "no such device"),
    ],
)
def test_an_unknown_device_is_one_line(name: str, lanes: int, message: str):
    with pytest.raises(DeviceError, match=message):
        open_link(name, lanes)


def test_a_broken_library_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(DeviceError, match=r"run `make sim`"):
        open_link("sim:warden", 1)
    path = library_path("warden", 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no library")
    with pytest.raises(DeviceError, match="not a simulated device"):
        open_link("sim:warden", 1)


def test_after_reset_it_knows_no_policy_and_forwards_nothing():
    pair = WholePair(POLICY, 1)
    (before,) = pair.link.exchange([FRAME])
    pair.link.reset()
    (after,) = pair.link.exchange([FRAME])
    pair.load_policy()
    (again,) = pair.link.exchange([FRAME])
    assert before.reason == Reason.FORWARDED
    assert after.frame is None
    assert again == before
    pair.link.close()


def test_outcomes_come_while_other_frames_are_inside():
    pair = WholePair(POLICY, 1)
    frames = [Ingress(port, Frame(Ip4(Udp(bytes(1000)), port)).pack()) for port in (*Port, *Port, Port.WORLD)]
    pair.link.exchange(frames)
    wanted = pair.link.exchange(frames)
    found = [(port, outcome, pair.link.cycles) for port, outcome in pair.link.outcomes(frames)]
    pair.link.close()
    for port in Port:
        assert [outcome for at, outcome, _ in found if at is port] == [
            outcome for frame, outcome in zip(frames, wanted, strict=True) if frame.port is port
        ]
    assert found[0][2] + 2 * 1000 <= found[-1][2], "two frames come after it"


def test_nothing_to_take_is_an_error():
    with SimLink("warden", 1) as link, pytest.raises(DeviceError, match="lost a frame"):
        link.take(Port.CLUSTER)
