# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.WidthConverter`, up and down."""

from typing import Any

import cocotb

from tests.cocotb_benches.codecs import FrameCodec, lanes_of
from tests.cocotb_benches.pin import Pins
from tests.cocotb_benches.tb import TB, Agent, full_rate
from tests.gateware.stream.bench import PAUSES, Frame, random_frames


class ErrorWatch(Agent):
    """``o.error`` is 0 on every beat but the last of a frame."""

    def __init__(self, dut: Pins) -> None:
        self.dut = dut

    def sample(self) -> None:
        if self.dut.o_valid.value and not self.dut.o_payload_last.value:
            assert self.dut.o_payload_error.value == 0, "error before the last beat"


class Bench:
    """A converter between a source and a sink."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        self.i_lanes, self.o_lanes = lanes_of(dut.i_payload_data), lanes_of(dut.o_payload_data)
        self.i = self.tb.source("i", FrameCodec(self.i_lanes, self.tb.seed()))
        self.o = self.tb.sink("o", FrameCodec(self.o_lanes, self.tb.seed()))
        self.tb.add(ErrorWatch(self.tb.dut))

    def frames(self, count: int) -> list[Frame]:
        """Of up to three wide beats, every length about a wide beat's among them."""
        wide = max(self.i_lanes, self.o_lanes)
        edges = [Frame(self.tb.random.randbytes(size)) for size in (1, wide - 1, wide, wide + 1, 2 * wide)]
        return edges + random_frames(self.tb.seed(), count, max_bytes=3 * wide, error_share=0.3)


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def passes_every_frame(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    frames = bench.frames(60)
    bench.i.send(frames)
    await bench.o.expect(frames)
    await bench.tb.finish()


@cocotb.test()
async def moves_a_narrow_beat_in_every_cycle(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    frames = bench.frames(30)
    bench.i.send(frames)
    await bench.o.expect(frames)
    narrow = bench.i if bench.i_lanes < bench.o_lanes else bench.o
    assert full_rate(narrow.cycles)
    last_bytes = (len(frames[-1].data) - 1) % bench.i_lanes + 1
    assert bench.o.cycles[-1] == bench.i.cycles[-1] + -(-last_bytes // bench.o_lanes)
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.tb.start()
    for _ in range(10):
        bench.i.send([Frame(bench.tb.random.randbytes(30 * bench.i_lanes))])
        await bench.tb.cycles(bench.tb.random.randrange(4, 20))
        await bench.tb.reset()
        frames = bench.frames(3)
        bench.i.send(frames)
        await bench.o.expect(frames)
    await bench.tb.finish()
