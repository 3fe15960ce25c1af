# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.join.Join`: what comes out is the head and then the tail."""

from typing import Any

import cocotb

from tests.cocotb_benches.codecs import PieceCodec, lanes_of
from tests.cocotb_benches.designs import HEAD_BYTES
from tests.cocotb_benches.tb import TB, full_rate
from tests.gateware.stream.bench import PAUSES


class Bench:
    """A join with a source of heads, a source of tails and a sink."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        self.lanes = lanes_of(dut.o_payload_data)
        self.head = self.tb.source("head", PieceCodec(self.lanes))
        self.tail = self.tb.source("tail", PieceCodec(self.lanes))
        self.o = self.tb.sink("o", PieceCodec(self.lanes))

    def send(self, sizes: list[tuple[int, int]]) -> list[bytes]:
        """Send heads and tails of these sizes; returns what should come out."""
        source = self.tb.random
        pieces = [(source.randbytes(head), source.randbytes(tail)) for head, tail in sizes]
        self.head.send(head for head, _ in pieces)
        self.tail.send(tail for _, tail in pieces)
        return [head + tail for head, tail in pieces]

    def sizes(self, count: int) -> list[tuple[int, int]]:
        source = self.tb.random
        return [
            (source.choice(HEAD_BYTES), source.choice((0, source.randrange(3 * self.lanes + 20)))) for _ in range(count)
        ]


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def puts_the_head_in_front_of_the_tail(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    await bench.o.expect(bench.send(bench.sizes(60)))
    await bench.tb.finish()


@cocotb.test()
async def fits_every_head_to_every_tail_about_a_beat(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    lanes = bench.lanes
    tails = sorted({0, 1, lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes, 2 * lanes + 1})
    await bench.o.expect(bench.send([(head, tail) for head in HEAD_BYTES for tail in tails]))
    await bench.tb.finish()


@cocotb.test()
async def gives_a_beat_in_every_cycle(dut: Any) -> None:
    """Frame after frame, each in no more beats than its bytes need."""
    bench = Bench(dut)
    await bench.tb.start()
    expected = bench.send([(20, 9 + 2 * bench.lanes), (40, 64), (14, 46)] * 10)
    await bench.o.expect(expected)
    assert full_rate(bench.o.cycles)
    assert len(bench.o.cycles) == sum(-(-len(frame) // bench.lanes) for frame in expected)
    await bench.tb.finish()


@cocotb.test()
async def does_not_begin_while_a_piece_is_missing(dut: Any) -> None:
    """A head alone leaves its last beat inside; the tail brings it out."""
    bench = Bench(dut)
    await bench.tb.start()
    bench.head.send([b"\x11" * bench.lanes])
    await bench.tb.cycles(20)
    assert bench.o.received.empty()
    bench.tail.send([b"\x22"])
    await bench.o.expect([b"\x11" * bench.lanes + b"\x22"])
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.tb.start()
    for _ in range(10):
        bench.send([(40, 30 * bench.lanes), (9, 30 * bench.lanes)])
        await bench.tb.cycles(bench.tb.random.randrange(4, 60))
        await bench.tb.reset()
        await bench.o.expect(bench.send(bench.sizes(4)))
    await bench.tb.finish()
