# SPDX-License-Identifier: Apache-2.0
"""Two interfaces bridged through a device: what arrives at one leaves at the other only as the device says."""

from __future__ import annotations

import select
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from custodes.interface import Interface
from custodes.link import Ingress, Outcome
from custodes.table import Port, Reason

BATCH_FRAMES = 16
"""Of a port, go into the device at once: few, as what comes meanwhile has to wait for all of them."""
POLL_S = 0.1
"""How long the end of a run, or the next reading, may wait where nothing arrives."""

Through = Callable[[Sequence[Ingress[Port]]], Iterable[tuple[Port, Outcome[Reason]]]]
"""What frames go through: `Link.outcomes` of a device, or the executable specification in its place. Outcomes come with the
ports of their frames; those of one port are in the order of the frames."""


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


class Waiting(NamedTuple):
    """A frame, and since when it waits."""

    since: float
    frame: bytes


class Bridge:
    """Bridges two interfaces until it is told to stop. Frames of one port keep their order; each leaves as soon as the
    device is done with it.

    Args:
        interfaces: one for each port.
        through: what frames go through.
    """

    def __init__(self, interfaces: dict[Port, Interface], through: Through) -> None:
        self._interfaces = interfaces
        self._through = through
        self._waiting: dict[Port, deque[Waiting]] = {port: deque() for port in Port}
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
            rest = any(self._waiting.values())
            if poller.poll(0 if rest else POLL_S * 1000) or rest:
                self.turn()
            now = time.monotonic()
            self.traffic.seconds = now - started
            for at, duty in enumerate(duties):
                if now >= due[at]:
                    duty.call()
                    due[at] = max(due[at] + duty.interval, now)

    def turn(self) -> None:
        """Take what has arrived at both ports through the device, or as much of it as goes in at once."""
        inside = {port: self._arrived(port) for port in Port}
        batch = [Ingress(port, waiting.frame) for port in Port for waiting in inside[port]]
        if not batch:
            return
        resumed = time.perf_counter()
        for port, outcome in self._through(batch):
            left = time.perf_counter()
            self.traffic.busy_seconds += left - resumed
            self._deal(port, inside[port].popleft(), outcome)
            resumed = time.perf_counter()

    def _deal(self, port: Port, sent: Waiting, outcome: Outcome[Reason]) -> None:
        """See to what became of a frame."""
        traffic = self.traffic
        traffic.ways[port].take(sent.frame, outcome)
        if outcome.frame is None:
            return
        self._interfaces[port.other].send(outcome.frame)
        delay = time.perf_counter() - sent.since
        traffic.delay_sum += delay
        traffic.delay_max = max(traffic.delay_max, delay)

    def _arrived(self, port: Port) -> deque[Waiting]:
        """What goes in next at a port. What came merged may be more than that; the rest waits."""
        waiting = self._waiting[port]
        while len(waiting) < BATCH_FRAMES and (more := self._interfaces[port].receive()):
            now = time.perf_counter()
            waiting.extend(Waiting(now, frame) for frame in more)
        return deque(waiting.popleft() for _ in range(min(len(waiting), BATCH_FRAMES)))
