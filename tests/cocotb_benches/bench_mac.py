# SPDX-License-Identifier: Apache-2.0
"""`gateware.ethernet.Mac` between a PHY of cocotbext-eth and a frame stream."""

from collections import Counter
from typing import Any

import cocotb
from cocotb.triggers import Timer
from cocotbext.eth import GmiiFrame

from custodes.ethernet import FCS_BYTES, GAP_BYTES, MAX_FRAME_BYTES, MIN_FRAME_BYTES, LinkSpeed, PortEvent
from custodes.registers import PORT_EVENTS, PORT_MDIO, PORT_SPEED
from tests.cocotb_benches.codecs import FrameCodec
from tests.cocotb_benches.phy import PREAMBLE, GmiiPhy, MdioPhy, Wire, spoilt
from tests.cocotb_benches.tb import TB
from tests.gateware.stream.bench import PAUSES, Frame

PERIOD_NS = 8.0
READ_CYCLES = 4
TALLY_CYCLES = 30
SPEED_US = 5
"""Until a link is believed to be at 1 Gbit/s."""
SETTLE_CYCLES = 4000
"""Two of the longest frames."""
FILLING_FRAMES = 130
SETTLED_GAPS = 4
"""Only the first frames leave before the next is whole."""
BUSY, FAILED = 1 << 17, 1 << 16
PHY_ADDRESS = 5


class Bench:
    """A port with its PHY; what it receives comes out at ``o``, what is put in at ``i`` is sent."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none", rx_ppm: int = 0, tx_ppm: int = 0) -> None:
        periods = {"": PERIOD_NS, "rx": PERIOD_NS / (1 + rx_ppm / 1e6), "tx": PERIOD_NS / (1 + tx_ppm / 1e6)}
        self.tb = TB(dut, idle, stall, periods)
        self.dut = dut
        self.random = self.tb.random
        self.i = self.tb.source("i", FrameCodec(1, self.tb.seed()))
        self.o = self.tb.sink("o", FrameCodec(1, self.tb.seed()))
        self.wire = Wire(self.tb.dut.phy_gmii_tx_valid, self.tb.domains["tx"])
        self.tb.add(self.wire, "tx")
        self.mdio = MdioPhy(dut, "phy_mdio", PHY_ADDRESS)

    async def start(self, ready: bool = True) -> None:
        self.phy = GmiiPhy(self.dut, "phy", self.dut.rx_clk, self.dut.tx_clk)
        self.dut.bus_write.value = 0
        await self.tb.start()
        if ready:
            await Timer(SPEED_US, "us")
        self.before = await self.totals()

    async def read(self, register: int) -> int:
        self.dut.bus_address.value = register
        await self.tb.cycles(READ_CYCLES + 1)
        return int(self.dut.bus_read_data.value)

    async def totals(self) -> Counter[PortEvent]:
        await self.tb.cycles(TALLY_CYCLES)
        return Counter({kind: await self.read(PORT_EVENTS + kind) for kind in PortEvent})

    async def counted(self, **expected: int) -> None:
        """Since the start the port has counted this and nothing else."""
        now = await self.totals()
        assert now - self.before == Counter(
            {PortEvent[name.upper()]: count for name, count in expected.items() if count}
        )

    def payload(self, size: int) -> bytes:
        return bytes((*self.random.randbytes(12), 8, 0, *self.random.randbytes(max(0, size - 14))))[:size]

    def sizes(self, count: int) -> list[int]:
        return [self.random.choice((60, 61, 64, self.random.randint(60, 400), 1514)) for _ in range(count)]

    async def passed(self, payloads: list[bytes]) -> None:
        await self.o.expect([Frame(payload) for payload in payloads])


def raw(payload: bytes) -> GmiiFrame:
    """A frame of just these bytes and their FCS, however few or many."""
    return GmiiFrame.from_payload(payload, min_len=0)


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def passes_frames_both_ways(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.start()
    # A stalled stream is half as fast: the PHY must not be faster for long.
    payloads = [bench.payload(size) for size in bench.sizes(12)]
    bench.phy.source.ifg = 12 if stall == "none" else 1500
    bench.phy.send(*payloads)
    bench.i.send([Frame(payload) for payload in payloads])
    await bench.phy.expect(payloads)
    await bench.passed(payloads)
    await bench.tb.finish()
    await bench.counted(rx_frames=len(payloads), tx_frames=len(payloads))


@cocotb.test()
async def takes_every_size_the_standard_allows_and_no_other(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    tag = bytes((*bench.random.randbytes(12), 0x81, 0, 0, 42))
    small = [1, 2, 3, 4, 5, 30, MIN_FRAME_BYTES - 1]
    good = [MIN_FRAME_BYTES, MIN_FRAME_BYTES + 1, MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES]
    large = [MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES + 4, MAX_FRAME_BYTES + 5, 9000]
    tagged = [tag.ljust(size, b"\x11") for size in (60, MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES + 4)]
    too_long = tag.ljust(MAX_FRAME_BYTES + 5, b"\x11")
    wanted = []
    for size in (*small, *good, *large):
        payload = bench.payload(size)
        await bench.phy.source.send(raw(payload))
        if size in good:
            wanted.append(payload)
    for payload in (*tagged, too_long):
        await bench.phy.source.send(raw(payload))
    await bench.passed([*wanted, *tagged])
    await bench.tb.cycles(SETTLE_CYCLES)
    await bench.tb.finish()
    await bench.counted(rx_frames=len(wanted) + len(tagged), rx_runt=len(small), rx_oversize=len(large) + 1)


@cocotb.test()
async def drops_and_counts_what_is_damaged(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    wanted, damage = [], Counter[str]()
    for number in range(60):
        payload = bench.payload(bench.random.randint(60, 200))
        frame = raw(payload)
        at = bench.random.randrange(len(PREAMBLE), len(frame.data))
        kind = ("rx_frames", "rx_fcs", "rx_frames", "rx_error", "rx_preamble")[number % 5]
        if kind == "rx_frames":
            wanted.append(payload)
        elif kind == "rx_fcs":
            frame.data[at] ^= 1 << bench.random.randrange(8)
        elif kind == "rx_error":
            spoilt(frame, at)
        else:
            frame.data[bench.random.randrange(len(PREAMBLE))] ^= 0x10
        damage[kind] += 1
        await bench.phy.source.send(frame)
    await bench.passed(wanted)
    await bench.tb.cycles(SETTLE_CYCLES)
    await bench.tb.finish()
    await bench.counted(**damage)


@cocotb.test()
async def takes_a_short_preamble_and_no_frame_without_its_delimiter(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    payloads = [bench.payload(70) for _ in range(8)]
    for length, payload in enumerate(payloads):
        await bench.phy.source.send(GmiiFrame(raw(payload).data[7 - length :]))
    await bench.phy.source.send(GmiiFrame(b"\x55" * 100))
    await bench.phy.source.send(GmiiFrame(b"\x55"))
    await bench.phy.source.send(spoilt(raw(bench.payload(70)), 3))
    await bench.passed(payloads)
    await bench.tb.cycles(SETTLE_CYCLES)
    await bench.tb.finish()
    await bench.counted(rx_frames=len(payloads), rx_preamble=3)


@cocotb.test()
@cocotb.parametrize(ppm=[-100, 0, 100])
async def sends_with_gaps_of_exactly_12_bytes_under_load(dut: Any, ppm: int) -> None:
    bench = Bench(dut, tx_ppm=ppm)
    await bench.start()
    # With the smallest frames the store fills soonest; from then on the next frame is always there.
    sizes = (1, 59, *[60] * FILLING_FRAMES, 61, *bench.sizes(60))
    payloads = [bench.payload(size) for size in sizes]
    bench.i.send([Frame(payload) for payload in payloads])
    await bench.phy.expect(payloads)
    await bench.tb.cycles(2)
    assert bench.wire.frames == [len(PREAMBLE) + max(len(payload), MIN_FRAME_BYTES) + FCS_BYTES for payload in payloads]
    assert bench.wire.gaps[SETTLED_GAPS:] == [GAP_BYTES] * (len(payloads) - 1 - SETTLED_GAPS)
    await bench.counted(tx_frames=len(payloads))


@cocotb.test()
async def drops_whole_frames_when_there_is_no_room(dut: Any) -> None:
    bench = Bench(dut)
    bench.o.stall = lambda: True
    await bench.start()
    payloads = [bench.payload(1000) for _ in range(6)]
    bench.phy.send(*payloads)
    bad = raw(bench.payload(1000))
    bad.data[500] ^= 1
    await bench.phy.source.send(bad)
    await bench.phy.source.wait()
    await bench.tb.cycles(100)
    bench.o.stall = lambda: False
    kept = payloads[:2]
    await bench.passed(kept)
    late = bench.payload(100)
    bench.phy.send(late)
    await bench.passed([late])
    await bench.tb.finish()
    await bench.counted(rx_frames=len(kept) + 1, rx_overrun=len(payloads) - len(kept), rx_fcs=1)


@cocotb.test()
@cocotb.parametrize(rx_ppm=[-100, 100])
async def loses_nothing_of_10000_frames_at_a_clock_offset(dut: Any, rx_ppm: int) -> None:
    """Back to back at line rate; what is received is sent again by a clock that is 100 ppm off the other way."""
    bench = Bench(dut, rx_ppm=rx_ppm, tx_ppm=-rx_ppm)
    await bench.start()
    payloads = [bench.payload(60) for _ in range(10_000)]

    async def back() -> None:
        for payload in payloads:
            got = await bench.o.received.get()
            assert got == Frame(payload)
            bench.i.send([got])

    cocotb.start_soon(back())
    bench.phy.send(*payloads)
    await bench.phy.expect(payloads)
    await bench.counted(rx_frames=len(payloads), tx_frames=len(payloads))


@cocotb.test()
@cocotb.parametrize(speed=[LinkSpeed.M10, LinkSpeed.M100])
async def refuses_slower_links_and_recovers(dut: Any, speed: LinkSpeed) -> None:
    bench = Bench(dut)
    period_ns = {LinkSpeed.M10: 400.0, LinkSpeed.M100: 40.0}[speed]
    rx = bench.tb.domains["rx"]
    await bench.start()
    assert await bench.read(PORT_SPEED) == LinkSpeed.M1000
    rx.stop_clock()
    await Timer(1, "us")
    assert await bench.read(PORT_SPEED) == LinkSpeed.NONE
    bench.i.send([Frame(bench.payload(60))])
    await bench.tb.sources_done()
    await bench.tb.cycles(200)
    rx.start_clock(period_ns)
    await Timer(period_ns * 64 * 10, "ns")
    assert await bench.read(PORT_SPEED) == speed
    bench.phy.send(bench.payload(60))
    bench.i.send([Frame(bench.payload(60))])
    await bench.tb.sources_done()
    await bench.phy.source.wait()
    rx.stop_clock()
    rx.start_clock(PERIOD_NS)
    await Timer(10, "us")
    assert await bench.read(PORT_SPEED) == LinkSpeed.M1000
    payload = bench.payload(100)
    bench.phy.send(payload)
    bench.i.send([Frame(payload)])
    await bench.passed([payload])
    await bench.phy.expect([payload])
    assert bench.phy.sink.empty()
    await bench.counted(rx_refused=1, rx_frames=1, tx_refused=2, tx_frames=1)


@cocotb.test()
@cocotb.parametrize(cycles=[1, 7, 8, 30, 71, 72, 73, 80])
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, cycles: int) -> None:
    """What is left of a frame is not taken for another one, even where it looks like one."""
    bench = Bench(dut)
    await bench.start()
    inner = bytes(raw(bench.payload(60)).data)
    bench.phy.send(bench.payload(20) + inner + bench.payload(1300))
    bench.i.send([Frame(bench.payload(60)) for _ in range(3)])
    await bench.tb.cycles(20 + cycles)
    await bench.tb.reset()
    await bench.phy.source.wait()
    await Timer(SPEED_US, "us")
    bench.phy.sink.clear()
    payload = bench.payload(99)
    bench.phy.send(payload)
    bench.i.send([Frame(payload)])
    await bench.passed([payload])
    await bench.phy.expect([payload])
    await bench.tb.finish()


@cocotb.test()
async def reads_and_writes_registers_of_the_phy(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start(ready=False)

    async def command(phy: int, register: int, value: int | None = None) -> int:
        dut.bus_address.value = PORT_MDIO
        dut.bus_write_data.value = (value or 0) | register << 16 | phy << 21 | (value is not None) << 26
        dut.bus_write.value = 1
        await bench.tb.cycles(1)
        dut.bus_write.value = 0
        for _ in range(40):
            answer = await bench.read(PORT_MDIO)
            if not answer & BUSY:
                return answer
            await Timer(1, "us")
        raise AssertionError("a transaction does not end")

    for register in range(32):
        bench.mdio.registers[register] = bench.random.getrandbits(16)
    for register, value in list(bench.mdio.registers.items()):
        assert await command(PHY_ADDRESS, register) == value
        assert not await command(PHY_ADDRESS, register, value ^ 0x5A5A) & FAILED
        assert bench.mdio.registers[register] == value ^ 0x5A5A
    assert await command(PHY_ADDRESS + 1, 3) == FAILED | 0xFFFF
    assert await command(PHY_ADDRESS, 2) == bench.mdio.registers[2]
