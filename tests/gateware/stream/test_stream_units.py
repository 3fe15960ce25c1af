# SPDX-License-Identifier: Apache-2.0
"""SkidBuffer, Ending and WidthConverter: every frame out once, in order, at full rate; and what is cut, ended."""

import pytest
from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gateware.stream import Ending, FrameSignature, SkidBuffer, WidthConverter, beat_layout

from .bench import PAUSES, Bench, Frame, bursts, random_frames, refusal

LANES = (1, 8, 64)
WIDTHS = ((1, 8), (8, 1), (8, 64), (64, 8), (1, 3), (6, 2), (8, 8), (1, 64), (64, 1))


class CutEnding(wiring.Component):
    """An `Ending` of one lane that is cut in cycle ``at``."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, at: int) -> None:
        self.at = at
        super().__init__({"i": In(FrameSignature(1)), "o": Out(FrameSignature(1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ending = ending = Ending(1)
        wiring.connect(m, wiring.flipped(self.i), ending.i)
        wiring.connect(m, ending.o, wiring.flipped(self.o))
        cycle = Signal(16)
        m.d.sync += cycle.eq(cycle + 1)
        m.d.comb += ending.cut.eq(cycle == self.at)
        return m


@pytest.mark.parametrize("stall", PAUSES)
@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize("lanes", LANES)
def test_skid_buffer_forwards_every_frame_in_order(lanes: int, idle: str, stall: str) -> None:
    frames = random_frames(lanes, 12, 3 * lanes + 2, error_share=0.3)
    bench = Bench(SkidBuffer(beat_layout(lanes)), lanes, lanes)
    bench.run(frames, PAUSES[idle](1), PAUSES[stall](2))
    assert bench.o.frames == frames
    assert bench.o.beats == bench.i.beats


@pytest.mark.parametrize("lanes", LANES)
def test_skid_buffer_moves_one_beat_per_cycle_with_one_cycle_latency(lanes: int) -> None:
    bench = Bench(SkidBuffer(beat_layout(lanes)), lanes, lanes)
    bench.run([Frame(bytes(40 * lanes))])
    assert bench.i.cycles == list(range(40))
    assert bench.o.cycles == list(range(1, 41))


def test_skid_buffer_is_empty_after_reset_mid_frame() -> None:
    frames = random_frames(5, 6, 20)
    bench = Bench(SkidBuffer(beat_layout(1)), 1, 1)
    bench.run([Frame(bytes(50))], stall=bursts(3), reset_at=17, after_reset=frames)
    assert bench.o.frames == frames


@pytest.mark.parametrize("lanes", LANES)
def test_ending_moves_one_beat_per_cycle_with_one_cycle_latency(lanes: int) -> None:
    frames = random_frames(lanes, 12, 3 * lanes + 2, error_share=0.3)
    bench = Bench(Ending(lanes), lanes, lanes)
    bench.run(frames)
    assert bench.o.frames == frames
    assert bench.o.cycles == [cycle + 1 for cycle in range(len(bench.o.beats))]


@pytest.mark.parametrize("stall", PAUSES)
@pytest.mark.parametrize("at", [1, 2, 20, 49])
def test_ending_ends_with_error_what_is_cut_and_passes_what_comes_then(at: int, stall: str) -> None:
    data = bytes(range(50))
    bench = Bench(CutEnding(at), 1, 1)
    bench.run([Frame(data)], stall=PAUSES[stall](3))
    begun, rest = bench.o.frames
    passed = len(begun.data) - 1
    assert begun.error and 0 < passed <= at and begun.data[:passed] == data[:passed]
    assert rest == Frame(data[passed:])


def test_ending_says_nothing_where_nothing_was_under_way() -> None:
    frames = random_frames(1, 2, 9)
    beats = sum(len(frame.data) for frame in frames)
    for at in (0, beats + 1, beats + 5):
        bench = Bench(CutEnding(at), 1, 1)
        bench.run(frames)
        assert bench.o.frames == frames


@pytest.mark.parametrize("stall", PAUSES)
@pytest.mark.parametrize("idle", PAUSES)
@pytest.mark.parametrize(("i_lanes", "o_lanes"), WIDTHS)
def test_width_converter_keeps_bytes_and_frame_boundaries(i_lanes: int, o_lanes: int, idle: str, stall: str) -> None:
    frames = random_frames(i_lanes, 6, 2 * max(i_lanes, o_lanes) + 2, error_share=0.3)
    bench = Bench(WidthConverter(i_lanes, o_lanes), i_lanes, o_lanes)
    bench.run(frames, PAUSES[idle](1), PAUSES[stall](2))
    assert bench.o.frames == frames


@pytest.mark.parametrize("o_lanes", [2, 8])
def test_width_up_conversion_takes_one_beat_every_cycle(o_lanes: int) -> None:
    frames = random_frames(o_lanes, 10, 3 * o_lanes) + [Frame(b"x")] * 5
    bench = Bench(WidthConverter(1, o_lanes), 1, o_lanes)
    bench.run(frames)
    assert bench.i.cycles == list(range(sum(len(frame.data) for frame in frames)))
    assert bench.o.frames == frames


@pytest.mark.parametrize("i_lanes", [2, 8])
def test_width_down_conversion_gives_one_beat_every_cycle(i_lanes: int) -> None:
    frames = random_frames(i_lanes, 10, 3 * i_lanes) + [Frame(b"x")] * 5
    bench = Bench(WidthConverter(i_lanes, 1), i_lanes, 1)
    bench.run(frames)
    assert bench.o.cycles == list(range(1, 1 + sum(len(frame.data) for frame in frames)))
    assert bench.o.frames == frames


@pytest.mark.parametrize(("i_lanes", "o_lanes"), [(1, 8), (8, 1)])
def test_width_converter_is_empty_after_reset_mid_frame(i_lanes: int, o_lanes: int) -> None:
    frames = random_frames(7, 5, 20)
    bench = Bench(WidthConverter(i_lanes, o_lanes), i_lanes, o_lanes)
    bench.run([Frame(bytes(50))], reset_at=5, after_reset=frames)
    assert bench.o.frames == frames


def test_width_converter_carries_error_on_last_only() -> None:
    bench = Bench(WidthConverter(8, 1), 8, 1)
    bench.run([Frame(bytes(12), error=True)])
    assert [(beat.last, beat.error) for beat in bench.o.beats] == [(False, False)] * 11 + [(True, True)]


@pytest.mark.parametrize(("i_lanes", "o_lanes"), [(8, 3), (3, 8)])
def test_width_converter_refuses_a_ratio_that_is_not_integer(i_lanes: int, o_lanes: int) -> None:
    assert "integer ratio" in refusal(lambda: WidthConverter(i_lanes, o_lanes))
