# SPDX-License-Identifier: Apache-2.0
"""`gateware.scrubber.Scrubber` of one direction, against the executable specification."""

import random
from typing import Any, NamedTuple

import cocotb

from custodes.address_table import address_ids
from custodes.link import Ingress
from custodes.model import Scrubber
from custodes.policy import UNTAGGED
from custodes.registers import ENABLE_BITS, UNTAGGED_VID
from custodes.table import Reason
from tests import traffic
from tests.cocotb_benches.address_writer import AddressWriter
from tests.cocotb_benches.codecs import FrameCodec, lanes_of
from tests.cocotb_benches.designs import design_under_test
from tests.cocotb_benches.pin import Pins
from tests.cocotb_benches.tb import TB, Agent
from tests.frames import POLICY
from tests.gateware.stream.bench import PAUSES, Frame, Pause

QUIET_CYCLES = 500
"""No frame takes longer from its last beat to its verdict, nor from there to the first beat that leaves."""


ADDRESS_IDS = address_ids(POLICY)
ERRORS = {1: (3, 11, 12), 58: (1, 2, 3, 4)}
"""Of ICMP and ICMPv6, types of messages that quote a packet."""


class Judged(NamedTuple):
    reason: Reason
    altered: int


class Ids(NamedTuple):
    source: int
    destination: int


def ids_of(frame: bytes) -> Ids | None:
    """Of the addresses of a canonical frame, or of what it quotes; None where it has no flow."""
    packet = frame[18 if frame[12:14] == b"\x81\0" else 14 :]
    version = packet[0] >> 4
    if version not in (4, 6) or (version == 6 and packet[7] == 255):
        return None
    first, size, protocol, header = (12, 4, packet[9], 20) if version == 4 else (8, 16, packet[6], 40)
    source, destination = packet[first : first + size], packet[first + size : first + 2 * size]
    if packet[header] in ERRORS.get(protocol, ()):
        source = packet[header + 8 + first + size :][:size]
    return Ids(ADDRESS_IDS[source], ADDRESS_IDS[destination])


class Verdicts(Agent):
    """Collects the verdicts, and takes the ids, which must be there before their frame leaves."""

    def __init__(self, dut: Pins, stall: Pause) -> None:
        self.dut = dut
        self.stall = stall
        self.judged: list[Judged] = []
        self.ids: list[Ids] = []
        self.left = 0

    def sample(self) -> None:
        if self.dut.judged_valid.value:
            reason = Reason(self.dut.judged_reason.value)
            self.judged.append(Judged(reason, self.dut.judged_altered.value))
        told = len(self.ids) + self.dut.ids_valid.value
        if self.dut.ids_valid.value and self.dut.ids_ready.value:
            payload = self.dut.ids_payload_source, self.dut.ids_payload_destination
            self.ids.append(Ids(*(part.value for part in payload)))
        if self.dut.o_valid.value:
            assert self.left < told, "a frame leaves before its ids"
            self.left += self.dut.o_ready.value & self.dut.o_payload_last.value

    def drive(self) -> None:
        self.dut.ids_ready.value = not self.stall()

    def restart(self) -> None:
        self.judged.clear()
        self.ids.clear()
        self.left = 0
        self.dut.ids_ready.value = 0


class Bench:
    """A scrubber under `POLICY` between a source and a sink, with its specification."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        self.dut = dut
        self.specification = Scrubber(POLICY)
        lanes = lanes_of(dut.i_payload_data)
        self.i = self.tb.source("i", FrameCodec(lanes, self.tb.seed()))
        self.o = self.tb.sink("o", FrameCodec(lanes, self.tb.seed()))
        self.verdicts = Verdicts(self.tb.dut, PAUSES[stall](self.tb.seed()))
        self.tb.add(self.verdicts)
        self.writer = AddressWriter(self.tb, self.tb.dut.address_valid, "address")
        self.expected: list[Judged] = []
        self.expected_ids: list[Ids | None] = []

    async def start(self) -> None:
        dut = self.dut
        dut.vlan_valid.value = 0
        denied = sorted(POLICY.udp.deny_ports)
        enabled = {*POLICY.ethertypes, *POLICY.protocols, *(["deny"] if denied else [])}
        for name in ENABLE_BITS:
            getattr(dut, f"policy_{name}").value = name in enabled
        dut.policy_ttl.value = POLICY.ttl
        dut.policy_mss.value = POLICY.tcp.mss
        ports = [denied[k % len(denied)] if denied else 0 for k in range(8)]
        dut.policy_deny_ports.value = sum(port << 16 * k for k, port in enumerate(ports))
        await self.tb.start()
        await self.writer.fill(POLICY.addresses())
        for vlan in POLICY.vlans:
            dut.vlan_vid.value = UNTAGGED_VID if vlan == UNTAGGED else vlan
            dut.vlan_admit.value = 1
            dut.vlan_valid.value = 1
            await self.tb.cycles(1)
            dut.vlan_valid.value = 0

    def send(self, frames: list[Ingress]) -> list[Frame]:
        """Send the frames; returns those that should come out, and adds to the verdicts expected."""
        out = []
        for frame in frames:
            result = self.specification.scrub(frame.frame, frame.port, frame.error)
            self.expected.append(Judged(result.reason, result.altered))
            if result.frame is not None:
                out.append(Frame(result.frame))
                self.expected_ids.append(ids_of(result.frame))
        self.i.send(Frame(frame.frame, frame.error) for frame in frames)
        return out

    async def finish(self) -> None:
        await self.tb.finish(QUIET_CYCLES)
        assert self.dut.busy.value == 0
        assert self.verdicts.judged == self.expected
        given = zip(self.verdicts.ids, self.expected_ids, strict=True)
        assert [ids if wanted else None for ids, wanted in given] == self.expected_ids

    async def reset(self) -> None:
        await self.tb.reset()
        self.expected.clear()
        self.expected_ids.clear()


def frames(source: random.Random, count: int, damage_share: float = 0.25) -> list[Ingress]:
    """Frames of every kind that enter at the port under test, some of them damaged or with error."""
    chosen: list[Ingress] = []
    while len(chosen) < count:
        damage = source.choice(list(traffic.DAMAGE)) if source.random() < damage_share else None
        kind, where = source.choice(list(traffic.KINDS)), source.choice(traffic.WHERE)
        frame = traffic.make(kind, source.getrandbits(32), damage, where, source.random() < damage_share / 4)
        if frame.port == design_under_test().port and frame.frame:
            chosen.append(frame)
    return chosen


def large_frames(source: random.Random, count: int) -> list[Ingress]:
    """Of at least 700 bytes each, and forwarded."""
    specification = Scrubber(POLICY)
    chosen: list[Ingress] = []
    while len(chosen) < count:
        found = frames(source, 50, 0)
        chosen += [
            frame for frame in found if len(frame.frame) > 700 and specification.scrub(frame.frame, frame.port).frame
        ]
    return chosen[:count]


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def does_what_the_specification_says(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.start()
    await bench.o.expect(bench.send(frames(bench.tb.random, 10 * design_under_test().lanes + 20)))
    await bench.finish()


@cocotb.test()
async def a_stalled_output_stops_the_input_and_loses_nothing(dut: Any) -> None:
    bench = Bench(dut)
    bench.o.stall = lambda: True
    await bench.start()
    sent = large_frames(bench.tb.random, 20)
    expected = bench.send(sent)
    await bench.tb.cycles(2 * sum(len(frame.frame) for frame in sent) // design_under_test().lanes)
    assert 0 < len(bench.i.sent) < len(sent)
    assert dut.i_ready.value == 0
    assert dut.busy.value == 1
    bench.o.stall = lambda: False
    await bench.o.expect(expected)
    await bench.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.start()
    for _ in range(5):
        bench.send(frames(bench.tb.random, 10))
        await bench.tb.cycles(bench.tb.random.randrange(20, 4000 // design_under_test().lanes))
        await bench.reset()
        assert dut.busy.value == 0
        await bench.o.expect(bench.send(frames(bench.tb.random, 5)))
        await bench.finish()
