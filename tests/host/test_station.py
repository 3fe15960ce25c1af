# SPDX-License-Identifier: Apache-2.0
"""Programs with networks of their own: what one sends arrives here, and what is sent from here arrives there."""

import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.errors import InterfaceError
from custodes.station import TUN, Station

MACS = [bytes([2, 0, 0, 0, 0, number]) for number in (1, 2)]
ADDRESSES = ["192.0.2.1", "192.0.2.2"]
SERVER = "import socket; s = socket.create_server(('192.0.2.1', 80)); c, _ = s.accept(); c.sendall(c.recv(100)[::-1])"
CLIENT = """
import socket, sys, time
for _ in range(50):
    try:
        c = socket.create_connection(("192.0.2.1", 80), 1)
        break
    except OSError:
        time.sleep(0.1)
c.sendall(b"hello")
sys.exit(0 if c.recv(100) == b"olleh" else 1)
"""
WAIT_S = 30

pytestmark = pytest.mark.skipif(not os.access(TUN, os.R_OK | os.W_OK), reason=f"{TUN} may not be used")


@pytest.fixture
def stations() -> Iterator[list[Station]]:
    programs = [[sys.executable, "-c", program] for program in (SERVER, CLIENT)]
    with Station(MACS[0], ADDRESSES[0], programs[0]) as first, Station(MACS[1], ADDRESSES[1], programs[1]) as second:
        yield [first, second]


def test_two_stations_talk_only_through_us(stations: list[Station]):
    server, client = stations
    frames = [0, 0]
    until = time.monotonic() + WAIT_S
    while client.runs and time.monotonic() < until:
        select.select(stations, [], [], 0.1)
        for at, (station, other) in enumerate(((server, client), (client, server))):
            for frame in station.receive():
                assert frame[6:12] == MACS[at]
                frames[at] += 1
                other.send(frame)
    assert client.program.wait(0) == 0
    assert min(frames) > 3


def test_a_station_says_nothing_by_itself():
    with Station(MACS[0], ADDRESSES[0], [sys.executable, "-c", "import time; time.sleep(60)"]) as station:
        time.sleep(1.5)
        assert station.receive() == []
        assert station.runs


def test_a_station_without_power_is_gone_at_once():
    with Station(MACS[0], ADDRESSES[0], [sys.executable, "-c", "import signal; signal.pause()"]) as station:
        station.kill()
        assert not station.runs
        station.send(bytes(60))
        assert station.receive() == []


def test_an_interface_that_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(InterfaceError):
        Station(b"\xff" * 6, ADDRESSES[0], [sys.executable, "-c", ""])
