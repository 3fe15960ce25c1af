# SPDX-License-Identifier: Apache-2.0
"""What the taps of a watcher see of a warden that is the specification itself, or a sabotaged one in its place."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from custodes.fingerprint import Record
from custodes.flow_table import TICK_CYCLES
from custodes.model import Result, Warden
from custodes.model.entropy import Words, retimer_key
from custodes.model.fingerprint import Fingerprint
from custodes.model.retimer import Retimer
from custodes.policy import Policy
from custodes.retimer import SCHEDULE_CYCLES, Schedule, Size
from custodes.retimer import Policy as Release
from custodes.table import Port, Reason
from custodes.watch import Limits, Seen
from custodes.watch_epoch import Epoch
from custodes.watch_schedule import Timetable
from tests.frames import (
    MACS,
    POLICY,
    Arp,
    Frame,
    Icmp,
    Ip4,
    Ip6,
    Tcp,
    Udp,
    neighbour_advertisement,
    neighbour_solicitation,
)
from tests.host.model.passage import ACK, FIN, PSH, SEED, SYN, C, Heard, Passage, Talk, W, heard

START_NS = 1_700_000_000_000_000_000
BEAT_NS = 200_000
NUMBER = 7
LIMITS = Limits(uncertainty_ns=200, delay_ns=8_000)
CYCLE_NS = 8
LATENCY_NS = 2_000
"""Of the warden, besides the time that a frame takes to come in."""
SIZE = Size(1, 1 << 16, 64)
SLOTS = Schedule(slot_cycles=1600)
BATCHES = Schedule(Release.BATCH, window_cycles=125_000)
MSS = b"\x02\x04\x05\xb4"
TIMESTAMPS = b"\x01\x01\x08\x0a" + bytes(range(8))
OPTIONS = MSS + b"\x04\x02\x08\x0a" + bytes(range(8)) + b"\x01\x03\x03\x06"
"""MSS, SACK permitted, timestamps, window scale."""


def closed(beat: int) -> int:
    """When the record of a beat is closed."""
    return START_NS + (beat + 1) * BEAT_NS


class Silence(Exception):
    """A frame that had to be answered did not come through."""


class Tapped(Passage):
    """A warden with taps at its cables."""

    def __init__(self, warden: Warden, seed: int = 1, gap_ns: int = 30_000) -> None:
        self.warden = warden
        self.random = random.Random(seed)
        self.gap_ns = gap_ns
        self.now_ns = START_NS
        self.sent: dict[Port, list[Seen]] = {C: [], W: []}
        self.left: dict[Port, list[Seen]] = {C: [], W: []}
        """By where they leave."""
        self.used: list[tuple[int, int, int]] = []
        """When frames came, and the words that had been used then."""

    def send(self, side: Port, frame: bytes) -> Result:
        self.now_ns += self.random.randrange(self.gap_ns // 2, self.gap_ns)
        self.sent[side].append(Seen(self.now_ns, frame))
        result = self.warden.pass_frame(frame, side)
        first, second = self.warden.words.used
        self.used.append((self.now_ns, first, second))
        if result.frame is not None:
            self.left[side.other].append(Seen(self.now_ns + LATENCY_NS + CYCLE_NS * len(frame), result.frame))
        return result

    def result(
        self, side: Port, transport: object, version: int = 4, source: bytes | None = None, to: bytes | None = None
    ) -> Result:
        """With something different in every field that a station may choose."""
        draw = self.random.randrange
        if version == 4:
            packet = Ip4(transport, side, source=source, destination=to, tos=draw(256))  # pyright: ignore
            packet.identification, packet.ttl, packet.fragment = draw(1 << 16), draw(1, 256), draw(4) << 14 & 0xC000
        else:
            packet = Ip6(transport, side, source=source, destination=to, traffic_class=draw(256))  # pyright: ignore
            packet.flow_label, packet.hop_limit = draw(1 << 20), draw(1, 256)
        padding = None if draw(2) else bytes(draw(256) for _ in range(60))
        return self.send(side, Frame(packet, padding=padding).pack())

    def says(
        self,
        side: Port,
        transport: object,
        version: int = 4,
        source: bytes | None = None,
        to: bytes | None = None,
    ) -> Heard:
        result = self.result(side, transport, version, source, to)
        if result.reason is not Reason.FORWARDED or result.frame is None:
            raise Silence
        return heard(result)


def ping(passage: Tapped, side: Port, identifier: int, count: int = 2) -> None:
    for sequence in range(100, 100 + count):
        request = Icmp(8, 0, struct.pack("!HH", identifier, sequence) + bytes(range(40)))
        came = passage.says(side, request).body
        reply = Icmp(0, 0, came[4:8] + bytes(40))
        passage.says(side.other, reply)


def query(passage: Tapped, side: Port, source: int, version: int) -> None:
    came = passage.says(side, Udp(b"question", source, 53), version)
    passage.says(side.other, Udp(b"answer" * 30, 53, came.source), version)


def talk(passage: Tapped, side: Port, client: int, version: int, options: bytes = OPTIONS) -> None:
    """A connection with data, a gap that is told by SACK, and an end."""
    found = Talk(passage, side, client, 80, client_isn=client * 70_001, version=version, options=(options, options))
    found.open()
    found.client_says(ACK | PSH, 1, 1, payload=b"GET /" * 20, window=300, options=TIMESTAMPS)
    found.server_says(ACK, 1, 101, payload=b"a" * 400, window=77)
    found.server_says(ACK, 801, 101, payload=b"c" * 400, window=0x1234)
    edges = [(found.out[1] + edge) % (1 << 32) for edge in (801, 1201)]
    found.client_says(ACK, 101, 401, options=b"\x01\x01\x05\x0a" + struct.pack("!II", *edges))
    found.server_says(ACK, 401, 101, payload=b"b" * 400)
    found.client_says(ACK | FIN, 101, 1201)
    found.server_says(ACK | FIN, 1201, 102)
    found.client_says(ACK, 102, 1202)


def unwanted() -> list[tuple[Port, bytes]]:
    """Frames that must not leave, for one reason each."""
    found: list[tuple[Port, bytes]] = []
    for side in Port:
        echo = Icmp(8, 0, bytes(8))
        found += [
            (side, Frame(Ip4(echo, side, fragment=0x2000)).pack()),
            (side, Frame(Ip4(echo, side, total=500)).pack()),
            (side, Frame(Ip4(Icmp(13, 0, bytes(16)), side)).pack()),
            (side, Frame(Ip4(echo, side, source=bytes((192, 0, 2, 99)))).pack()),
            (side, Frame(Ip4(echo, side, destination=bytes((192, 0, 2, 99)))).pack()),
            (side, Frame(Ip4(echo, side), source=b"\2\0\0\0\0\x99").pack()),
            (side, Frame(Ip4(echo, side), destination=b"\2\0\0\0\0\x99").pack()),
            (side, Frame(Ip4(echo, side), ethertype=0x88CC).pack()),
            (side, Frame(Ip4(echo, side), tag=99).pack()),
            (side, Frame(Ip4(Tcp(SYN | FIN), side)).pack()),
            (side, Frame(Ip4(Tcp(SYN, b"\x13\x12" + bytes(18)), side)).pack()),
            (side, Frame(Ip4(Tcp(SYN, MSS + MSS), side)).pack()),
            (side, Frame(Ip4(Udp(b"x", checksum=0x1234), side)).pack()),
            (side, Frame(Arp(side, 3, target_mac=MACS[side.other])).pack()),
            (side, checksum_broken(Frame(Ip4(echo, side)).pack())),
        ]
    return found


def checksum_broken(frame: bytes) -> bytes:
    """With another IPv4 header checksum."""
    return frame[:24] + bytes([frame[24] ^ 0x55]) + frame[25:]


def traffic(passage: Tapped, rounds: int = 1) -> None:
    """Every kind of frame that leaves, from both sides, and some that do not."""
    unknown = Talk(passage, W)
    for turn in range(rounds):
        for part in (
            partial(passage.send, C, Frame(Arp(target_mac=b"secret")).pack()),
            partial(passage.send, W, Frame(Arp(W, 2, target_mac=MACS[C])).pack()),
            partial(passage.send, C, neighbour_solicitation().pack()),
            partial(passage.send, W, neighbour_advertisement(W).pack()),
            partial(ping, passage, C, 0x1234 + turn),
            partial(ping, passage, W, 0x4321 + turn),
            partial(query, passage, C, 40_000 + turn, 4),
            partial(query, passage, W, 50_000 + turn, 6),
            partial(query, passage, C, 5_000 + turn, 6),
            partial(talk, passage, C, 45_000 + turn, 4),
            partial(talk, passage, W, 51_000 + turn, 6),
            partial(talk, passage, C, 1_000 + turn, 6, MSS),
            partial(passage.result, C, Udp(b"hello", 40_000, 443)),
            partial(passage.result, W, unknown.from_client(ACK, 5, 5)),
            partial(passage.send, W, bytes(1519)),
            *(partial(passage.send, side, frame) for side, frame in unwanted()),
        ):
            with suppress(Silence, AssertionError):
                part()


@dataclass
class Trace:
    """What a watcher has of a run. ``remade``: records are made of whatever is in the trace when it is checked, as a device
    would that hides what it does."""

    sent: dict[Port, list[Seen]]
    left: dict[Port, list[Seen]]
    used: list[tuple[int, int, int]]
    records: list[Record] = field(default_factory=list)
    timetable: Timetable | None = None
    policy: Policy = POLICY

    def epoch(self, **more: object) -> Epoch:
        epoch = Epoch(
            self.policy,
            self.sent,
            self.left,
            NUMBER,
            SEED,
            records=self.records,
            timetable=self.timetable,
            limits=LIMITS,
            beat_ns=BEAT_NS,
        )
        return replace(epoch, **more)  # pyright: ignore

    def copy(self) -> Trace:
        def lists(streams: dict[Port, list[Seen]]) -> dict[Port, list[Seen]]:
            return {port: [*stream] for port, stream in streams.items()}

        return replace(self, sent=lists(self.sent), left=lists(self.left), used=[*self.used], records=[*self.records])

    def record(
        self,
        epoch: int = NUMBER,
        ticks: Callable[[int], int] = lambda time_ns: 0,
        lie: Callable[[dict[str, int], Port, int], None] = lambda numbers, direction, beat: None,
        closes: Callable[[Port, int], int] = lambda direction, beat: closed(beat),
    ) -> Trace:
        """Make the records of what has left; ``lie`` changes numbers before the chain is made, ``closes`` says when the
        record of a beat ends."""
        last = max(seen.time_ns for streams in (self.sent, self.left) for stream in streams.values() for seen in stream)
        self.records = []
        for direction in Port:
            fingerprint = Fingerprint(direction)
            sent, left = [*self.sent[direction]], sorted(self.left[direction.other])
            for beat in range((last - START_NS) // BEAT_NS + 2):
                close = closes(direction, beat)
                came = sum(1 for seen in sent if seen.time_ns <= close)
                del sent[:came]
                while left and left[0].time_ns + CYCLE_NS * len(left[0].frame) <= close:
                    fingerprint.leave(left.pop(0).frame)
                used = max((one[1 + direction] for one in self.used if one[0] <= close), default=0)
                numbers = {"epoch": epoch, "frames_in": came, "words": used, "ticks": ticks(close)}
                lie(numbers, direction, beat)
                self.records.append(fingerprint.close(**numbers))
        self.records.sort(key=lambda record: record.beat)
        return self


def run(
    warden: Callable[[], Warden] = lambda: Warden(POLICY, Words(SEED)),
    schedule: Schedule | None = None,
    rounds: int = 1,
    seed: int = 1,
    key: int | None = None,
    gap_ns: int = 30_000,
) -> Trace:
    """What the taps see of this warden, and of a retimer behind it where there is a schedule."""
    passage = Tapped(warden(), seed, gap_ns)
    traffic(passage, rounds)
    trace = Trace(passage.sent, passage.left, passage.used)
    if schedule is not None:
        trace.left[W] = retimed(trace.left[W], schedule, retimer_key(SEED) if key is None else key, passage.now_ns)
        trace.timetable = Timetable(schedule, SIZE, origin_ns=START_NS)
    return trace.record()


def ticking() -> tuple[Trace, Callable[[int], int]]:
    """What the taps see while a flow table ticks, and how many ticks there have been at a time."""
    policy = POLICY.model_copy(update={"flow": POLICY.flow.model_copy(update={"tick": 1})})
    passage = Tapped(Warden(policy, Words(SEED)), gap_ns=2)
    tick_ns, zero_ns = TICK_CYCLES * CYCLE_NS, START_NS - 77_777

    def until(time_ns: int) -> int:
        return (time_ns - zero_ns) // tick_ns

    talk = Talk(passage, C)
    told = 0
    for pause in (800_000,) * 4 + (1_600_000,):
        passage.now_ns += pause
        for _ in range(until(passage.now_ns + 1) - told):
            passage.warden.tick()
        told = until(passage.now_ns + 1)
        passage.result(C, talk.from_client(SYN))
    return Trace(passage.sent, passage.left, passage.used, policy=policy).record(ticks=until), until


def retimed(given: list[Seen], schedule: Schedule, key: int, end_ns: int) -> list[Seen]:
    """What leaves by a schedule, until a while after the end."""
    retimer = Retimer(SIZE.lanes, SIZE.store_bytes, SIZE.frames)
    retimer.key = key
    retimer.set_schedule(schedule, -SCHEDULE_CYCLES)
    for seen in given:
        retimer.receive(seen.frame, (seen.time_ns - START_NS) // CYCLE_NS)
    departures = retimer.advance((end_ns - START_NS) // CYCLE_NS + 4 * schedule.period)
    return [Seen(START_NS + CYCLE_NS * departure.cycle, departure.frame) for departure in departures]
