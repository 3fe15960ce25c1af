# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.FrameFIFO`: commit, rollback and whole-frame drop."""

from typing import Any

import cocotb

from tests.cocotb_benches.codecs import FrameCodec, lanes_of
from tests.cocotb_benches.designs import FIFO_DEPTHS
from tests.cocotb_benches.tb import TB, full_rate
from tests.gateware.stream.bench import PAUSES, Frame, random_frames

VERDICT_CYCLES = 2
LATENCY_CYCLES = 4


class Bench:
    """A FIFO between a source and a sink, and what it said of each frame."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        self.lanes = lanes_of(dut.i_payload_data)
        self.depth = FIFO_DEPTHS[self.lanes]
        self.i = self.tb.source("i", FrameCodec(self.lanes, self.tb.seed()))
        self.o = self.tb.sink("o", FrameCodec(self.lanes, self.tb.seed()))
        self.error = self.tb.pulses("dropped_error")
        self.overflow = self.tb.pulses("dropped_overflow")

    def frames(self, count: int, beats: int) -> list[Frame]:
        return random_frames(self.tb.seed(), count, max_bytes=beats * self.lanes, error_share=0.25)

    def full(self, beats: int) -> Frame:
        return Frame(self.tb.random.randbytes(beats * self.lanes))

    def committed(self) -> list[Frame]:
        """The frames sent for which no pulse came `VERDICT_CYCLES` after their last beat; every pulse is for a frame."""
        ends, beats = {}, 0
        for frame in self.i.sent:
            beats += -(-len(frame.data) // self.lanes)
            ends[self.i.cycles[beats - 1] + VERDICT_CYCLES] = frame
        assert ends.keys() >= {*self.error.cycles, *self.overflow.cycles}, "a pulse without a frame"
        assert not {*self.error.cycles} & {*self.overflow.cycles}
        assert all(ends[cycle].error for cycle in self.error.cycles), "dropped for an error that it has not"
        kept = [frame for cycle, frame in ends.items() if cycle not in {*self.error.cycles, *self.overflow.cycles}]
        assert not any(frame.error for frame in kept), "a frame with error was committed"
        return kept


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def gives_exactly_what_it_committed(dut: Any, idle: str, stall: str) -> None:
    """Frames of up to half the store: with a stalling sink some do not fit, and are then dropped as a whole."""
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    bench.i.send(bench.frames(120, bench.depth // 2))
    await bench.tb.sources_done()
    await bench.tb.cycles(VERDICT_CYCLES)
    assert bench.error.cycles
    committed = bench.committed()
    assert len(committed) > len(bench.i.sent) // 8
    if stall == "none":
        assert not bench.overflow.cycles
    await bench.o.expect(committed)
    await bench.tb.finish()


@cocotb.test()
async def drops_what_does_not_fit_and_keeps_what_does(dut: Any) -> None:
    bench = Bench(dut)
    bench.o.stall = lambda: True
    await bench.tb.start()
    first, second, small = bench.full(bench.depth // 2), bench.full(bench.depth), bench.full(1)
    bench.i.send([first, second, small])
    await bench.tb.sources_done()
    assert len(bench.overflow.cycles) == 1
    bench.o.stall = lambda: False
    await bench.o.expect([first, small])
    await bench.tb.finish()


@cocotb.test()
async def a_frame_as_long_as_the_store_fits_and_a_longer_one_never_does(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    for _ in range(3):
        fits, too_long = bench.full(bench.depth), bench.full(bench.depth + 1)
        bench.i.send([fits])
        await bench.o.expect([fits])
        bench.i.send([too_long, Frame(too_long.data, error=True)])
        await bench.tb.finish()
    assert len(bench.overflow.cycles) == 6
    assert not bench.error.cycles


@cocotb.test()
async def rolls_back_a_frame_with_error(dut: Any) -> None:
    """So often that the store would be full if anything of one stayed."""
    bench = Bench(dut)
    await bench.tb.start()
    bad = [Frame(bench.full(bench.depth - 1).data, error=True) for _ in range(5)]
    good = bench.full(bench.depth)
    bench.i.send([*bad, good])
    await bench.o.expect([good])
    await bench.tb.finish()
    assert len(bench.error.cycles) == len(bad)
    assert not bench.overflow.cycles


@cocotb.test()
async def lets_a_frame_out_four_cycles_after_its_last_beat_and_never_pauses(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    frames = [bench.full(bench.depth // 4) for _ in range(20)]
    bench.i.send(frames)
    await bench.o.expect(frames)
    assert full_rate(bench.i.cycles)
    assert full_rate(bench.o.cycles)
    assert bench.o.cycles[0] == bench.i.cycles[bench.depth // 4 - 1] + LATENCY_CYCLES
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.tb.start()
    for _ in range(10):
        bench.i.send([bench.full(bench.depth // 4), bench.full(bench.depth)])
        await bench.tb.cycles(bench.tb.random.randrange(4, 2 * bench.depth))
        await bench.tb.reset()
        frames = [bench.full(bench.depth // 4) for _ in range(3)]
        bench.i.send(frames)
        await bench.o.expect(frames)
        await bench.tb.finish()
