# SPDX-License-Identifier: Apache-2.0
"""A warden made of the specification, that can be told to lie, and captures for it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from custodes.admission import Admission
from custodes.capture import Capture, CaptureWriter, Format
from custodes.device import Warden
from custodes.flow_table import FLOWS
from custodes.link import Ingress, Link, Outcome
from custodes.model import Result
from custodes.model import Warden as Specification
from custodes.model.entropy import Words
from custodes.policy import Policy
from custodes.registers import (
    CLEAR,
    FLOW_CONTROL,
    FLOWS_REGISTER,
    IDENTITY,
    IDENTITY_VALUE,
    LANES,
    TICK,
    VOCABULARY,
    VOCABULARY_VALUE,
    field_counter,
    reason_counter,
)
from custodes.report import Report
from custodes.scrub import scrub_capture
from custodes.seed_registers import SEED, SEED_BYTES, WORD_LIMIT, WORDS_USED
from custodes.seeds import KNOWN_SEED
from custodes.table import SCRUBBED, Port
from tests.frames import MACS, Arp, Frame, Icmp, Ip4, Ip6, Tcp, Udp

CLUSTER, WORLD = MACS[Port.CLUSTER], MACS[Port.WORLD]
POLICY_TOML = f"""
[[cluster]]
mac = "{CLUSTER.hex(":")}"
ip = ["192.0.2.1", "2001:db8::1"]
[[world]]
mac = "{WORLD.hex(":")}"
ip = ["192.0.2.2", "2001:db8::2"]
"""
POLICY = Policy.model_validate(tomllib.loads(POLICY_TOML))
START_NS = 1_700_000_000_123_456_789
PING = Frame(Ip4(Icmp(), identification=0xBEEF)).pack()
"""A frame that leaves, with two bytes of covert data in it."""
ADMISSION = Admission(POLICY, None, frozenset({WORLD}), Port.WORLD)
TIMESTAMPS = b"\x01\x01\x08\x0a" + bytes(8)
HAND = [
    PING,
    Frame(Ip4(Icmp(0), Port.WORLD, ttl=57)).pack(),
    Frame(Ip4(Udp(destination=443))).pack(),
    Frame(Ip6(Tcp(flags=0x02, options=b"\x02\x04\x05\xb4" + TIMESTAMPS, payload=b"hidden"), flow_label=7)).pack(),
    Frame(Ip4(Tcp(0x02, TIMESTAMPS, window=1000), Port.WORLD)).pack(),
    Frame(Arp(target_mac=b"secret")).pack(),
    bytes(1519),
]
"""A ping and the answer, a QUIC datagram, a SYN with timestamps and data, another without data, an ARP request, a jumbo
frame."""


class FakeLink(Link):
    """A warden made of the specification under ``policy``.

    ``spoil`` turns each honest outcome into what the device does; ``registers`` are answered before anything else; without
    ``flows`` it has no flow table.
    """

    def __init__(
        self,
        policy: Policy = POLICY,
        spoil: Callable[[Outcome], Outcome] = lambda outcome: outcome,
        registers: dict[int, int] | None = None,
        flows: int = FLOWS,
    ) -> None:
        self.lanes = 1
        self.ticks = 0
        self.sent: list[Ingress] = []
        self.closed = False
        self._policy = policy
        self._flows = flows
        self._specification = Specification(policy)
        self._seed = bytearray(SEED_BYTES)
        self._spoil = spoil
        self._registers = {
            IDENTITY: IDENTITY_VALUE,
            LANES: 1,
            VOCABULARY: VOCABULARY_VALUE,
            FLOWS_REGISTER: flows,
        } | (registers or {})
        self._counters: Counter[int] = Counter({reason_counter(Port.CLUSTER, 0): 0xFFFF_FFFF})

    def read(self, address: int) -> int:
        if 0 <= address - WORDS_USED < len(Port):
            return self._specification.words.used[address - WORDS_USED]
        return self._registers.get(address, self._counters[address] & 0xFFFF_FFFF)

    def write(self, address: int, value: int) -> None:
        if 0 <= address - SEED < SEED_BYTES // 4:
            at = 4 * (address - SEED)
            self._seed[at : at + 4] = value.to_bytes(4)
        elif address == WORD_LIMIT:
            self._specification.words = Words(bytes(self._seed), value)
        elif (address, value) == (FLOW_CONTROL, TICK):
            self.ticks += 1
            self._specification.tick()
        elif (address, value) == (FLOW_CONTROL, CLEAR):
            self._specification = Specification(self._policy, self._specification.words)

    def exchange(self, frames: Sequence[Ingress]) -> list[Outcome]:
        self.sent += frames
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Ingress) -> Outcome:
        result = self._judge(frame)
        outcome = self._spoil(Outcome(result.frame, result.reason, result.altered))
        self._counters[reason_counter(frame.port, outcome.reason)] += 1
        for row in range(len(SCRUBBED)):
            self._counters[field_counter(frame.port, row)] += outcome.altered >> row & 1
        return outcome

    def _judge(self, frame: Ingress) -> Result:
        if self._flows:
            return self._specification.pass_frame(frame.frame, frame.port, frame.error)
        return self._specification.scrubber.scrub(frame.frame, frame.port, frame.error)

    def close(self) -> None:
        self.closed = True


def write_capture(path: Path, packets: Iterable[bytes], format: Format = Format.PCAP) -> Path:
    """A capture of these frames, a microsecond and a nanosecond apart."""
    with path.open("wb") as file:
        writer = CaptureWriter(file, format)
        for i, packet in enumerate(packets):
            writer.write(START_NS + i * 1001, packet)
    return path


def read_capture(path: Path) -> list[tuple[int, bytes]]:
    """Times and frames."""
    return [(packet.time_ns, packet.frame) for packet in Capture(path)]


def run(
    tmp_path: Path,
    frames: list[bytes],
    link: FakeLink | None = None,
    check: bool = True,
    output: str = "out.pcap",
    seed: bytes = KNOWN_SEED,
) -> Report:
    """Send these frames through a device under `ADMISSION`, from in.pcap to ``output`` in this directory."""
    source = write_capture(tmp_path / "in.pcap", frames)
    report = Report(str(source), output, "fake", 1, check, ADMISSION)
    scrub_capture(Capture(source), tmp_path / output, ADMISSION, Warden(link or FakeLink()), report, seed=seed)
    return report
