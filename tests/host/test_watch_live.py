# SPDX-License-Identifier: Apache-2.0
"""Taps at interfaces: which way frames go, and a bridge that is watched while it runs."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from custodes.interface import Interface
from custodes.link import Ingress, Outcome
from custodes.live import Bridge
from custodes.model import Warden
from custodes.model.entropy import Words
from custodes.policy import Policy, load_policy
from custodes.table import Port, Reason
from tests.host.model.passage import SEED
from tests.host.test_interface import raw
from tests.host.test_provision_commands import custodes, fails
from tests.host.wires import Cables, cables, missing

__all__ = ["cables"]
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")
LIMITS = ("--uncertainty", 20_000, "--delay", 2_000_000_000)


def bridge(cables: Cables, policy: Policy, sabotaged: bool, over: threading.Event, ready: threading.Event) -> None:
    """The specification between two interfaces."""
    warden = Warden(policy, Words(SEED))

    def through(frames: Sequence[Ingress[Port]]) -> Iterator[tuple[Port, Outcome[Reason]]]:
        for sent in frames:
            result = warden.pass_frame(sent.frame, sent.port)
            frame = result.frame
            if sabotaged and frame is not None:
                frame = frame[:-1] + bytes([frame[-1] ^ 1])
            yield sent.port, Outcome(frame, result.reason, result.altered)

    with cables.between.inside(), Interface("inner") as inner, Interface("outer") as outer:
        ready.set()
        Bridge({Port.CLUSTER: inner, Port.WORLD: outer}, through).run(over.is_set)


@pytest.mark.parametrize("sabotaged", [False, True])
def test_a_bridge_is_watched_while_it_runs(cables: Cables, tmp_path: Path, sabotaged: bool):
    (tmp_path / "policy.toml").write_text(cables.policy())
    over, ready = threading.Event(), threading.Event()
    policy = load_policy(tmp_path / "policy.toml")
    for name in ("inner", "outer"):
        cables.between.set(f"ipv6/conf/{name}/disable_ipv6", 1)  # the machine says nothing of its own
    thread = threading.Thread(target=bridge, args=(cables, policy, sabotaged, over, ready))
    thread.start()
    heard: list[bytes] = []
    try:
        assert ready.wait(20)
        asking = threading.Thread(target=_quietly, args=(cables, tmp_path, heard))
        asking.start()
        with cables.between.inside():
            result = custodes(
                "watch", tmp_path, "--cluster", "inner", "--world", "outer", "--seconds", 6, *LIMITS, "--seed",
                SEED.hex(), "--json",
            )  # fmt: skip
        asking.join()
    finally:
        over.set()
        thread.join()
    found = json.loads(result.stdout)
    (epoch,) = found["epochs"]
    assert found["agrees"] is not sabotaged, result.output
    assert epoch["received"]["world"] >= 2 and epoch["sent"]["cluster"] >= 2
    if not sabotaged:
        assert b"".join(heard) == b"hello" * 1000 and epoch["words"] == [1, 0]


def _tapped(folder: Path) -> None:
    """Wait until the taps are open, which they are before there are files."""
    while len([*folder.glob(".*.part")]) < 4:
        time.sleep(0.02)


def _quietly(cables: Cables, folder: Path, heard: list[bytes]) -> None:
    _tapped(folder)
    with suppress(OSError):  # a sabotaged bridge carries nothing
        conversation(cables, heard)


def conversation(cables: Cables, heard: list[bytes]) -> None:
    """A TCP connection of the client."""
    with cables.server.inside():
        listener = socket.create_server((cables.ip4(cables.SERVER), 80))
    with cables.client.inside():
        client = socket.socket()
    with listener, client:
        client.settimeout(4)
        client.connect((cables.ip4(cables.SERVER), 80))
        server, _ = listener.accept()
        with server:
            server.sendall(b"hello" * 1000)
            while sum(map(len, heard)) < 5000 and (data := client.recv(5000)):
                heard.append(data)


def test_a_tap_needs_interfaces(tmp_path: Path):
    fails(custodes("watch", tmp_path, "--cluster", "lo"), 2, "taps need --cluster and --world")
    fails(custodes("watch", tmp_path, "--cluster", "lo", "--world", "nowhere0"), 2, "nowhere0: no such interface")


def test_without_shares_an_epoch_is_only_recorded(cables: Cables, tmp_path: Path):
    folder = tmp_path / "epoch"
    with raw(cables.client) as sender, cables.between.inside():
        sending = threading.Thread(target=lambda: (_tapped(folder), sender.send(bytes(60))))
        sending.start()
        result = custodes("watch", folder, "--cluster", "inner", "--world", "outer", "--seconds", 1)
    sending.join()
    assert result.exit_code == 0 and not result.stdout, result.output
    assert sorted(path.name for path in folder.iterdir()) == [
        "cluster-received.pcap",
        "cluster-sent.pcap",
        "world-received.pcap",
        "world-sent.pcap",
    ]
    assert bytes(60) in (folder / "cluster-sent.pcap").read_bytes()
    assert bytes(60) not in (folder / "world-received.pcap").read_bytes()
