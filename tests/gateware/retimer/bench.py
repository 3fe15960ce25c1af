# SPDX-License-Identifier: Apache-2.0
"""A retimer in Amaranth's simulator and the specification, under the same frames in the same cycles."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from amaranth import ClockDomain, Module, ResetSignal, Signal

from custodes.model.retimer import Departure, Retimer
from custodes.retimer import Event, Schedule
from custodes.retimer_registers import EVENTS, schedule_writes
from gateware import retimer as gateware
from gateware.stream import StreamChecker
from tests.gateware.elaborated import Elaborated
from tests.gateware.stream.bench import PERIOD_S, Frame, Monitor, pack, to_beats

STORE_BYTES, FRAMES = 4096, 16
READ_CYCLES, SHOWN_CYCLES = 4, 32
"""Until a register is read, and until an event is counted."""


@dataclass(frozen=True)
class Arrival:
    """A frame whose beats come in these cycles."""

    frame: Frame
    cycles: Sequence[int]


def arrivals(
    frames: Iterable[Frame],
    lanes: int,
    source: random.Random,
    gap: Callable[[], int],
    pause: float = 0.0,
    begin: int = 0,
) -> list[Arrival]:
    """Frames behind one another, ``gap`` cycles before each; a share of ``pause`` of the cycles inside are idle."""
    came, cycle = [], begin
    for frame in frames:
        cycle += gap()
        cycles = []
        for _ in to_beats(frame, lanes):
            while source.random() < pause:
                cycle += 1
            cycles.append(cycle)
            cycle += 1
        came.append(Arrival(frame, cycles))
    return came


@dataclass
class Script:
    """What happens to a retimer.

    Attributes:
        schedules: a schedule, and the cycle in which the first of its registers is written.
        stalls: cycles in which what leaves is not taken.
        before: a device that has run through this, and has been reset then.
    """

    lanes: int
    arrivals: Sequence[Arrival] = ()
    schedules: Sequence[tuple[int, Schedule]] = ()
    key: int = 0
    cycles: int = 0
    stalls: frozenset[int] = frozenset()
    frames: int = FRAMES
    before: Script | None = None


@dataclass
class Run:
    """What came of it: frames that left with the cycle of the first beat, and counters."""

    departures: list[tuple[int, bytes]] = field(default_factory=list)
    counters: dict[Event, int] = field(default_factory=dict)
    registers: dict[int, int] = field(default_factory=dict)


def specified(script: Script) -> tuple[list[Departure], Retimer]:
    """What the specification says, of frames that leave as a whole within the script's cycles."""
    model = Retimer(script.lanes, STORE_BYTES, script.frames)
    model.key = script.key
    for cycle, schedule in script.schedules:
        model.set_schedule(schedule, cycle + len([*schedule_writes(schedule)]) - 1)
    for arrival in script.arrivals:
        model.receive(arrival.frame.data, arrival.cycles[-1], arrival.frame.error)
    return model.advance(script.cycles), model


@dataclass(frozen=True)
class Unit:
    """A retimer with a checker at its output."""

    dut: gateware.Retimer
    check: StreamChecker
    reset: Signal
    elaborated: Elaborated


@cache
def unit(lanes: int, frames: int) -> Unit:
    m, reset = Module(), Signal()
    m.domains.sync = ClockDomain()
    m.d.comb += ResetSignal().eq(reset)
    m.submodules.dut = dut = gateware.Retimer(lanes, STORE_BYTES, frames)
    m.submodules.check = check = StreamChecker(lanes)
    check.observe(m, dut.o)
    return Unit(dut, check, reset, Elaborated(m, PERIOD_S))


def simulate(script: Script, registers: Iterable[int] = ()) -> Run:
    """Run the gateware, then read its counters, and registers."""
    used, run = unit(script.lanes, script.frames), Run()
    dut, check, reset = used.dut, used.check, used.reset

    async def play(ctx: Any, script: Script) -> list[tuple[int, bytes]]:
        beats, writes = _beats(script), _writes(script)
        departures, monitor = [], Monitor(script.lanes)
        begins: int | None = None
        i, o = (dut.i.payload.as_value(), dut.i.valid), (dut.o.payload.as_value(), dut.o.valid, dut.o.ready)
        write = dut.bus.write
        ctx.set(dut.key, script.key)
        for cycle in range(script.cycles):
            ctx.set(i[1], cycle in beats)
            if cycle in beats:
                ctx.set(i[0], beats[cycle])
            ctx.set(write, cycle in writes)
            if cycle in writes:
                ctx.set(dut.bus.address, writes[cycle][0])
                ctx.set(dut.bus.write_data, writes[cycle][1])
            ready = cycle not in script.stalls
            ctx.set(o[2], ready)
            if ctx.get(o[1]):
                begins = cycle if begins is None else begins
                if ready:
                    monitor.take(ctx.get(o[0]), cycle)
                    if not monitor.open:
                        departures.append((begins, monitor.frames[-1].data))
                        begins = None
            await ctx.tick()
        return departures

    async def bench(ctx: Any) -> None:
        if script.before is not None:
            await play(ctx, script.before)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
        run.departures = await play(ctx, script)
        assert not ctx.get(check.violation), f"stream rule broken: {ctx.get(check.code)}"
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.bus.write, 0)
        ctx.set(dut.o.ready, 1)
        await ctx.tick().repeat(SHOWN_CYCLES)
        for register in (*(EVENTS + event for event in Event), *registers):
            ctx.set(dut.bus.address, register)
            await ctx.tick().repeat(READ_CYCLES)
            run.registers[register] = ctx.get(dut.bus.read_data)
        run.counters = {event: run.registers[EVENTS + event] for event in Event}

    used.elaborated.play(bench)
    return run


def _beats(script: Script) -> dict[int, int]:
    """What comes in, by cycle."""
    return {
        cycle: pack(beat, script.lanes)
        for arrival in script.arrivals
        for cycle, beat in zip(arrival.cycles, to_beats(arrival.frame, script.lanes), strict=True)
    }


def _writes(script: Script) -> dict[int, tuple[int, int]]:
    """Writes of registers, by cycle."""
    return {
        cycle + at: write for cycle, schedule in script.schedules for at, write in enumerate(schedule_writes(schedule))
    }


def compare(script: Script) -> tuple[Run, Retimer]:
    """Both must agree, to the cycle, on what leaves, and on what is dropped."""
    run, (departures, model) = simulate(script), specified(script)
    whole = [
        (cycle, frame)
        for cycle, frame, _ in departures
        if cycle + len(to_beats(Frame(frame), script.lanes)) <= script.cycles
    ]
    assert run.departures == whole
    drops = (Event.ERROR, Event.TOO_LONG, Event.FULL)
    assert {event: run.counters[event] for event in drops} == {event: model.counters[event] for event in drops}
    return run, model
