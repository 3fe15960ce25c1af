# SPDX-License-Identifier: Apache-2.0
"""The simulated warden and its scrubber alone in cycles, the warden in megabytes per second, the specification in frames per
second."""

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
from custodes.device import Warden
from custodes.link import Ingress
from custodes.model import Scrubber
from custodes.model import Warden as Specification
from custodes.model.entropy import Words, fields, word
from custodes.policy import Policy
from custodes.replay import Replay
from custodes.seeds import KNOWN_SEED
from custodes.simlink import CYCLES_PER_FRAME, SimLink
from custodes.table import Port, Reason
from tests import traffic
from tests.frames import POLICY, Frame, Ip4, Tcp, Udp

CAPTURE = Path(__file__).parents[1] / "captures" / "mixed.pcap"
DEVICES = ("scrubber", "warden")
CYCLE_SIZES = (60, 64, 128, 256, 512, 1024, 1518)
SPEED_SIZES = (60, 512, 1518)
FEW_FRAMES, MANY_FRAMES = 512, 2048
"""Two batches: what the second takes longer than the first is the steady state, with the latency left out."""
SPEED_BYTES = 1 << 19
TRAFFIC_FRAMES = 4000
REPEATS = 5
TRANSPORT_HEADERS = ((Tcp, 54), (Udp, 42))
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
FIRST = fields(word(KNOWN_SEED, Port.CLUSTER, 0))
"""The word with which the connection of the bench begins."""
Judge = Callable[[bytes, Port], object]


def segment(port: Port, flags: int = ACK, sequence: int = 1, payload: bytes = b"") -> Tcp:
    """A segment of a connection from the cluster in which each side has 0 for its ISN, and low ports, which leave as they
    are."""
    ports = (5000, 80) if port is Port.CLUSTER else (80, 5000)
    heard = FIRST.isn_responder if port is Port.CLUSTER else FIRST.isn_initiator
    return Tcp(flags, b"", payload, *ports, sequence, (heard + 1) % (1 << 32) if flags & ACK else 0)


def frames(size: int, count: int, port: Port = Port.CLUSTER) -> list[Ingress]:
    """Frames of ``size`` bytes without FCS, segments of one connection and datagrams in turn, with something to scrub in
    every one."""
    r = random.Random(size)
    some = []
    for number in range(64):
        transport, headers = TRANSPORT_HEADERS[number % len(TRANSPORT_HEADERS)]
        payload = r.randbytes(size - headers)
        packet = Ip4(
            segment(port, payload=payload) if transport is Tcp else Udp(payload),
            port,
            tos=r.randrange(1, 256),
            identification=r.randrange(65536),
            ttl=r.randrange(1, 256),
        )
        some.append(Ingress(port, Frame(packet).pack()))
    return list(islice(cycle(some), count))


def open_warden(lanes: int, device: str = "warden") -> SimLink:
    """A simulated warden, one of `DEVICES`, with the policy that admits `frames` and the connection of which they are.
    Raises `DeviceError` where it is not built."""
    link = SimLink(device, lanes)
    warden = Warden(link)
    warden.load(POLICY)
    if warden.flows:
        warden.seed(KNOWN_SEED)
    for port, flags in ((Port.CLUSTER, SYN), (Port.WORLD, SYN_ACK)):
        link.exchange([Ingress(port, Frame(Ip4(segment(port, flags, 0), port)).pack())])
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
    results = []
    for device in DEVICES:
        with closing(open_warden(lanes, device)) as link:
            results += [
                {
                    "device": device,
                    "lanes": lanes,
                    "frame_bytes": size,
                    "beats_per_cycle": round(beats_per_cycle(link, size), 4),
                    "latency_cycles": latency_cycles(link, size),
                }
                for size in CYCLE_SIZES
            ]
    return results


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
    """On one core, frames in memory: those of the recorded capture through the scrubber and through the whole warden, and
    random ones of every kind through the scrubber."""
    admission = admit_capture(Capture(CAPTURE))
    captured = [Ingress(admission.port(packet.frame), packet.frame) for packet in Capture(CAPTURE) if packet.whole]
    kinds = list(traffic.KINDS)
    made = [traffic.make(kinds[seed % len(kinds)], seed) for seed in range(TRAFFIC_FRAMES)]
    answered = _answered(admission.policy, captured)

    def scrubber(policy: Policy) -> Judge:
        return Scrubber(policy).scrub

    def warden(policy: Policy) -> Judge:
        return Specification(policy, Words(KNOWN_SEED)).pass_frame

    runs = (
        ("mixed.pcap", scrubber, admission.policy, captured),
        ("mixed.pcap, with flows", warden, admission.policy, answered),
        ("tests.traffic", scrubber, POLICY, made),
    )
    results = []
    for what, begun, policy, batch in runs:

        def work(
            begun: Callable[[Policy], Judge] = begun, policy: Policy = policy, batch: list[Ingress] = batch
        ) -> None:
            judge = begun(policy)
            for frame in batch:
                judge(frame.frame, frame.port)

        results.append({"frames": what, "count": len(batch), "frames_per_s": round(len(batch) / _best_seconds(work))})
    return results


def _answered(policy: Policy, captured: list[Ingress]) -> list[Ingress]:
    """What stations would have sent in place of these frames, had the warden been there."""
    warden, replay = Specification(policy, Words(KNOWN_SEED)), Replay()
    sent: list[Ingress] = []
    for frame in captured:
        sent.append(frame._replace(frame=replay.adapted(frame.frame)))
        left = warden.pass_frame(sent[-1].frame, frame.port).frame
        if left is not None:
            replay.hear(frame.frame, left)
    return sent


def _best_seconds(work: Callable[[], object]) -> float:
    """Processor time, so that it matters little what else the machine does, of the best of `REPEATS` runs."""
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)
