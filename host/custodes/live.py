# SPDX-License-Identifier: Apache-2.0
"""Two interfaces bridged through a device: what arrives at one leaves at the other only as the device says."""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from custodes.interface import Interface
from custodes.link import Ingress, Outcome
from custodes.table import Port, Reason

BATCH_FRAMES = 16
"""Of a port, go into the device at once: few, as a frame has to wait for all of its batch."""
POLL_S = 0.1
"""How long the end of a run, or the next reading, may wait where nothing arrives."""

Exchange = Callable[[Sequence[Ingress[Port]]], list[Outcome[Reason]]]
"""What frames go through: `Link.exchange` of a device, or the executable specification in its place. Outcomes are in the
order of the frames."""


class Duty(NamedTuple):
    """What is to be called every so many seconds."""

    interval: float
    call: Callable[[], object]


@dataclass
class Way:
    """The numbers of the frames that came in at one port."""

    frames_in: int = 0
    bytes_in: int = 0
    frames_out: int = 0
    bytes_out: int = 0
    altered: int = 0
    """Frames that left as others than they came."""
    drops: Counter[Reason] = field(default_factory=Counter)

    def take(self, sent: bytes, outcome: Outcome[Reason]) -> None:
        """Take in what became of a frame."""
        self.frames_in += 1
        self.bytes_in += len(sent)
        if outcome.frame is None:
            self.drops[outcome.reason] += 1
            return
        self.frames_out += 1
        self.bytes_out += len(outcome.frame)
        self.altered += outcome.frame != sent

    def to_json(self) -> dict[str, Any]:
        return {
            "frames_in": self.frames_in,
            "bytes_in": self.bytes_in,
            "frames_out": self.frames_out,
            "bytes_out": self.bytes_out,
            "frames_altered": self.altered,
            "dropped": {reason.name: count for reason, count in sorted(self.drops.items())},
        }


@dataclass
class Traffic:
    """The numbers of a run so far. Delays are from when a frame was seen to wait until it was sent, in seconds."""

    ways: dict[Port, Way] = field(default_factory=lambda: {port: Way() for port in Port})
    seconds: float = 0.0
    busy_seconds: float = 0.0
    """Spent in the device."""
    delay_sum: float = 0.0
    delay_max: float = 0.0

    @property
    def frames_in(self) -> int:
        return sum(way.frames_in for way in self.ways.values())

    @property
    def delay_mean(self) -> float:
        sent = sum(way.frames_out for way in self.ways.values())
        return self.delay_sum / sent if sent else 0.0


class Bridge:
    """Bridges two interfaces until it is told to stop. Frames of one port keep their order.

    Args:
        interfaces: one for each port.
        exchange: what frames go through.
    """

    def __init__(self, interfaces: dict[Port, Interface], exchange: Exchange) -> None:
        self._interfaces = interfaces
        self._exchange = exchange
        self.traffic = Traffic()

    def run(self, ended: Callable[[], bool], *duties: Duty) -> None:
        """Bridge until ``ended`` says so, and see to the duties in between.

        Raises `InterfaceError` where an interface goes down, `DeviceError` where the device does not answer.
        """
        poller = select.poll()
        for interface in self._interfaces.values():
            poller.register(interface, select.POLLIN)
        started = time.monotonic()
        due = [started + duty.interval for duty in duties]
        while not ended():
            if poller.poll(POLL_S * 1000):
                self.turn()
            now = time.monotonic()
            self.traffic.seconds = now - started
            for at, duty in enumerate(duties):
                if now >= due[at]:
                    duty.call()
                    due[at] = max(due[at] + duty.interval, now)

    def turn(self) -> None:
        """Take what has arrived at both ports through the device, once."""
        began = time.perf_counter()
        batch = [Ingress(port, frame) for port in Port for frame in self._arrived(port)]
        if not batch:
            return
        entered = time.perf_counter()
        outcomes = self._exchange(batch)
        self.traffic.busy_seconds += time.perf_counter() - entered
        for sent, outcome in zip(batch, outcomes, strict=True):
            self.traffic.ways[sent.port].take(sent.frame, outcome)
            if outcome.frame is None:
                continue
            self._interfaces[sent.port.other].send(outcome.frame)
            delay = time.perf_counter() - began
            self.traffic.delay_sum += delay
            self.traffic.delay_max = max(self.traffic.delay_max, delay)

    def _arrived(self, port: Port) -> list[bytes]:
        frames: list[bytes] = []
        while len(frames) < BATCH_FRAMES and (more := self._interfaces[port].receive()):
            frames += more
        return frames
