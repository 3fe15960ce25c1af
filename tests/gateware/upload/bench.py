# SPDX-License-Identifier: Apache-2.0
"""A gate in Amaranth's simulator, driven through its ports and registers, and the specification beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

from amaranth import ClockDomain, Module, ResetInserter, ResetSignal, Signal

from custodes.gateway_registers import UPLOAD_BLOCK
from custodes.model import upload as model
from custodes.model.upload import NOTHING, Left, weights
from custodes.upload_modes import Fault, Mode, UploadOrder
from gateware.stream import StreamChecker
from gateware.upload import Upload
from tests.gateware.elaborated import Tested
from tests.gateware.engine import give_engine
from tests.gateware.stream.bench import PAUSES, PERIOD_S, Frame, Monitor, pack, to_beats

OFF_CYCLES = 16
READ_CYCLES = 3
QUIET_CYCLES = 80
"""For longer nothing waits for the digest without showing it."""
RESET_CYCLES = 2
OUTPUTS = ("o_weights", "o_world", "o_server")
SERVER, GATEWAY = bytes.fromhex("021122334455"), bytes.fromhex("06aabbccddee")
STATION, OTHER = bytes.fromhex("0a0b0c0d0e0f"), bytes.fromhex("1a1b1c1d1e1f")


def upload(size: int, seed: int = 1) -> tuple[bytes, list[bytes]]:
    """Weights, and the frames that they come in: from somebody to somebody."""
    octets = Random(seed).randbytes(size)
    return octets, [frame.ljust(60, b"\0") for frame in weights(octets, STATION, OTHER)]


def other(size: int = 64, seed: int = 2) -> bytes:
    """A frame that is none of weights: IPv4."""
    return (STATION + OTHER + b"\x08\x00" + Random(seed).randbytes(size))[:size]


class Gate(Tested):
    """A gate with an engine, and checkers at its outputs."""

    def __init__(self, lanes: int) -> None:
        super().__init__(PERIOD_S)
        self.lanes = lanes
        self.dut = Upload(lanes, OFF_CYCLES)
        self.reset = Signal()
        self.checks: dict[str, Any] = {}

    def module(self, fragment: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += ResetSignal().eq(self.reset)
        m.submodules.dut = fragment or self.dut
        give_engine(m, self.dut, clear=self.dut.forget)
        for name in OUTPUTS:
            check = StreamChecker(self.lanes)
            check.observe(m, getattr(self.dut, name))
            # What passes may be withdrawn as power goes; weights never.
            m.submodules[f"check_{name}"] = check if name == "o_weights" else ResetInserter(self.dut.forget)(check)
            self.checks[name] = check
        return m


shared_gate = cache(Gate)


class Bench:
    """A gate, what comes to it, and what leaves.

    Args:
        own: the gate is no other bench's: for who looks into it.
    """

    def __init__(self, lanes: int, pauses: str = "none", own: bool = False) -> None:
        self.lanes = lanes
        self._gate = Gate(lanes) if own else shared_gate(lanes)
        self.dut = self._gate.dut
        self.cycle = 0
        self.left = {name: Monitor(lanes) for name in OUTPUTS}
        self.inputs: dict[str, deque[int]] = {"i_world": deque(), "i_server": deque()}
        self._idle = {name: PAUSES[pauses](at) for at, name in enumerate(self.inputs)}
        self._stall = {name: PAUSES[pauses](at) for at, name in enumerate(OUTPUTS, 7)}
        self._offers = dict.fromkeys(self.inputs, False)
        self._quiet = 0
        self.ctx: Any = None
        ports = {name: getattr(self.dut, name) for name in (*self.inputs, *OUTPUTS)}
        self._ports = {name: (port.payload.as_value(), port.valid, port.ready) for name, port in ports.items()}

    def run(self, testbench: Callable[[], Coroutine[Any, Any, None]], fragment: Any = None) -> None:
        async def first(ctx: Any) -> None:
            self.ctx = ctx
            await self.cycles(OFF_CYCLES + 4)
            await testbench()

        self._gate.play(first, fragment)

    async def step(self) -> None:
        """One cycle of the clock."""
        ctx, moved = self.ctx, False
        for name, beats in self.inputs.items():
            payload, valid, _ = self._ports[name]
            if not self._offers[name] and beats and not self._idle[name]():
                self._offers[name] = True
                ctx.set(payload, beats[0])
            ctx.set(valid, self._offers[name])
        for name in OUTPUTS:
            ctx.set(self._ports[name][2], not self._stall[name]())
        for name, monitor in self.left.items():
            payload, valid, ready = self._ports[name]
            if ctx.get(valid) and ctx.get(ready):
                monitor.take(ctx.get(payload), self.cycle)
                moved = True
        for name, beats in self.inputs.items():
            if self._offers[name] and ctx.get(self._ports[name][2]):
                beats.popleft()
                self._offers[name], moved = False, True
        forgets = ctx.get(self.dut.forget)
        for name, check in self._gate.checks.items():
            if ctx.get(check.violation) and not (forgets and name != "o_weights"):
                raise AssertionError(f"{name} breaks the rule of streams: {ctx.get(check.code)}")
        if forgets:
            for name in ("o_world", "o_server"):
                self.left[name].open.clear()
        self._quiet = 0 if moved else self._quiet + 1
        await ctx.tick()
        self.cycle += 1

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await self.step()

    def send(self, port: str, frame: bytes, error: bool = False) -> None:
        """Offer a frame behind those that wait."""
        self.inputs[port] += [pack(beat, self.lanes) for beat in to_beats(Frame(frame, error), self.lanes)]

    async def settle(self) -> None:
        """Until everything has been taken, nothing moves, and no digest is waited for."""
        self._quiet = 0
        while any(self.inputs.values()) or self._quiet < QUIET_CYCLES:
            await self.step()
        while await self.mode() == Mode.CHECK:
            pass

    async def reset(self) -> None:
        """What was under way at any port is lost."""
        for name, beats in self.inputs.items():
            beats.clear()
            self._offers[name] = False
            self.ctx.set(getattr(self.dut, name).valid, 0)
        self.ctx.set(self._gate.reset, 1)
        for _ in range(RESET_CYCLES):
            await self.ctx.tick()
        self.ctx.set(self._gate.reset, 0)
        self.left = {name: Monitor(self.lanes) for name in OUTPUTS}

    async def write(self, name: str, *values: int) -> None:
        """Registers in a row, a word in each cycle."""
        bus = self.dut.bus
        for at, value in enumerate(values):
            self.ctx.set(bus.address, UPLOAD_BLOCK[name].offset + at)
            self.ctx.set(bus.write_data, value)
            self.ctx.set(bus.write, 1)
            await self.step()
        self.ctx.set(bus.write, 0)
        self.ctx.set(bus.write_data, 0)

    async def read(self, name: str, index: int = 0) -> int:
        self.ctx.set(self.dut.bus.address, UPLOAD_BLOCK[name].offset + index)
        await self.cycles(READ_CYCLES)
        return self.ctx.get(self.dut.bus.read_data)

    async def read_both(self, name: str) -> int:
        return await self.read(name) | await self.read(name, 1) << 32

    async def field(self, name: str) -> int:
        return UPLOAD_BLOCK["UPLOAD_STATE"].field(name).of(await self.read("UPLOAD_STATE"))

    async def mode(self) -> Mode:
        return Mode(await self.field("MODE"))

    async def digest(self) -> bytes:
        return b"".join([(await self.read("UPLOAD_DIGEST", at)).to_bytes(4, "little") for at in range(8)])

    async def addresses(self, server: bytes = SERVER, gateway: bytes = GATEWAY) -> None:
        for name, mac in (("SERVER_MAC", server), ("UPLOAD_MAC", gateway)):
            await self.write(name, int.from_bytes(mac[:4]), int.from_bytes(mac[4:]) << 16)

    async def announce(self, bits: int, digest: bytes) -> None:
        await self.write("UPLOAD_BITS", bits % (1 << 32), bits >> 32)
        await self.write("UPLOAD_DIGEST", *(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4)))

    async def order(self, order: UploadOrder) -> None:
        await self.write("UPLOAD_COMMAND", order)
        await self.cycles(4)


class Both:
    """A gate and the specification, to which the same happens; whatever either does is compared."""

    def __init__(self, lanes: int, pauses: str = "none") -> None:
        self.bench = Bench(lanes, pauses)
        self.model = model.Upload()
        self._expected: list[Left] = []
        self._ended = False

    def run(self, testbench: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def first() -> None:
            self.model.ready = True
            self.model.server, self.model.gateway = SERVER, GATEWAY
            await self.bench.addresses()
            await self.same()
            await testbench()

        self.bench.run(first)

    async def announce(self, octets: bytes, bits: int | None = None, digest: bytes | None = None) -> None:
        bits = 8 * len(octets) if bits is None else bits
        digest = sha256(octets).digest() if digest is None else digest
        self.model.announce(bits, digest)
        await self.bench.announce(bits, digest)

    async def order(self, order: UploadOrder) -> None:
        self.model.order(order)
        await self.bench.order(order)
        await self.same()

    async def start(self, octets: bytes, bits: int | None = None, digest: bytes | None = None) -> None:
        """Announce, and give the order when power has been off for long enough."""
        await self.bench.cycles(OFF_CYCLES)
        self.model.ready = True
        await self.announce(octets, bits, digest)
        await self.order(UploadOrder.START)

    def send(self, frame: bytes, error: bool = False) -> None:
        """A frame from the world, on its way."""
        self.bench.send("i_world", frame, error)
        self._take(self.model.from_world(frame, error))

    async def world(self, *frames: bytes, error: bool = False) -> None:
        """Back to back, so that what comes behind the last of weights comes before its digest."""
        for frame in frames:
            self.send(frame, error)
        await self.bench.settle()
        self.model.digested()
        await self.same()

    async def check(self, frame: bytes) -> None:
        """Send the last weights, and wait until they have left, which is before there is a digest."""
        self.send(frame)
        while not self.bench.left["o_weights"].frames:
            await self.bench.step()
        await self.same()
        assert self.model.mode == Mode.CHECK

    async def server(self, frame: bytes) -> None:
        self.bench.send("i_server", frame)
        self._take(self.model.from_server(frame))
        await self.bench.settle()
        await self.same()

    async def alarm(self) -> None:
        self.model.alarm()
        self.bench.ctx.set(self.bench.dut.alarm, 1)
        await self.bench.step()
        self.bench.ctx.set(self.bench.dut.alarm, 0)
        await self.bench.cycles(4)
        await self.same()

    async def wait(self, cycles: int, paused: bool) -> None:
        """So many cycles without weights, which are too many or not."""
        if paused:
            self.model.pause()
        await self.bench.cycles(cycles)
        await self.same()

    async def serve(self, octets: bytes, frames: Sequence[bytes]) -> None:
        """Everything as it should be."""
        await self.start(octets)
        for frame in frames:
            await self.world(frame)
        assert self.model.mode == Mode.SERVING

    def _take(self, left: Left) -> None:
        if left != NOTHING:
            self._expected.append(left)

    async def same(self) -> None:
        """Modes, reasons, registers, and what has left since the last time."""
        bench, specified = self.bench, self.model
        mode, fault = await bench.mode(), Fault(await bench.field("FAULT"))
        assert (mode, fault) == (specified.mode, specified.fault)
        assert bench.ctx.get(bench.dut.power) == await bench.field("POWER") == specified.power
        assert bench.ctx.get(bench.dut.serving) == (mode == Mode.SERVING)
        assert bench.ctx.get(bench.dut.forget) == (mode == Mode.OFF)
        assert await bench.read_both("UPLOAD_COUNTED") == specified.counted
        assert await bench.read_both("UPLOAD_BITS") == specified.bits
        assert await bench.digest() == specified.digest
        expected = {
            ("o_weights", "o_world"): [frame for left in self._expected for frame in left.server],
            ("o_server",): [frame for left in self._expected for frame in left.world],
        }
        for names, frames in expected.items():
            # Of a frame that ends everything more or less may have left; of weights it then ends with an error.
            found = [
                frame.data
                for name in names
                for frame in bench.left[name].frames
                if not (frame.error and name == "o_weights")
            ]
            assert found[: len(frames)] == frames
            assert len(found) <= len(frames) + (mode == Mode.OFF)
        assert not bench.left["o_weights"].open
        for name in OUTPUTS:
            bench.left[name].frames.clear()
        self._expected.clear()
