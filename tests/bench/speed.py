# SPDX-License-Identifier: Apache-2.0
"""The simulated warden in cycles and in megabytes per second, and the specification in frames per second."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from custodes.admission import admit_capture
from custodes.capture import Capture
from custodes.link import Ingress
from custodes.model import Scrubber
from custodes.registers import policy_writes
from custodes.simlink import CYCLES_PER_FRAME, SimLink
from custodes.table import Port, Reason
from tests import traffic
from tests.frames import POLICY, Frame, Ip4, Tcp, Udp

CAPTURE = Path(__file__).parents[1] / "captures" / "mixed.pcap"
CYCLE_SIZES = (60, 64, 128, 256, 512, 1024, 1518)
SPEED_SIZES = (60, 512, 1518)
FEW_FRAMES, MANY_FRAMES = 512, 2048
"""Two batches: what the second takes longer than the first is the steady state, with the latency left out."""
SPEED_BYTES = 1 << 19
TRAFFIC_FRAMES = 4000
REPEATS = 5
TRANSPORT_HEADERS = ((Tcp, 54), (Udp, 42))


def frames(size: int, count: int, port: Port = Port.CLUSTER) -> list[Ingress]:
    """Frames of ``size`` bytes without FCS, TCP and UDP in turn, with something to scrub in every one."""
    r = random.Random(size)
    some = []
    for number in range(64):
        transport, headers = TRANSPORT_HEADERS[number % len(TRANSPORT_HEADERS)]
        packet = Ip4(
            transport(payload=r.randbytes(size - headers)),
            port,
            tos=r.randrange(1, 256),
            identification=r.randrange(65536),
            ttl=r.randrange(1, 256),
        )
        some.append(Ingress(port, Frame(packet).pack()))
    return list(islice(cycle(some), count))


def open_warden(lanes: int) -> SimLink:
    """The simulated warden with the policy that admits `frames`; raises `DeviceError` where it is not built."""
    link = SimLink("warden", lanes)
    for address, value in policy_writes(POLICY):
        link.write(address, value)
    return link


def cycles(link: SimLink, batch: Sequence[Ingress]) -> int:
    """Cycles from the first in which a beat is offered to the one in which the last frame's last beat leaves, both
    counted."""
    for frame in batch:
        link.send(frame)
    beats = sum(-(-len(frame.frame) // link.lanes) for frame in batch)
    before = link.cycles
    outstanding = link.run(16 * beats + CYCLES_PER_FRAME * len(batch))
    taken = link.cycles - before
    outcomes = [link.take(frame.port) for frame in batch]
    if outstanding or any(outcome.reason != Reason.FORWARDED for outcome in outcomes):
        raise AssertionError(f"the warden with {link.lanes} lanes does not forward every frame of the bench")
    return taken


def beats_per_cycle(link: SimLink, size: int) -> float:
    """Of the steady state, frames back to back in one direction."""
    extra = cycles(link, frames(size, MANY_FRAMES)) - cycles(link, frames(size, FEW_FRAMES))
    return (MANY_FRAMES - FEW_FRAMES) * -(-size // link.lanes) / extra


def latency_cycles(link: SimLink, size: int) -> int:
    """From the cycle in which a frame's first beat enters the empty warden to that in which its last beat leaves."""
    return cycles(link, frames(size, 1)) - 1


def mbytes_per_s(link: SimLink, size: int, directions: int) -> float:
    """Ingress bytes, including what it costs to hand frames over and to take outcomes back."""
    count = -(-SPEED_BYTES // (size * directions))
    ports = list(Port)[:directions]
    batch = [frame for each in zip(*(frames(size, count, port) for port in ports), strict=True) for frame in each]
    return size * len(batch) / _best_seconds(lambda: link.exchange(batch)) / 1e6


def measure_cycles(lanes: int) -> list[dict[str, Any]]:
    with closing(open_warden(lanes)) as link:
        return [
            {
                "lanes": lanes,
                "frame_bytes": size,
                "beats_per_cycle": round(beats_per_cycle(link, size), 4),
                "latency_cycles": latency_cycles(link, size),
            }
            for size in CYCLE_SIZES
        ]


def measure_simulation(lanes: int) -> list[dict[str, Any]]:
    with closing(open_warden(lanes)) as link:
        return [
            {
                "lanes": lanes,
                "frame_bytes": size,
                "directions": directions,
                "mbytes_per_s": round(mbytes_per_s(link, size, directions), 3),
            }
            for size in SPEED_SIZES
            for directions in (1, 2)
        ]


def measure_specification() -> list[dict[str, Any]]:
    """On one core, frames in memory: those of the recorded capture, and random ones of every kind."""
    admission = admit_capture(Capture(CAPTURE))
    captured = [Ingress(admission.port(packet.frame), packet.frame) for packet in Capture(CAPTURE) if packet.whole]
    kinds = list(traffic.KINDS)
    made = [traffic.make(kinds[seed % len(kinds)], seed) for seed in range(TRAFFIC_FRAMES)]
    results = []
    for what, policy, batch in (("mixed.pcap", admission.policy, captured), ("tests.traffic", POLICY, made)):
        scrub = Scrubber(policy).scrub

        def work(scrub: Callable[..., object] = scrub, batch: list[Ingress] = batch) -> None:
            for frame in batch:
                scrub(frame.frame, frame.port)

        results.append({"frames": what, "count": len(batch), "frames_per_s": round(len(batch) / _best_seconds(work))})
    return results


def _best_seconds(work: Callable[[], object]) -> float:
    """Processor time, so that it matters little what else the machine does, of the best of `REPEATS` runs."""
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)
