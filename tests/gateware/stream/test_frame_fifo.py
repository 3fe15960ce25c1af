# SPDX-License-Identifier: Apache-2.0
"""FrameFIFO: whole good frames, in order; the rest dropped and reported."""

import pytest

from gateware.stream import FrameFIFO

from .bench import PAUSES, Bench, Frame, random_frames, refusal

LANES = (1, 8, 64)
LATENCY_CYCLES = 4


def bench_of(lanes: int, depth: int) -> Bench:
    return Bench(FrameFIFO(lanes, depth), lanes, lanes)


@pytest.mark.parametrize("stall", PAUSES)
@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize("lanes", LANES)
def test_forwards_good_frames_in_order_and_drops_those_with_error(lanes: int, idle: str, stall: str) -> None:
    frames = random_frames(lanes, 20, 4 * lanes + 2, error_share=0.3)
    bench = bench_of(lanes, 128)
    bench.run(frames, PAUSES[idle](1), PAUSES[stall](2))
    good = [frame for frame in frames if not frame.error]
    assert bench.o.frames == good
    assert len(bench.pulses["dropped_error"]) == len(frames) - len(good)
    assert bench.pulses["dropped_overflow"] == []


@pytest.mark.parametrize("stall", ["often", "bursts"])
@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize("lanes", LANES)
def test_every_frame_leaves_whole_or_is_counted_as_dropped(lanes: int, idle: str, stall: str) -> None:
    frames = random_frames(lanes + 1, 40, 7 * lanes, error_share=0.2)
    bench = bench_of(lanes, 8)
    bench.run(frames, PAUSES[idle](3), PAUSES[stall](4))
    dropped = len(bench.pulses["dropped_error"]) + len(bench.pulses["dropped_overflow"])
    assert bench.pulses["dropped_overflow"], "the case does not overflow"
    assert len(bench.o.frames) + dropped == len(frames)
    remaining = iter(frames)
    assert all(any(frame == sent for sent in remaining) for frame in bench.o.frames)
    assert len(bench.i.cycles) == sum(-(-len(frame.data) // lanes) for frame in frames)


@pytest.mark.parametrize("lanes", LANES)
def test_single_beat_frames_pass_at_one_per_cycle(lanes: int) -> None:
    frames = [Frame(bytes([number]) * lanes) for number in range(60)]
    bench = bench_of(lanes, 16)
    bench.run(frames)
    assert bench.i.cycles == list(range(60))
    assert bench.o.cycles == list(range(LATENCY_CYCLES, LATENCY_CYCLES + 60))
    assert bench.o.frames == frames


def test_frames_back_to_back_pass_at_one_beat_per_cycle() -> None:
    frames = [Frame(bytes([number]) * 7) for number in range(12)]
    bench = bench_of(1, 16)
    bench.run(frames)
    first = 6 + LATENCY_CYCLES
    assert bench.i.cycles == list(range(84))
    assert bench.o.cycles == list(range(first, first + 84))


def test_nothing_leaves_before_the_last_beat_is_in() -> None:
    bench = bench_of(1, 16)
    bench.run([Frame(bytes(10))], PAUSES["often"](9))
    assert bench.o.cycles[0] == bench.i.cycles[-1] + LATENCY_CYCLES


@pytest.mark.parametrize("beats", [1, 7, 8])
def test_an_empty_store_takes_any_frame_up_to_its_depth(beats: int) -> None:
    bench = bench_of(1, 8)
    bench.run([Frame(bytes(range(beats)))])
    assert bench.o.frames == [Frame(bytes(range(beats)))]


@pytest.mark.parametrize("error", [False, True])
@pytest.mark.parametrize("beats", [9, 16, 17, 40])
def test_oversize_frame_is_dropped_whole_and_counted_once(beats: int, error: bool) -> None:
    before, after = Frame(b"before"), Frame(b"after")
    bench = bench_of(1, 8)
    # the first frame has left by the time the long one fills the store
    bench.run([before, Frame(bytes(beats), error), after])
    assert bench.o.frames == [before, after]
    assert len(bench.pulses["dropped_overflow"]) == 1
    assert bench.pulses["dropped_error"] == []


def test_overflow_drops_the_whole_frame_and_keeps_those_before_it() -> None:
    frames = [Frame(bytes([number]) * 4) for number in range(6)]
    bench = bench_of(1, 8)
    stalled = iter([True] * 40)
    bench.run(frames, stall=lambda: next(stalled, False), settle=60)
    # 8 beats in the store and 2 in the read pipeline: two whole frames, the third met no room
    assert bench.o.frames == frames[:2]
    assert len(bench.pulses["dropped_overflow"]) == 4


def test_store_recovers_after_overflow() -> None:
    frames = [Frame(bytes([number]) * 4) for number in range(30)]
    bench = bench_of(1, 8)
    stalled = iter([True] * 40)
    bench.run(frames, stall=lambda: next(stalled, False))
    assert bench.o.frames[:2] == frames[:2]
    assert bench.o.frames[-1] == frames[-1]
    assert len(bench.o.frames) + len(bench.pulses["dropped_overflow"]) == len(frames)


def test_error_rolls_back_everything_stored_of_the_frame() -> None:
    frames = [Frame(bytes([number]) * 8, error=number % 2 == 0) for number in range(9)]
    bench = bench_of(1, 16)
    bench.run(frames)
    assert bench.o.frames == frames[1::2]
    assert len(bench.pulses["dropped_error"]) == 5


@pytest.mark.parametrize("reset_at", range(3, 14))
def test_is_empty_after_reset_mid_frame(reset_at: int) -> None:
    frames = random_frames(reset_at, 5, 6)
    bench = bench_of(1, 64)
    bench.run([Frame(bytes(4)), Frame(bytes(5)), Frame(bytes(9))], reset_at=reset_at, after_reset=frames)
    assert bench.o.frames == frames


@pytest.mark.parametrize("depth", [0, 1, 3, 12])
def test_refuses_a_depth_that_is_not_a_power_of_two(depth: int) -> None:
    assert "power of two" in refusal(lambda: FrameFIFO(1, depth))
