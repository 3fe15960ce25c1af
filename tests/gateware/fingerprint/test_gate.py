# SPDX-License-Identifier: Apache-2.0
"""Frames that wait until there is room for their fingerprint."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from amaranth import Module
from amaranth.sim import Simulator

from custodes.fingerprint import Flag, Record
from custodes.model.fingerprint import Fingerprint as Specification
from custodes.table import MAX_FRAME_BYTES, Port
from gateware.fingerprint import Fingerprint, Gate
from gateware.fingerprint.heads import Heads
from gateware.stream import StreamChecker
from tests.gateware.fingerprint.bench import PERIOD_S
from tests.gateware.stream.bench import PAUSES, Frame, Monitor, pack, to_beats

LANES = 8


@pytest.mark.parametrize("stall", PAUSES)
def test_a_fingerprint_behind_a_gate_never_overflows(stall: str):
    frames = [Random(number).randbytes(MAX_FRAME_BYTES - number) for number in range(10)]
    m = Module()
    gate, fingerprint, checker = Gate(LANES), Fingerprint(LANES, Port.WORLD), StreamChecker(LANES)
    m.submodules.gate, m.submodules.fingerprint = gate, fingerprint  # pyright: ignore[reportArgumentType]
    m.submodules.checker = checker  # pyright: ignore[reportArgumentType]
    m.submodules.heads = heads = Heads()  # pyright: ignore[reportArgumentType]
    checker.observe(m, gate.o)
    m.d.comb += [
        fingerprint.head_write.eq(heads.write),
        fingerprint.head_place.eq(heads.place),
        fingerprint.head.eq(heads.word),
        fingerprint.close.eq(heads.close),
        gate.open.eq(fingerprint.room),
        fingerprint.tap.valid.eq(gate.o.valid & gate.o.ready),
        fingerprint.tap.payload.eq(gate.o.payload),
    ]
    left, waited, records = Monitor(LANES), 0, []

    async def testbench(ctx: Any) -> None:
        nonlocal waited
        pause = PAUSES[stall](1)
        for beat in (pack(beat, LANES) for frame in frames for beat in to_beats(Frame(frame), LANES)):
            ctx.set(gate.i.payload.as_value(), beat)
            ctx.set(gate.i.valid, 1)
            taken = False
            while not taken:
                ctx.set(gate.o.ready, not pause())
                taken = ctx.get(gate.i.ready)
                waited += not ctx.get(gate.o.valid)
                if ctx.get(gate.o.valid) and ctx.get(gate.o.ready):
                    left.take(ctx.get(gate.o.payload.as_value()), 0)
                await ctx.tick()
        ctx.set(gate.i.valid, 0)
        assert not ctx.get(gate.o.valid)
        ctx.set(heads.close, 1)
        await ctx.tick()
        ctx.set(heads.close, 0)
        while not ctx.get(fingerprint.count):
            await ctx.tick()
        data = b""
        for at in range(18):
            ctx.set(fingerprint.index, at)
            await ctx.tick()
            data += ctx.get(fingerprint.value).to_bytes(4, "little")
        records.append(Record.decode(data))
        assert not ctx.get(checker.violation)

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(testbench)
    simulator.run()
    assert [frame.data for frame in left.frames] == frames
    specification = Specification(Port.WORLD)
    for frame in frames:
        specification.leave(frame)
    assert records == [specification.close()]
    assert records[0].flags is Flag(0)
    assert waited > sum(map(len, frames)) // 2


def test_a_gate_that_closes_keeps_what_it_has_offered():
    gate = Gate(1)
    m = Module()
    m.submodules.gate = gate  # pyright: ignore[reportArgumentType]

    async def testbench(ctx: Any) -> None:
        async def shown(open: bool, ready: bool, last: bool) -> tuple[bool, bool]:
            ctx.set(gate.open, open)
            ctx.set(gate.o.ready, ready)
            ctx.set(gate.i.payload.last, last)
            found = bool(ctx.get(gate.o.valid)), bool(ctx.get(gate.i.ready))
            await ctx.tick()
            return found

        ctx.set(gate.i.valid, 1)
        assert await shown(open=False, ready=True, last=False) == (False, False)
        assert await shown(open=True, ready=False, last=False) == (True, False)
        assert await shown(open=False, ready=False, last=False) == (True, False)
        assert await shown(open=False, ready=True, last=False) == (True, True)
        assert await shown(open=False, ready=True, last=True) == (True, True)
        assert await shown(open=False, ready=True, last=False) == (False, False)

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(testbench)
    simulator.run()
