# SPDX-License-Identifier: Apache-2.0
"""A `Fingerprint` in Amaranth's simulator beside its specification: both see what leaves and when beats come."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from typing import Any

from amaranth import ClockDomain, Module, ResetSignal, Signal

from custodes.fingerprint import RECORD_WORDS, Flag, Record
from custodes.model import fingerprint as model
from custodes.table import Port
from gateware.fingerprint import Fingerprint
from gateware.fingerprint.heads import HEAD_WORDS, Heads
from tests.gateware.elaborated import Elaborated
from tests.gateware.stream.bench import Frame, pack, to_beats

PERIOD_S = 1e-8
VERDICT_CYCLES = 2
"""After the last beat of a frame, whether there was room for it."""
HEAD_CYCLES = VERDICT_CYCLES + HEAD_WORDS
"""After a beat, until the head of its record has been written."""
PATIENCE_CYCLES = 8000


@dataclass(frozen=True)
class Unit:
    """What makes records, and what writes their heads."""

    dut: Fingerprint
    heads: Heads
    reset: Signal
    elaborated: Elaborated


@cache
def unit(lanes: int, direction: Port, store_bytes: int) -> Unit:
    m, reset = Module(), Signal()
    m.domains.sync = ClockDomain()
    m.d.comb += ResetSignal().eq(reset)
    m.submodules.dut = dut = Fingerprint(lanes, direction, store_bytes)
    m.submodules.heads = heads = Heads()  # pyright: ignore[reportArgumentType]
    m.d.comb += [dut.head_write.eq(heads.write), dut.head_place.eq(heads.place), dut.head.eq(heads.word)]
    return Unit(dut, heads, reset, Elaborated(m, PERIOD_S))


class Bench:
    """Drives the unit cycle by cycle.

    Members:
        expected: a record per beat, by the specification.
        flags: of records, by their beat, that do not come of what leaves.
    """

    def __init__(self, lanes: int, direction: Port = Port.CLUSTER, store_bytes: int = 4096) -> None:
        self._unit = unit(lanes, direction, store_bytes)
        self.dut, self.heads, self.reset = self._unit.dut, self._unit.heads, self._unit.reset
        self.lanes = lanes
        self.direction = direction
        self.flags: dict[int, Flag] = {}
        self.begin()

    def begin(self) -> None:
        """The specification of a device that has been reset."""
        self.specification = model.Fingerprint(self.direction)
        self.expected: list[Record] = []
        self._happened: list[tuple[int, str, bytes]] = []
        self._cycle = 0
        self._partial = b""
        self._entered = 0
        self._fields = {"epoch": 0, "words": 0, "ticks": 0}

    async def cycle(self, ctx: Any, beat: int | None = None, close: bool = False, entered: bool = False) -> None:
        """One cycle. ``beat``: of a frame, packed, that is transferred."""
        dut = self.dut
        ctx.set(dut.tap.valid, beat is not None)
        ctx.set(dut.tap.payload.as_value(), 0 if beat is None else beat)
        ctx.set(dut.close, close)
        ctx.set(self.heads.close, close)
        ctx.set(dut.entered, entered)
        if ctx.get(dut.overflow):
            self._verdict("dropped")
        if close:
            # What ends in this very cycle comes after it.
            self._happened.append((self._cycle, "close", b""))
        if entered:
            self._happened.append((self._cycle, "entered", b""))
        if beat is not None:
            data = (beat & (1 << 8 * self.lanes) - 1).to_bytes(self.lanes, "little")
            self._partial += data[: (beat >> 8 * self.lanes & (1 << self.lanes) - 1).bit_count()]
            if beat >> 9 * self.lanes & 1:
                self._happened.append((self._cycle, "left", self._partial))
                self._partial = b""
        await ctx.tick()
        self._cycle += 1
        while self._happened and self._happened[0][0] < self._cycle - VERDICT_CYCLES:
            self._apply(*self._happened.pop(0)[1:])

    def _verdict(self, what: str) -> None:
        """Of the frame that ended `VERDICT_CYCLES` ago."""
        at = self._cycle - VERDICT_CYCLES
        self._happened = [
            (cycle, what if (cycle, kind) == (at, "left") else kind, data) for cycle, kind, data in self._happened
        ]

    def _apply(self, what: str, frame: bytes) -> None:
        if what == "close":
            flags = self.flags.get(self.specification.beat, Flag(0))
            record = self.specification.close(frames_in=self._entered, flags=flags, **self._fields)
            self.expected.append(record)
            self._entered = 0
        elif what == "entered":
            self._entered += 1
        elif what == "left":
            self.specification.leave(frame)
        else:
            self.specification.overflow()

    def fields(self, ctx: Any, **fields: int) -> None:
        """Set ``epoch``, ``words`` and ``ticks``; not within `HEAD_CYCLES` after a beat."""
        self._fields |= fields
        ports = {"epoch": self.heads.epoch, "words": self.dut.words, "ticks": self.heads.ticks}
        for name, value in fields.items():
            ctx.set(ports[name], value)

    async def send(self, ctx: Any, frame: bytes, idle: Callable[[], bool] = lambda: False) -> None:
        for beat in self.beats(frame):
            while idle():
                await self.cycle(ctx)
            await self.cycle(ctx, beat)

    def beats(self, frame: bytes) -> list[int]:
        return [pack(beat, self.lanes) for beat in to_beats(Frame(frame), self.lanes)]

    async def rest(self, ctx: Any, cycles: int) -> None:
        for _ in range(cycles):
            await self.cycle(ctx)

    async def records(self, ctx: Any, count: int) -> list[Record]:
        """Wait for so many records, and take them."""
        for _ in range(PATIENCE_CYCLES):
            if ctx.get(self.dut.count) >= count:
                break
            await self.cycle(ctx)
        return [await self.take(ctx) for _ in range(count)]

    async def take(self, ctx: Any) -> Record:
        """The oldest record there is."""
        assert ctx.get(self.dut.count)
        data = b""
        for at in range(RECORD_WORDS):
            ctx.set(self.dut.index, at)
            await self.cycle(ctx)
            data += ctx.get(self.dut.value).to_bytes(4, "little")
        ctx.set(self.dut.take, 1)
        await self.cycle(ctx)
        ctx.set(self.dut.take, 0)
        return Record.decode(data)

    def run(self, testbench: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        self._unit.elaborated.play(testbench)
