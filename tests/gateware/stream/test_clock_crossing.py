# SPDX-License-Identifier: Apache-2.0
"""ClockCrossing: every beat once and in order, whichever clock is the faster."""

import pytest
from amaranth import ClockDomain, DomainRenamer, Module
from amaranth.sim import Simulator

from gateware.stream import ClockCrossing, StreamChecker

from .bench import PAUSES, Frame, Monitor, Pause, never, pack, random_frames, refusal, to_beats

CLOCKS = {"faster input": (8e-9, 6.4e-9 * 3), "faster output": (6.4e-9 * 3, 8e-9), "close": (8e-9, 8.1e-9)}


def cross(
    lanes: int, depth: int, frames: list[Frame], periods: tuple[float, float], idle: Pause = never, stall: Pause = never
) -> Monitor:
    m = Module()
    m.domains.a = ClockDomain(local=True)
    m.domains.b = ClockDomain(local=True)
    m.submodules.dut = dut = ClockCrossing(lanes, depth, i_domain="a", o_domain="b")
    checkers = []
    for domain, port in (("a", dut.i), ("b", dut.o)):
        checker = StreamChecker(lanes)
        checker.observe(m, port)
        checkers.append(checker)
        m.submodules[f"check_{domain}"] = DomainRenamer(domain)(checker)
    beats = [pack(beat, lanes) for frame in frames for beat in to_beats(frame, lanes)]
    taken = Monitor(lanes)

    async def drive(ctx):
        for beat in beats:
            while idle():
                ctx.set(dut.i.valid, 0)
                await ctx.tick("a")
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload.as_value(), beat)
            await ctx.tick("a").until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def take(ctx):
        cycle = quiet = 0
        while quiet < 40 or len(taken.beats) < len(beats):
            ctx.set(dut.o.ready, not stall())
            _, _, valid, ready, payload = await ctx.tick("b").sample(dut.o.valid, dut.o.ready, dut.o.payload.as_value())
            quiet = 0 if valid else quiet + 1
            assert quiet < 400, "beats were lost"
            if valid and ready:
                taken.take(payload, cycle)
            cycle += 1
        for checker in checkers:
            assert not ctx.get(checker.violation)

    simulator = Simulator(m)
    simulator.add_clock(periods[0], domain="a")
    simulator.add_clock(periods[1], domain="b")
    simulator.add_testbench(drive)
    simulator.add_testbench(take)
    simulator.run()
    return taken


@pytest.mark.parametrize("clocks", CLOCKS)
@pytest.mark.parametrize("stall", PAUSES)
@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_carries_every_frame_in_order(lanes: int, idle: str, stall: str, clocks: str) -> None:
    frames = random_frames(lanes, 10, 5 * lanes, error_share=0.3)
    taken = cross(lanes, 16, frames, CLOCKS[clocks], PAUSES[idle](1), PAUSES[stall](2))
    assert taken.frames == frames
    assert not taken.open


@pytest.mark.parametrize("depth", [16, 512])
def test_moves_one_beat_per_cycle_of_the_slower_clock(depth: int) -> None:
    frames = [Frame(bytes(100))]
    taken = cross(1, depth, frames, CLOCKS["faster input"])
    assert taken.cycles == list(range(taken.cycles[0], taken.cycles[0] + 100))


@pytest.mark.parametrize("depth", [0, 1, 3, 513])
def test_refuses_a_depth_that_is_not_a_power_of_two(depth: int) -> None:
    assert "power of two" in refusal(lambda: ClockCrossing(1, depth, i_domain="a", o_domain="b"))
