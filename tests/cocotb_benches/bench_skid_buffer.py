# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.SkidBuffer` of frame beats."""

from typing import Any

import cocotb

from tests.cocotb_benches.codecs import FrameCodec, lanes_of
from tests.cocotb_benches.tb import TB, full_rate
from tests.gateware.stream.bench import PAUSES, Frame, random_frames


class Bench:
    """A buffer between a source and a sink."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        lanes = lanes_of(dut.i_payload_data)
        self.i = self.tb.source("i", FrameCodec(lanes, self.tb.seed()))
        self.o = self.tb.sink("o", FrameCodec(lanes, self.tb.seed()))

    def frames(self, count: int) -> list[Frame]:
        return random_frames(self.tb.seed(), count, max_bytes=60, error_share=0.3)


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def passes_every_frame(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    frames = bench.frames(80)
    bench.i.send(frames)
    await bench.o.expect(frames)
    await bench.tb.finish()


@cocotb.test()
async def is_one_cycle_late_and_never_pauses(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    frames = bench.frames(40)
    bench.i.send(frames)
    await bench.o.expect(frames)
    assert full_rate(bench.i.cycles)
    assert bench.o.cycles == [cycle + 1 for cycle in bench.i.cycles]
    await bench.tb.finish()


@cocotb.test()
async def ready_does_not_hang_on_ready_behind_it(dut: Any) -> None:
    """A stalled output lets two payloads in, and no third."""
    bench = Bench(dut)
    bench.o.stall = lambda: True
    await bench.tb.start()
    frames = bench.frames(4)
    bench.i.send(frames)
    await bench.tb.cycles(20)
    assert len(bench.i.cycles) == 2
    bench.o.stall = lambda: False
    await bench.o.expect(frames)
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.tb.start()
    for _ in range(10):
        bench.i.send([Frame(bench.tb.random.randbytes(200))])
        await bench.tb.cycles(bench.tb.random.randrange(4, 20))
        await bench.tb.reset()
        frames = bench.frames(3)
        bench.i.send(frames)
        await bench.o.expect(frames)
    await bench.tb.finish()
