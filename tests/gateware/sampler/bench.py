# SPDX-License-Identifier: Apache-2.0
"""A `Sampler` in Amaranth's simulator beside its specification: first what happens is told to the specification, and then
it happens to the gateware, which must do the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from amaranth import ClockDomain, Module, ResetSignal, Signal

from custodes.gateway_formats import RECORD_WORDS, Record
from custodes.gateway_registers import SAMPLER_BLOCK
from custodes.model import sampler as model
from gateware.sampler import Sampler
from gateware.sampler.layouts import PIECE_LANES
from gateware.stream import StreamChecker
from tests.gateware.elaborated import Script, Tested
from tests.gateware.engine import give_engine
from tests.gateware.stream.bench import Frame, Monitor, Pause, never, pack, to_beats
from tests.host.sampler_traffic import MACS

PERIOD_S = 1e-8
FLOWS, SLOTS, SLOT_BYTES = 4, 4, 2048
READ_CYCLES = 4
PASS_CYCLES = 120
"""After a frame has been sent, until it has left, or never will, besides a cycle for each word."""
PATIENCE_CYCLES = 20_000
INPUTS = ("i_world", "i_server")
OUTPUTS = ("o_server", "o_world", "o_samples")


class Specification(model.Sampler):
    """One that remembers what happened, for `Bench.play`."""

    def __init__(self, flows: int = FLOWS, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        super().__init__(flows, slots, slot_bytes, MACS)
        self.happened: list[tuple[Any, ...]] = []

    def _then(self, *what: Any) -> None:
        self.happened.append((*what, self.flows, self.slots, dict(self.counts)))

    def frame(self, from_server: bool, frame: bytes) -> bytes | None:
        passed = super().frame(from_server, frame)
        self._then("frame", from_server, frame, passed is not None)
        return passed

    def epoch(self, key: bytes, threshold: int) -> None:
        super().epoch(key, threshold)
        self._then("epoch", key, threshold)

    def tick(self) -> None:
        super().tick()
        self._then("tick")

    def stall(self) -> None:
        super().stall()
        self._then("stall")

    def release(self, pairs: int | None = None) -> None:
        super().release(pairs)
        self._then("release")


class Unit(Tested):
    """A sampler with an engine, and checkers at its ports."""

    def __init__(self, lanes: int, flows: int, slots: int, slot_bytes: int) -> None:
        super().__init__(PERIOD_S)
        self.lanes = lanes
        self.dut = Sampler(lanes, flows, slots, slot_bytes)
        self.reset = Signal()
        self.checkers: list[tuple[str, StreamChecker]] = []

    def module(self, fragment: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += ResetSignal().eq(self.reset)
        m.submodules.dut = self.dut if fragment is None else fragment
        give_engine(m, self.dut)
        for name in (*INPUTS, *OUTPUTS):
            m.submodules[f"check_{name}"] = checker = StreamChecker(self.lanes)
            checker.observe(m, getattr(self.dut, name))
            self.checkers.append((name, checker))
        return m


shared_unit = cache(Unit)


class Bench:
    """Drives the unit cycle by cycle.

    Args:
        own: the unit is no other bench's: for who looks into it.

    Members:
        outputs: what has left, by port.
        words: that are drawn for keys.
        idle, pause: of the inputs and outputs; ``held``: outputs that take nothing.
    """

    def __init__(
        self,
        lanes: int = 1,
        flows: int = FLOWS,
        slots: int = SLOTS,
        slot_bytes: int = SLOT_BYTES,
        own: bool = False,
    ) -> None:
        self._unit = (Unit if own else shared_unit)(lanes, flows, slots, slot_bytes)
        self.dut, self.reset = self._unit.dut, self._unit.reset
        self.lanes = lanes
        self.idle: Pause = never
        self.pause: Pause = never
        self.held: set[str] = set()
        self.now = 0
        self.sent: dict[str, list[int]] = {}
        ports = {name: getattr(self.dut, name) for name in (*INPUTS, *OUTPUTS)}
        self._ports = {name: (port.payload.as_value(), port.valid, port.ready) for name, port in ports.items()}
        self._random = self.dut.random.payload, self.dut.random.valid, self.dut.random.ready
        self.clear()

    def clear(self) -> None:
        self.sent = {name: [] for name in INPUTS}
        self.words: list[int] = []
        self._offers = dict.fromkeys(INPUTS, False)
        self.outputs = {name: Monitor(self.lanes) for name in OUTPUTS}

    def send(self, from_server: bool, frame: bytes) -> None:
        beats = [pack(beat, self.lanes) for beat in to_beats(Frame(frame), self.lanes)]
        self.sent[INPUTS[from_server]] += beats

    async def cycle(self, ctx: Any) -> None:
        moved = []
        for name in INPUTS:
            payload, valid, ready = self._ports[name]
            beats = self.sent[name]
            if not self._offers[name] and beats and not self.idle():
                self._offers[name] = True
                ctx.set(payload, beats[0])
                ctx.set(valid, 1)
            if self._offers[name] and ctx.get(ready):
                moved.append(name)
        payload, valid, ready = self._random
        ctx.set(valid, bool(self.words))
        if self.words:
            ctx.set(payload, self.words[0])
            if ctx.get(ready):
                moved.append("random")
        for name in OUTPUTS:
            payload, valid, ready = self._ports[name]
            takes = not self.pause() and name not in self.held
            ctx.set(ready, takes)
            if takes and ctx.get(valid):
                self.outputs[name].take(ctx.get(payload), self.now)
        await ctx.tick()
        self.now += 1
        if "random" in moved:
            moved.remove("random")
            self.words.pop(0)
        for name in moved:
            self.sent[name].pop(0)
            self._offers[name] = False
            ctx.set(self._ports[name][1], 0)

    async def cycles(self, ctx: Any, count: int) -> None:
        for _ in range(count):
            await self.cycle(ctx)

    async def until(self, ctx: Any, what: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_CYCLES):
            if what():
                return
            await self.cycle(ctx)
        raise AssertionError("it does not come")

    async def write(self, ctx: Any, name: str, value: int, index: int = 0) -> None:
        bus = self.dut.bus
        ctx.set(bus.address, SAMPLER_BLOCK[name].offset + index)
        ctx.set(bus.write_data, value)
        ctx.set(bus.write, 1)
        await self.cycle(ctx)
        ctx.set(bus.write, 0)

    async def read(self, ctx: Any, name: str, index: int = 0) -> int:
        ctx.set(self.dut.bus.address, SAMPLER_BLOCK[name].offset + index)
        await self.cycles(ctx, READ_CYCLES)
        return ctx.get(self.dut.bus.read_data)

    async def state(self, ctx: Any, field: str) -> int:
        return SAMPLER_BLOCK["SAMPLER_STATE"].field(field).of(await self.read(ctx, "SAMPLER_STATE"))

    async def set_up(self, ctx: Any) -> None:
        await self.settled(ctx, 0, 0)
        for name, mac in zip(("RECOMPUTER_MAC", "SAMPLER_MAC"), MACS, strict=True):
            await self.write(ctx, name, int.from_bytes(mac[:4]))
            await self.write(ctx, name, int.from_bytes(mac[4:]) << 16, 1)
        await self.write(ctx, "AGE_CYCLES", 0)

    async def order(self, ctx: Any, key: bytes, threshold: int) -> None:
        self.words += [int.from_bytes(key[at : at + 4]) for at in range(0, len(key), 4)]
        await self.write(ctx, "THRESHOLD", threshold & 0xFFFFFFFF)
        await self.write(ctx, "THRESHOLD", threshold >> 32, 1)
        await self.write(ctx, "SAMPLER_COMMAND", 1)

    async def settled(self, ctx: Any, flows: int, slots: int) -> None:
        """Wait until there are so many connections and pairs, and no epoch is ended or begun."""
        fields = SAMPLER_BLOCK["SAMPLER_STATE"]
        found = {}
        for _ in range(PATIENCE_CYCLES // READ_CYCLES):
            state = await self.read(ctx, "SAMPLER_STATE")
            found = {name: fields.field(name).of(state) for name in ("FLOWS", "SLOTS", "BUSY")}
            if found == {"FLOWS": flows, "SLOTS": slots, "BUSY": 0}:
                return
        raise AssertionError(f"{found}, not {flows} connections and {slots} pairs")

    async def play(self, ctx: Any, happened: list[tuple[Any, ...]]) -> None:
        """What has happened to the specification, a thing at a time, with the same effect; counts that it changes are read
        after it, and all at last."""
        shown: dict[Record, int] = {}
        for number, (what, *about, flows, slots, counts) in enumerate(happened, 1):
            if what == "frame":
                from_server, frame, passes = about
                await self._passes(ctx, from_server, frame, passes)
            elif what == "epoch":
                await self.order(ctx, *about)
            elif what == "tick":
                await self.tick(ctx)
            else:
                self.held = {"o_samples"} if what == "stall" else set()
            await self.settled(ctx, flows, slots)
            changed = {word: count for word, count in counts.items() if count != shown.get(word)}
            shown = counts
            for word, count in (counts if number == len(happened) else changed).items():
                assert (found := await self.read(ctx, "COUNTS", word - Record.PAIRS)) == count, (what, word.name, found)

    async def tick(self, ctx: Any) -> None:
        await self.write(ctx, "AGE_CYCLES", 16)
        await self.cycles(ctx, 20)
        await self.write(ctx, "AGE_CYCLES", 0)
        await self.cycles(ctx, 20 * self.dut.flows)

    async def _passes(self, ctx: Any, from_server: bool, frame: bytes, passes: bool) -> None:
        here, there = INPUTS[from_server], self.outputs[OUTPUTS[from_server]]
        before = len(there.frames)
        self.send(from_server, frame)
        await self.until(ctx, lambda: not self.sent[here])
        if passes:
            await self.until(ctx, lambda: len(there.frames) > before)
            assert there.frames[-1].data == frame
        else:
            await self.cycles(ctx, PASS_CYCLES + len(frame) // PIECE_LANES)
            assert len(there.frames) == before and not there.open

    async def agrees(self, ctx: Any, specification: model.Sampler) -> None:
        """What the registers show, and what has gone to the recomputer."""
        commitment = b"".join([(await self.read(ctx, "COMMITMENT", at)).to_bytes(4, "little") for at in range(8)])
        assert commitment.hex() == specification.commitment.hex()
        assert await self.read(ctx, "EPOCH") == specification.epoch_number
        if specification.record:
            record = b"".join([(await self.read(ctx, "RECORD", at)).to_bytes(4) for at in range(RECORD_WORDS)])
            assert record == specification.record
        assert [frame.data for frame in self.outputs["o_samples"].frames] == specification.emitted

    def run(self, script: Script, fragment: Any = None) -> None:
        async def testbench(ctx: Any) -> None:
            await self.set_up(ctx)
            await script(ctx)
            for name, checker in self._unit.checkers:
                assert not ctx.get(checker.violation), f"{name}: {ctx.get(checker.code)}"

        self._unit.play(testbench, fragment)

    def follow(self, specification: Specification) -> None:
        """Do what has happened to it, and compare at last."""

        async def script(ctx: Any) -> None:
            await self.play(ctx, specification.happened)
            await self.agrees(ctx, specification)
            assert not any(output.open for output in self.outputs.values())

        self.run(script)
