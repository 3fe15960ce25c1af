# SPDX-License-Identifier: Apache-2.0
"""FrameArbiter: frames of two streams, each whole, in turn."""

import pytest
from amaranth import Module
from amaranth.sim import Simulator

from gateware.stream import FrameArbiter, StreamChecker

from .bench import PAUSES, PERIOD_S, Frame, Monitor, Pause, never, pack, random_frames, to_beats


def merged(lanes: int, queues: list[list[Frame]], idle: list[Pause], stall: Pause) -> Monitor:
    """What comes out, once all of it has."""
    m = Module()
    m.submodules.dut = dut = FrameArbiter(lanes)
    m.submodules.checker = checker = StreamChecker(lanes)
    checker.observe(m, dut.o)
    monitor = Monitor(lanes)

    async def bench(ctx):
        inputs = (dut.i_first, dut.i_second)
        waiting = [[pack(beat, lanes) for frame in queue for beat in to_beats(frame, lanes)] for queue in queues]
        offering = [False, False]
        total = sum(map(len, queues))
        for cycle in range(20_000):
            for at, port in enumerate(inputs):
                offering[at] = offering[at] or bool(waiting[at] and not idle[at]())
                if offering[at]:
                    ctx.set(port.payload.as_value(), waiting[at][0])
                ctx.set(port.valid, offering[at])
            ctx.set(dut.o.ready, not stall())
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                monitor.take(ctx.get(dut.o.payload.as_value()), cycle)
            for at, port in enumerate(inputs):
                if offering[at] and ctx.get(port.ready):
                    waiting[at].pop(0)
                    offering[at] = False
            await ctx.tick()
            if len(monitor.frames) == total:
                break
        assert not ctx.get(checker.violation)

    simulator = Simulator(m)
    simulator.add_clock(PERIOD_S)
    simulator.add_testbench(bench)
    simulator.run()
    return monitor


@pytest.mark.parametrize("stall", PAUSES)
@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_each_stream_keeps_its_frames_whole_and_in_order(lanes: int, idle: str, stall: str):
    first, second = (
        [Frame(bytes([mark]) + frame.data, frame.error) for frame in random_frames(mark, 8, 3 * lanes)]
        for mark in (1, 2)
    )
    out = merged(lanes, [first, second], [PAUSES[idle](1), PAUSES[idle](2)], PAUSES[stall](3)).frames
    assert [frame for frame in out if frame.data[0] == 1] == first
    assert [frame for frame in out if frame.data[0] == 2] == second


def test_streams_that_both_wait_take_turns():
    out = merged(1, [[Frame(b"\1ab")] * 4, [Frame(b"\2cd")] * 4], [never, never], never)
    assert [frame.data[0] for frame in out.frames] == [1, 2] * 4
    assert out.cycles == list(range(24))


def test_a_stream_alone_loses_a_cycle_per_frame_at_most():
    out = merged(1, [[], [Frame(b"\2cd")] * 4], [never, never], never)
    assert out.cycles[-1] - out.cycles[0] <= 4 * 3 + 3
