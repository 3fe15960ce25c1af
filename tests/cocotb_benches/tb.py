# SPDX-License-Identifier: Apache-2.0
"""The bench of every unit: clocks, resets, stream sources and sinks, and the rules of the stream on every port.

Each clock domain has one task, which runs once in a cycle: cocotb calls it at the rising edge before Verilator evaluates
the unit, and what is written then comes after it. So it looks at all ports as the unit's registers find them, where a port
with valid and ready transfers, and drives them as after the edge.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Generic

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, Event, RisingEdge, with_timeout

from tests.cocotb_benches.codecs import Beat, Codec, Item
from tests.cocotb_benches.pin import Pins
from tests.gateware.stream.bench import PAUSES, Pause, never

RESET_CYCLES = 2
PERIOD_NS = 10.0
TIMEOUT_US = 200
QUIET_CYCLES = 64
"""Without a transfer for so long, nothing is on its way in a stream unit; no pause of a source or sink lasts longer."""


class Agent:
    """Something that watches or drives ports of one clock domain; does nothing by itself."""

    def sample(self) -> None:
        """Look at the ports, as they are at the rising edge. Not called in reset."""

    def drive(self) -> None:
        """Drive the ports, after the rising edge."""

    def restart(self) -> None:
        """Called in place of `drive` in reset: drive what rests and forget the rest."""

    @property
    def busy(self) -> bool:
        """There is more to be sent."""
        return False


class Domain:
    """One clock and its reset; ``prefix`` stands before ``clk`` and ``rst``.

    ``cycle`` counts rising edges; ``moved`` is the last one at which a stream transferred.
    """

    def __init__(self, dut: Any, prefix: str, period_ns: float) -> None:
        self.clk = getattr(dut, f"{prefix}clk")
        self.rst = getattr(dut, f"{prefix}rst")
        self.period_ns = period_ns
        self.agents: list[Agent] = []
        self.cycle = 0
        self.moved = 0
        self._reset_left = 0
        self._is_reset = Event()

    def start(self) -> None:
        self.rst.value = 1
        self.start_clock(self.period_ns)
        cocotb.start_soon(self._run())

    def start_clock(self, period_ns: float) -> None:
        # A picosecond is as fine as it gets; away from 8 ns that is 125 ppm, and never less than was asked for.
        period_ps = round(period_ns * 1000)
        self._clock = Clock(self.clk, period_ps, unit="ps", period_high=period_ps // 2)
        self._clock.start()

    def stop_clock(self) -> None:
        self._clock.stop()

    async def reset(self, hold_ns: float) -> None:
        """Hold the reset, and so restart every agent; returns when it is over."""
        self._reset_left = math.ceil(hold_ns / self.period_ns)
        self._is_reset.clear()
        await with_timeout(self._is_reset.wait(), TIMEOUT_US, "us")

    async def cycles(self, count: int) -> None:
        await with_timeout(ClockCycles(self.clk, count), TIMEOUT_US + math.ceil(count * self.period_ns / 1000), "us")

    async def _run(self) -> None:
        rising = RisingEdge(self.clk)
        in_reset = True
        while True:
            await rising
            if not in_reset:
                for agent in self.agents:
                    agent.sample()
            self.cycle += 1
            if in_reset and not self._reset_left:
                self._is_reset.set()
            if in_reset or self._reset_left:
                in_reset = self._reset_left > 0
                self._reset_left -= in_reset
                self.rst.value = in_reset
            for agent in self.agents:
                if in_reset:
                    agent.restart()
                else:
                    agent.drive()


class StreamPort(Agent, Generic[Item]):
    """A port ``name`` with valid, ready and payload: checks the rules and takes note of transfers, in ``cycles``."""

    def __init__(self, dut: Pins, domain: Domain, name: str, codec: Codec[Item]) -> None:
        self.name = name
        self.domain = domain
        self.codec = codec
        self.valid = getattr(dut, f"{name}_valid")
        self.ready = getattr(dut, f"{name}_ready")
        names = [f"{name}_payload_{field}" for field in codec.fields] or [f"{name}_payload"]
        self.payload = [getattr(dut, payload) for payload in names]
        self.cycles: list[int] = []
        self._waiting: Beat | None = None

    def sample(self) -> None:
        beat = tuple([part.value for part in self.payload]) if self.valid.value else None
        if self._waiting is not None:
            assert beat is not None, f"{self.name}: valid fell before the transfer"
            assert beat == self._waiting, f"{self.name}: payload changed before the transfer"
        self._waiting = None
        if beat is None:
            return
        broken = self.codec.broken_rule(beat)
        assert not broken, f"{self.name}: {broken}"
        if self.ready.value:
            self.cycles.append(self.domain.cycle)
            self.domain.moved = self.domain.cycle
            item = self.codec.take(beat)
            self.transferred(item)
        else:
            self._waiting = beat

    def restart(self) -> None:
        self._waiting = None
        self.codec.restart()
        self.cycles.clear()

    def transferred(self, item: Item | None) -> None:
        """A beat was transferred, and completed ``item`` if that is not None."""


class Source(StreamPort[Item]):
    """Drives an input: sends items with pauses between the beats. ``sent`` has those that are in as a whole."""

    def __init__(self, dut: Pins, domain: Domain, name: str, codec: Codec[Item], idle: Pause) -> None:
        super().__init__(dut, domain, name, codec)
        self.idle = idle
        self.sent: list[Item] = []
        self._beats: deque[Beat] = deque()
        self._offering = False

    def send(self, items: Iterable[Item]) -> None:
        for item in items:
            self._beats.extend(self.codec.beats(item))

    @property
    def busy(self) -> bool:
        return bool(self._beats)

    def transferred(self, item: Item | None) -> None:
        self._beats.popleft()
        self._offering = False
        if item is not None:
            self.sent.append(item)

    def drive(self) -> None:
        if not self._offering and self._beats and not self.idle():
            self._offering = True
            for part, value in zip(self.payload, self._beats[0], strict=True):
                part.value = value
        self.valid.value = self._offering

    def restart(self) -> None:
        super().restart()
        self._beats.clear()
        self._offering = False
        self.sent.clear()
        self.valid.value = 0


class Sink(StreamPort[Item]):
    """Takes items from an output, with pauses."""

    def __init__(self, dut: Pins, domain: Domain, name: str, codec: Codec[Item], stall: Pause) -> None:
        super().__init__(dut, domain, name, codec)
        self.stall = stall
        self.received: Queue[Item] = Queue()

    def transferred(self, item: Item | None) -> None:
        if item is not None:
            self.received.put_nowait(item)

    def drive(self) -> None:
        self.ready.value = not self.stall()

    def restart(self) -> None:
        super().restart()
        self.ready.value = 0
        while not self.received.empty():
            self.received.get_nowait()

    async def expect(self, items: Iterable[Item]) -> None:
        """The next items are these, in order."""
        for number, item in enumerate(items):
            got = await with_timeout(self.received.get(), TIMEOUT_US, "us")
            assert got == item, f"{self.name}, item {number}: {got!r} instead of {item!r}"


class Pulses(Agent):
    """Notes the cycles in which a signal is 1."""

    def __init__(self, dut: Pins, domain: Domain, name: str) -> None:
        self.signal = getattr(dut, name)
        self.domain = domain
        self.cycles: list[int] = []

    def sample(self) -> None:
        if self.signal.value:
            self.cycles.append(self.domain.cycle)

    def restart(self) -> None:
        self.cycles.clear()


class TB:
    """Owns the clocks, the resets and the ports of one unit.

    Args:
        dut: a unit wrapped by `sim.top.FlatTop`; the attribute has its ports as `Pins`.
        idle, stall: which of `PAUSES` sources and sinks make.
        periods_ns: clock domain -> period; the domain "" has its ``clk`` and ``rst`` without a prefix.
    """

    def __init__(
        self, dut: Any, idle: str = "none", stall: str = "none", periods_ns: dict[str, float] | None = None
    ) -> None:
        self.dut = Pins(dut)
        self.random = random.Random(cocotb.RANDOM_SEED)
        dut._log.info("seed %d, idle %s, stall %s", cocotb.RANDOM_SEED, idle, stall)
        self._idle, self._stall = idle, stall
        periods = {"": PERIOD_NS} if periods_ns is None else periods_ns
        self.domains = {name: Domain(dut, f"{name}_" if name else "", period) for name, period in periods.items()}

    def seed(self) -> int:
        return self.random.getrandbits(32)

    def add(self, agent: Agent, domain: str = "") -> None:
        self.domains[domain].agents.append(agent)

    def source(self, name: str, codec: Codec[Item], domain: str = "") -> Source[Item]:
        source = Source(self.dut, self.domains[domain], name, codec, PAUSES[self._idle](self.seed()))
        self.add(source, domain)
        return source

    def sink(self, name: str, codec: Codec[Item], domain: str = "") -> Sink[Item]:
        sink = Sink(self.dut, self.domains[domain], name, codec, PAUSES[self._stall](self.seed()))
        self.add(sink, domain)
        return sink

    def pulses(self, name: str) -> Pulses:
        pulses = Pulses(self.dut, self.domains[""], name)
        self.add(pulses)
        return pulses

    @property
    def cycle(self) -> int:
        return self.domains[""].cycle

    async def start(self) -> None:
        """Start the clocks and reset the unit; every port has to be there by now."""
        for domain in self.domains.values():
            domain.start()
        await self.reset()

    async def reset(self) -> None:
        """Reset all domains together, for as long; sources and sinks forget what they had."""
        hold_ns = RESET_CYCLES * max(domain.period_ns for domain in self.domains.values())
        resets = [cocotb.start_soon(domain.reset(hold_ns)) for domain in self.domains.values()]
        for reset in resets:
            await with_timeout(reset, TIMEOUT_US, "us")

    async def cycles(self, count: int, domain: str = "") -> None:
        await self.domains[domain].cycles(count)

    async def sources_done(self) -> None:
        """Everything that was to be sent has been taken."""
        for domain in self.domains.values():
            while any(agent.busy for agent in domain.agents):
                start = domain.moved
                await domain.cycles(QUIET_CYCLES)
                assert domain.moved != start or not any(agent.busy for agent in domain.agents), "a source is stuck"

    async def finish(self, quiet_cycles: int = QUIET_CYCLES) -> None:
        """Nothing is left to be sent, nothing is on its way, and nothing that came out was not asked for."""
        await self.sources_done()
        for domain in self.domains.values():
            for agent in domain.agents:
                if isinstance(agent, Sink):
                    agent.stall = never
        for domain in self.domains.values():
            await domain.cycles(quiet_cycles)
            for agent in domain.agents:
                if isinstance(agent, StreamPort):
                    assert not agent.codec.under_way, f"{agent.name} ends inside an item"
                    assert agent.valid.value == 0, f"{agent.name} still offers a beat"
                if isinstance(agent, Sink):
                    assert agent.received.empty(), f"{agent.name} has {agent.received.qsize()} items left"


def full_rate(cycles: Sequence[int]) -> bool:
    """A transfer in every cycle from the first to the last."""
    return bool(cycles) and cycles[-1] - cycles[0] == len(cycles) - 1
