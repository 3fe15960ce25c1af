# SPDX-License-Identifier: Apache-2.0
"""What `custodes live` says of a run: as JSON, in a line, and for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from custodes.interface import Interface
from custodes.live import Traffic, Way
from custodes.live_flows import FlowState
from custodes.table import Port


@dataclass(frozen=True)
class LiveReport:
    """The numbers of a run so far."""

    device: str
    lanes: int
    policy: str
    ports: dict[Port, Interface]
    traffic: Traffic
    flows: Callable[[], FlowState]

    def to_json(self) -> dict[str, Any]:
        traffic = self.traffic
        sides = {
            port.name.lower(): {"interface": self.ports[port].name}
            | way.to_json()
            | {name: count for name, _, count in _oddities(self.ports[port])}
            for port, way in traffic.ways.items()
        }
        return {
            "device": self.device,
            "lanes": self.lanes,
            "policy": self.policy,
            "seconds": round(traffic.seconds, 3),
            "busy_seconds": round(traffic.busy_seconds, 3),
            "delay_ms": {"mean": round(traffic.delay_mean * 1e3, 3), "max": round(traffic.delay_max * 1e3, 3)},
            "flows": self.flows().to_json(),
            **sides,
        }

    def line(self) -> str:
        """For where there is no terminal."""
        parts = [
            f"{port.name.lower()} {way.frames_in:,} in, {way.frames_out:,} out, {way.drops.total():,} dropped"
            for port, way in self.traffic.ways.items()
        ]
        flows = self.flows()
        parts += [f"flows {flows.cluster + flows.world:,}"] if flows.slots else []
        parts += [f"delay {self.traffic.delay_mean * 1e3:.1f} ms", *_alarms(flows)]
        return f"{self.traffic.seconds:.1f}s  " + "; ".join(parts)

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and what they are."""
        traffic, flows = self.traffic, self.flows()
        yield "device", f"{self.device}, {self.lanes} lane{'' if self.lanes == 1 else 's'}"
        yield "policy", self.policy
        for port, way in traffic.ways.items():
            yield from _side(self.ports[port], port, way, traffic.seconds)
        if flows.slots:
            yield "flows", f"{flows.cluster:,} from the cluster, {flows.world:,} from the world, of {flows.slots:,}"
        for alarm in _alarms(flows):
            yield "", alarm
        yield "delay", f"{traffic.delay_mean * 1e3:.2f} ms in the mean, {traffic.delay_max * 1e3:.2f} ms at most"
        share = traffic.busy_seconds / traffic.seconds if traffic.seconds else 0.0
        yield "time", f"{traffic.seconds:.1f} s, {share:.0%} of it in the device"


def _alarms(flows: FlowState) -> Iterator[str]:
    if flows.full:
        yield "the flow table is full: flows have been kept from beginning"
    if flows.empty:
        yield "words have run out: flows have been kept from beginning"


def _oddities(interface: Interface) -> Iterator[tuple[str, str, int]]:
    """Frames that are not simply taken in and sent: what they are called, what they are, how many."""
    yield "cut", "came merged and were cut into segments", interface.cut
    yield "completed", "came without the checksum that hardware would have made", interface.completed
    yield "refused", "could not be received or sent as they were", interface.refused
    yield "lost", "found no room in front of the device", interface.lost


def _side(interface: Interface, port: Port, way: Way, seconds: float) -> Iterator[tuple[str, str]]:
    rate = way.bytes_in / 1e6 / seconds if seconds else 0.0
    told = f"{way.frames_in:,} frames in at {interface.name} ({rate:.2f} MB/s), {way.frames_out:,} out"
    told += f" ({way.altered:,} of them altered), {way.drops.total():,} dropped"
    yield f"from {port.name.lower()}", told
    for reason, count in way.drops.most_common():
        yield "", f"dropped {count:,}: {reason.title}"
    for _, text, count in _oddities(interface):
        if count:
            yield "", f"{count:,} {text}"
