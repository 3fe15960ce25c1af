# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.ClockCrossing` between clocks of several ratios."""

from typing import Any

import cocotb

from tests.cocotb_benches.codecs import FrameCodec, lanes_of
from tests.cocotb_benches.tb import TB, full_rate
from tests.gateware.stream.bench import PAUSES, Frame, random_frames

PERIODS_NS = {
    "same": (10.0, 10.0),
    "slower": (10.0, 23.0),
    "faster": (23.0, 10.0),
    "a_little_slower": (10.0, 10.2),
    "a_little_faster": (10.2, 10.0),
}


class Bench:
    """A crossing from clock a to clock b."""

    def __init__(self, dut: Any, ratio: str, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall, dict(zip("ab", PERIODS_NS[ratio], strict=True)))
        lanes = lanes_of(dut.i_payload_data)
        self.i = self.tb.source("i", FrameCodec(lanes, self.tb.seed()), "a")
        self.o = self.tb.sink("o", FrameCodec(lanes, self.tb.seed()), "b")

    def frames(self, count: int) -> list[Frame]:
        return random_frames(self.tb.seed(), count, max_bytes=60, error_share=0.3)


@cocotb.test()
@cocotb.parametrize(ratio=list(PERIODS_NS), idle=list(PAUSES), stall=list(PAUSES))
async def passes_every_frame(dut: Any, ratio: str, idle: str, stall: str) -> None:
    bench = Bench(dut, ratio, idle, stall)
    await bench.tb.start()
    frames = bench.frames(30)
    bench.i.send(frames)
    await bench.o.expect(frames)
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(ratio=["slower", "faster"])
async def moves_a_beat_in_every_cycle_of_the_slower_side(dut: Any, ratio: str) -> None:
    bench = Bench(dut, ratio)
    await bench.tb.start()
    frames = bench.frames(60)
    bench.i.send(frames)
    await bench.o.expect(frames)
    assert full_rate((bench.o if ratio == "slower" else bench.i).cycles)
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(ratio=list(PERIODS_NS), stall=list(PAUSES))
async def reset_of_both_sides_in_mid_frame_leaves_nothing_behind(dut: Any, ratio: str, stall: str) -> None:
    """The reset of the input side lasts for two cycles of the output clock: it has to be seen there."""
    bench = Bench(dut, ratio, "often", stall)
    await bench.tb.start()
    for _ in range(6):
        bench.i.send([Frame(bench.tb.random.randbytes(300))])
        await bench.tb.cycles(bench.tb.random.randrange(8, 40), "a")
        await bench.tb.reset()
        frames = bench.frames(3)
        bench.i.send(frames)
        await bench.o.expect(frames)
    await bench.tb.finish()
