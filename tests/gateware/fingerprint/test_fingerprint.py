# SPDX-License-Identifier: Apache-2.0
"""Records of the gateware against the specification: pauses, beats inside frames, idle beats, overflow, reset."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from amaranth import Module
from amaranth.sim import Simulator

from custodes.fingerprint import DEFAULT_BEAT_CYCLES, MIN_BEAT_CYCLES, NO_CHAIN, Flag
from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES, Port
from gateware.fingerprint import Beats
from gateware.fingerprint.absorber import MARKS
from gateware.fingerprint.ledger import SLOTS
from tests.gateware.fingerprint.bench import PERIOD_S, Bench
from tests.gateware.stream.bench import PAUSES

LANES = pytest.mark.parametrize("lanes", [1, 8, 64])
WIRE_BYTES = 24
"""Between two frames at least: FCS, gap, preamble."""


def frames(seed: int, count: int, most: int = 200) -> list[bytes]:
    random = Random(seed)
    return [random.randbytes(random.randrange(MIN_FRAME_BYTES, most)) for _ in range(count)]


@LANES
@pytest.mark.parametrize("pauses", PAUSES)
def test_chains_what_leaves(lanes: int, pauses: str):
    bench = Bench(lanes, Port.WORLD)

    async def testbench(ctx: Any) -> None:
        for number in range(3):
            bench.fields(ctx, epoch=1 << 40 | number, words=7 * number, ticks=9 * number)
            for at, frame in enumerate(frames(number, 3)):
                await bench.cycle(ctx, entered=at > number)
                await bench.send(ctx, frame, PAUSES[pauses](at))
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert [record.frames_out for record in bench.expected] == [3, 3, 3]
    assert [record.frames_in for record in bench.expected] == [2, 1, 0]
    assert not any(record.flags for record in bench.expected)


@pytest.mark.parametrize("first", range(0, 64, 16))
def test_pads_a_message_of_any_length(first: int):
    bench = Bench(8)

    async def testbench(ctx: Any) -> None:
        for length in range(first + 1, first + 17):
            await bench.send(ctx, Random(length).randbytes(length))
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert len(bench.expected) == 16


@LANES
def test_a_beat_in_any_cycle_of_a_frame_leaves_that_frame_to_the_next_record(lanes: int):
    bench = Bench(lanes)
    length = -(-MIN_FRAME_BYTES // lanes)

    async def testbench(ctx: Any) -> None:
        for at in range(0, 3 * length, max(1, length // 3)):
            for cycle, beat in enumerate(beat for frame in frames(at, 3, 61) for beat in bench.beats(frame)):
                await bench.cycle(ctx, beat, close=cycle == at)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert {0, 4} <= {record.frames_out for record in bench.expected}


@LANES
def test_the_cycle_of_a_beat_and_of_a_last_beat_around_each_other(lanes: int):
    bench = Bench(lanes)

    async def testbench(ctx: Any) -> None:
        for offset in range(-3, 4):
            beats = bench.beats(bytes([offset & 255]) * MIN_FRAME_BYTES)
            await bench.rest(ctx, 4)
            for cycle in range(len(beats) + 8):
                beat = beats[cycle - 4] if 0 <= cycle - 4 < len(beats) else None
                await bench.cycle(ctx, beat, close=cycle - 4 == len(beats) - 1 + offset)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    # The frame of the offset 0 is counted one record later, beside that of the offset 1.
    assert [record.frames_out for record in bench.expected] == [0, 1, 1, 1, 2, 1, 1]


def test_a_beat_without_frames_makes_a_record():
    bench = Bench(1)

    async def testbench(ctx: Any) -> None:
        for number in range(4):
            bench.fields(ctx, ticks=number)
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert [(record.beat, record.frames_out) for record in bench.expected] == [(at, 0) for at in range(4)]
    assert len({record.chain for record in bench.expected}) == 4


def test_what_has_no_room_is_said_in_its_record_and_nowhere_else():
    bench = Bench(8)

    async def testbench(ctx: Any) -> None:
        for count in (1, 5, 2, 6, 0, 1):
            for frame in range(count):
                await bench.send(ctx, bytes([count, frame]) * (MAX_FRAME_BYTES // 2))
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    overflow = Flag.OVERFLOW
    assert [record.flags for record in bench.expected] == [Flag(0), overflow, Flag(0), overflow, Flag(0), Flag(0)]
    assert [record.frames_out for record in bench.expected] == [1, 5, 2, 6, 0, 1]


@pytest.mark.parametrize("size", [4096, 4097, 9000])
def test_a_frame_that_is_longer_than_the_store_is_an_overflow(size: int):
    bench = Bench(8)

    async def testbench(ctx: Any) -> None:
        for length in (60, size, 70):
            await bench.send(ctx, bytes(length))
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]
        await bench.rest(ctx, 2)
        assert ctx.get(bench.dut.room)

    bench.run(testbench)
    assert [record.flags for record in bench.expected] == [Flag(0), Flag.OVERFLOW if size > 4096 else Flag(0), Flag(0)]


def test_more_short_frames_than_can_be_remembered_are_an_overflow():
    bench = Bench(64)

    async def testbench(ctx: Any) -> None:
        for frame in range(2 * MARKS):
            await bench.send(ctx, bytes([frame]))
        await bench.cycle(ctx, close=True)
        assert await bench.records(ctx, 1) == bench.expected[-1:]
        await bench.send(ctx, b"next")
        await bench.cycle(ctx, close=True)
        assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert [record.flags for record in bench.expected] == [Flag.OVERFLOW, Flag(0)]
    assert bench.expected[0].frames_out == 2 * MARKS


@pytest.mark.parametrize("size", [MIN_FRAME_BYTES, 61, 300, 1400])
def test_line_rate_at_one_lane_never_overflows(size: int):
    bench = Bench(1)
    bytes_sent = 12_000

    async def testbench(ctx: Any) -> None:
        for number in range(bytes_sent // size):
            await bench.send(ctx, Random(number).randbytes(size))
            await bench.rest(ctx, WIRE_BYTES)
            assert ctx.get(bench.dut.room)
        await bench.cycle(ctx, close=True)
        # What waited is digested in less than a store at the rate of the engine, and the record is made.
        assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert bench.expected[0].flags is Flag(0)


def test_there_is_room_for_a_longest_frame_wherever_it_says_so():
    bench = Bench(8)
    waited: list[bool] = []

    async def testbench(ctx: Any) -> None:
        for number in range(12):
            while not ctx.get(bench.dut.room):
                waited.append(True)
                await bench.cycle(ctx)
            await bench.send(ctx, bytes([number]) * MAX_FRAME_BYTES)
        await bench.cycle(ctx, close=True)
        assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert bench.expected[0].flags is Flag(0) and bench.expected[0].frames_out == 12
    assert waited


def test_records_that_nobody_takes_are_lost_and_said_to_be():
    bench = Bench(1)
    bench.flags = dict.fromkeys(range(SLOTS, SLOTS + 3), Flag.LOST)
    lost: list[int] = []

    async def testbench(ctx: Any) -> None:
        for number in range(SLOTS + 2):
            await bench.send(ctx, bytes([number]) * MIN_FRAME_BYTES)
            await bench.cycle(ctx, close=True)
            for _ in range(700):
                if ctx.get(bench.dut.lost):
                    lost.append(number)
                await bench.cycle(ctx)
        found = await bench.records(ctx, SLOTS - 1)
        assert found == bench.expected[: SLOTS - 1]
        assert ctx.get(bench.dut.count) == 0
        for _ in range(2):
            await bench.send(ctx, b"after")
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert lost == [SLOTS - 1, SLOTS, SLOTS + 1]
    assert [record.flags for record in bench.expected[-3:]] == [Flag.LOST, Flag.LOST, Flag(0)]


@pytest.mark.parametrize("cycles", [0, 3, 40, 66, 100, 150, 250, 400, 500])
def test_a_reset_begins_a_new_chain(cycles: int):
    bench = Bench(8)

    async def testbench(ctx: Any) -> None:
        await bench.send(ctx, bytes(100))
        await bench.cycle(ctx, close=True)
        await bench.records(ctx, 1)
        await bench.send(ctx, b"lost" * 20)
        await bench.cycle(ctx, bench.beats(b"in the middle")[0], close=True)
        await bench.rest(ctx, cycles)
        ctx.set(bench.reset, 1)
        await bench.cycle(ctx)
        ctx.set(bench.reset, 0)
        assert ctx.get(bench.dut.count) == 0
        bench.begin()
        for frame in (b"one", b"two"):
            await bench.send(ctx, frame * 20)
            await bench.cycle(ctx, close=True)
            assert await bench.records(ctx, 1) == bench.expected[-1:]

    bench.run(testbench)
    assert [record.beat for record in bench.expected] == [0, 1]
    assert bench.expected[0].chain != NO_CHAIN


def beating(writes: dict[int, int], cycles: int) -> list[int]:
    """In which cycles beats come; ``writes``: cycle -> what is written then. After reset they are far apart."""
    m = Module()
    m.submodules.beats = beats = Beats()  # pyright: ignore[reportArgumentType]
    closes: list[int] = []

    async def testbench(ctx: Any) -> None:
        assert ctx.get(beats.cycles) == DEFAULT_BEAT_CYCLES
        for cycle in range(cycles):
            if ctx.get(beats.close):
                closes.append(cycle)
            ctx.set(beats.write, cycle in writes)
            ctx.set(beats.i_cycles, writes.get(cycle, 0))
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(testbench)
    simulator.run()
    return closes


def test_beats_come_as_often_as_is_written_but_not_too_often():
    first = 10 + 1 + MIN_BEAT_CYCLES
    second = first + MIN_BEAT_CYCLES
    third = second + MIN_BEAT_CYCLES + 50
    # The second write makes them longer, from the next one on; the third is as the first.
    writes = {10: 7, first + 100: MIN_BEAT_CYCLES + 50, third - 10: MIN_BEAT_CYCLES}
    assert beating(writes, third + 100) == [first, second, third]
