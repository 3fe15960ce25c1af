# SPDX-License-Identifier: Apache-2.0
"""`gateware.devices.ethernet_warden.EthernetWarden` from pin to pin: RGMII models of cocotbext-eth on both sides."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import Timer, with_timeout
from cocotbext.eth import GmiiFrame, RgmiiSink, RgmiiSource

from custodes.ethernet import MAX_FRAME_BYTES, MIN_FRAME_BYTES, LinkSpeed, PortEvent
from custodes.link import Ingress
from custodes.model import Scrubber
from custodes.registers import PORT_EVENTS, PORT_SPEED, port_register, reason_counter
from custodes.table import Port, Reason
from tests import traffic
from tests.cocotb_benches.designs import BLINK_CYCLES
from tests.cocotb_benches.phy import PREAMBLE, MdioPhy
from tests.cocotb_benches.tb import TB
from tests.frames import POLICY

PERIOD_NS = 8.0
OFFSET_PPM = 100
READY_US = 12
"""Until links are believed and the policy is written."""
FRAME_TIMEOUT_US = 100
READ_CYCLES = 5
Total = tuple[Port, str]
"""The name of a `PortEvent`, or of `Reason.FORWARDED`."""
LED_LINKS, LED_FORWARDED, LED_DROPPED = 0b0011, 0b0100, 0b1000


class PortBench:
    """What is connected to one port: a source and a sink, and the registers of the PHY."""

    def __init__(self, dut: Any, port: Port, rx_clk: Any) -> None:
        pins = f"pins_{port.value}_"
        self.port = port
        self.source = RgmiiSource(*(getattr(dut, pins + pin) for pin in ("rx_data", "rx_ctl")), rx_clk)
        self.sink = RgmiiSink(*(getattr(dut, pins + pin) for pin in ("tx_data", "tx_ctl", "tx_clk")))
        self.mdio = MdioPhy(dut, f"management_{port.value}", address=0)
        for end in (self.source, self.sink):
            end.log.setLevel(logging.WARNING)

    async def expect(self, frames: list[bytes]) -> None:
        """The next frames are these, every byte on the wire."""
        for number, frame in enumerate(frames):
            got = await with_timeout(self.sink.recv(), FRAME_TIMEOUT_US, "us")
            want = GmiiFrame.from_payload(frame)
            assert got.error is None
            assert bytes(got) == bytes(want), f"{self.port.name}, frame {number}: {bytes(got).hex()}"


class Bench:
    """A warden under `POLICY`, which it gives itself. Each PHY has a clock of its own."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        faster, slower = PERIOD_NS / (1 + OFFSET_PPM / 1e6), PERIOD_NS / (1 - OFFSET_PPM / 1e6)
        self.tb = TB(dut, periods_ns={"": PERIOD_NS, "tx": PERIOD_NS, "rx_cluster": faster, "rx_world": slower})
        self.specification = Scrubber(POLICY)

    async def start(self) -> None:
        dut = self.dut
        dut.bus_write.value = 0
        clocks = {Port.CLUSTER: dut.rx_cluster_clk, Port.WORLD: dut.rx_world_clk}
        self.ports = {port: PortBench(dut, port, clocks[port]) for port in Port}
        await self.tb.start()
        await Timer(READY_US, "us")

    async def read(self, register: int) -> int:
        self.dut.bus_address.value = register
        await self.tb.cycles(READ_CYCLES)
        return int(self.dut.bus_read_data.value)

    async def totals(self) -> Counter[Total]:
        """Of all that ports count, and of the frames forwarded."""
        totals = Counter[Total]()
        for port in Port:
            totals[port, Reason.FORWARDED.name] = await self.read(reason_counter(port, Reason.FORWARDED))
            for kind in PortEvent:
                totals[port, kind.name] = await self.read(port_register(port, PORT_EVENTS + kind))
        return totals

    def send(self, frame: Ingress) -> bytes | None:
        """Onto the wire; returns what is to leave at the other port."""
        padded = frame.frame.ljust(MIN_FRAME_BYTES, b"\0")
        wire = GmiiFrame.from_payload(padded)
        if frame.error:
            wire.error = [0] * (len(PREAMBLE) + len(padded)) + [1]
        self.ports[frame.port].source.send_nowait(wire)
        return None if frame.error else self.specification.scrub(padded, frame.port).frame


def some(source: random.Random, count: int) -> list[Ingress]:
    """Frames of every kind for both ports, some of them damaged or with error, none longer than a port takes."""
    chosen: list[Ingress] = []
    while len(chosen) < count:
        damage = source.choice(list(traffic.DAMAGE)) if source.random() < 0.2 else None
        kind = source.choice(list(traffic.KINDS))
        frame = traffic.make(kind, source.getrandbits(32), damage, error=source.random() < 0.05)
        if frame.frame and len(frame.frame) <= MAX_FRAME_BYTES:
            chosen.append(frame)
    return chosen


async def pass_through(bench: Bench, frames: list[Ingress]) -> None:
    """Send the frames back to back at both ports; exactly what the specification says comes out, and is counted."""
    before = await bench.totals()
    wanted: dict[Port, list[bytes]] = {port: [] for port in Port}
    for frame in frames:
        out = bench.send(frame)
        if out is not None:
            wanted[frame.port.other].append(out)
    expectations = [cocotb.start_soon(bench.ports[port].expect(out)) for port, out in wanted.items()]
    for expectation in expectations:
        await expectation
    await Timer(FRAME_TIMEOUT_US, "us")
    counted = Counter[Total]()
    for port in Port:
        assert wanted[port], "nothing to be forwarded"
        assert bench.ports[port].sink.empty()
        counted[port, PortEvent.TX_FRAMES.name] = counted[port.other, Reason.FORWARDED.name] = len(wanted[port])
    counted.update((frame.port, (PortEvent.RX_ERROR if frame.error else PortEvent.RX_FRAMES).name) for frame in frames)
    rises = await bench.totals() - before
    assert rises == counted


@cocotb.test()
async def forwards_at_line_rate_both_ways_what_the_specification_says(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    assert [await bench.read(port_register(port, PORT_SPEED)) for port in Port] == [LinkSpeed.M1000] * 2
    await pass_through(bench, some(bench.tb.random, 500))


@cocotb.test()
async def keeps_up_with_the_smallest_frames(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    source, small = bench.tb.random, list[Ingress]()
    while len(small) < 600:
        small += [frame for frame in some(source, 50) if len(frame.frame) <= MIN_FRAME_BYTES]
    await pass_through(bench, small)


@cocotb.test()
async def shows_links_and_what_becomes_of_frames(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    assert int(dut.leds.value) == LED_LINKS
    await pass_through(bench, some(bench.tb.random, 30))
    good = next(
        frame for frame in some(bench.tb.random, 200) if bench.specification.scrub(frame.frame, frame.port).frame
    )
    for frame, lit in ((good, LED_FORWARDED), (Ingress(Port.CLUSTER, bytes(60)), LED_DROPPED)):
        await bench.tb.cycles(2 * BLINK_CYCLES)
        assert int(dut.leds.value) == LED_LINKS
        bench.send(frame)
        seen = 0
        for _ in range(4):
            await bench.tb.cycles(BLINK_CYCLES // 2)
            seen |= int(dut.leds.value)
        assert seen == LED_LINKS | lit
    bench.tb.domains["rx_world"].stop_clock()
    await Timer(1, "us")
    assert int(dut.leds.value) & LED_LINKS == 1 << Port.CLUSTER


@cocotb.test()
async def reset_under_load_leaves_nothing_behind(dut: Any) -> None:
    """After it the device writes its policy again, and forwards what comes from then on."""
    bench = Bench(dut)
    await bench.start()
    for frame in some(bench.tb.random, 60):
        bench.send(frame)
    await bench.tb.cycles(3000)
    await bench.tb.reset()
    for port in bench.ports.values():
        await port.source.wait()
    await Timer(FRAME_TIMEOUT_US, "us")
    before = {port: await bench.read(reason_counter(port, Reason.FORWARDED)) for port in Port}
    for port in bench.ports.values():
        port.sink.clear()
    wanted = {
        port: [out for frame in some(bench.tb.random, 40) if frame.port == port.other and (out := bench.send(frame))]
        for port in Port
    }
    for port, out in wanted.items():
        await bench.ports[port].expect(out)
        assert await bench.read(reason_counter(port.other, Reason.FORWARDED)) == before[port.other] + len(out)
