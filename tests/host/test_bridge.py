# SPDX-License-Identifier: Apache-2.0
"""The bridge itself, between ends that are no network interfaces."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from custodes.errors import DeviceError
from custodes.interface import Interface
from custodes.link import Ingress, Outcome
from custodes.live import BATCH_FRAMES, Bridge, Duty
from custodes.table import Port, Reason


class End:
    """In place of an interface. Frames come one at a time, in pieces where several came merged."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._waiting: deque[list[bytes]] = deque()
        self.sent: list[bytes] = []

    def arrive(self, *frames: bytes) -> None:
        """These frames arrive at once."""
        self._waiting.append(list(frames))
        os.write(self._writer, b"x")

    def fileno(self) -> int:
        return self._reader

    def receive(self) -> list[bytes]:
        if not self._waiting:
            return []
        os.read(self._reader, 1)
        return self._waiting.popleft()

    def send(self, frame: bytes) -> bool:
        self.sent.append(frame)
        return True

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Device:
    """Drops frames that begin with ``x``, and adds a byte to all others.

    Members:
        batches: what has gone in at once.
    """

    def __init__(self) -> None:
        self.batches: list[list[Ingress]] = []

    def __call__(self, frames: Sequence[Ingress[Port]]) -> Iterator[tuple[Port, Outcome[Reason]]]:
        self.batches.append(list(frames))
        for sent in frames:
            dropped = sent.frame.startswith(b"x")
            yield sent.port, Outcome(None, Reason.LLC) if dropped else Outcome(sent.frame + b"!", Reason.FORWARDED)


class Bridged:
    def __init__(self) -> None:
        self.cluster, self.world, self.device = End(), End(), Device()
        ends = {Port.CLUSTER: self.cluster, Port.WORLD: self.world}
        self.bridge = Bridge(cast(dict[Port, Interface], ends), self.device)

    def run(self, seconds: float, *duties: Duty) -> None:
        until = time.monotonic() + seconds
        self.bridge.run(lambda: time.monotonic() > until, *duties)


@pytest.fixture
def bridged() -> Iterator[Bridged]:
    made = Bridged()
    yield made
    made.cluster.close()
    made.world.close()


def test_frames_leave_at_the_other_port_in_order_as_the_device_says(bridged: Bridged) -> None:
    for number in range(40):
        bridged.cluster.arrive(b"c%d" % number)
        bridged.world.arrive(b"w%d" % number, b"x%d" % number)
    bridged.run(0.2)
    assert bridged.world.sent == [b"c%d!" % number for number in range(40)]
    assert bridged.cluster.sent == [b"w%d!" % number for number in range(40)]
    cluster, world = (bridged.bridge.traffic.ways[port] for port in Port)
    assert (cluster.frames_in, cluster.frames_out, cluster.altered, cluster.drops) == (40, 40, 40, {})
    assert (world.frames_in, world.frames_out, world.drops) == (80, 40, {Reason.LLC: 40})
    assert cluster.bytes_out == cluster.bytes_in + 40


def test_batches_are_small_and_of_both_ports(bridged: Bridged) -> None:
    for _ in range(3 * BATCH_FRAMES):
        bridged.cluster.arrive(b"c")
    bridged.world.arrive(b"w")
    bridged.run(0.2)
    first = bridged.device.batches[0]
    assert [sent.port for sent in first] == [Port.CLUSTER] * BATCH_FRAMES + [Port.WORLD]
    assert len(bridged.device.batches) == 3


def test_what_came_merged_goes_in_pieces_between_which_others_have_their_turn(bridged: Bridged) -> None:
    frames = [b"c%d" % number for number in range(2 * BATCH_FRAMES + 1)]
    bridged.cluster.arrive(*frames)
    bridged.bridge.turn()
    bridged.world.arrive(b"w")
    bridged.run(0.1)
    assert [len(batch) for batch in bridged.device.batches] == [BATCH_FRAMES, BATCH_FRAMES + 1, 1]
    assert bridged.device.batches[1][-1] == Ingress(Port.WORLD, b"w")
    assert bridged.world.sent == [frame + b"!" for frame in frames]


def test_a_frame_leaves_before_those_behind_it_are_through() -> None:
    ends, left = {port: End() for port in Port}, list[int]()

    def through(frames: Sequence[Ingress[Port]]) -> Iterator[tuple[Port, Outcome[Reason]]]:
        for sent in frames:
            left.append(len(ends[Port.WORLD].sent))
            yield sent.port, Outcome(sent.frame, Reason.FORWARDED)

    ends[Port.CLUSTER].arrive(b"1", b"2", b"3")
    Bridge(cast(dict[Port, Interface], ends), through).turn()
    for end in ends.values():
        end.close()
    assert left == [0, 1, 2]


def test_duties_are_seen_to_while_nothing_arrives_and_while_much_does(bridged: Bridged) -> None:
    called: list[float] = []
    bridged.run(0.75, Duty(0.2, lambda: called.append(bridged.bridge.traffic.seconds)))
    assert 2 <= len(called) <= 5 and called[0] >= 0.2
    assert bridged.bridge.traffic.seconds >= 0.6
    busy: list[int] = []

    def more() -> None:
        busy.append(1)
        bridged.cluster.arrive(b"c")

    bridged.cluster.arrive(b"c")
    bridged.run(0.5, Duty(0.05, more))
    assert len(busy) >= 2 and len(busy) <= len(bridged.world.sent) <= len(busy) + 1


def test_delays_are_counted_for_what_leaves(bridged: Bridged) -> None:
    traffic = bridged.bridge.traffic
    assert traffic.delay_mean == 0
    bridged.cluster.arrive(b"x")
    bridged.run(0.1)
    assert traffic.delay_mean == traffic.delay_max == 0
    bridged.cluster.arrive(b"c")
    bridged.run(0.1)
    assert 0 < traffic.delay_mean == traffic.delay_max < 1


def test_a_device_that_fails_ends_it(bridged: Bridged) -> None:
    def fail(frames: Sequence[Ingress[Port]]) -> list[tuple[Port, Outcome[Reason]]]:
        raise DeviceError("stuck")

    bridge = Bridge(cast(dict[Port, Interface], {Port.CLUSTER: bridged.cluster, Port.WORLD: bridged.world}), fail)
    bridged.cluster.arrive(b"c")
    with pytest.raises(DeviceError, match="stuck"):
        bridge.run(lambda: False)
    assert bridged.world.sent == []
