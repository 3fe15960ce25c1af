# SPDX-License-Identifier: Apache-2.0
"""`gateware.scrubber.serial_join.SerialJoin`: what comes out are the pieces in their order."""

from typing import Any

import cocotb

from tests.cocotb_benches.codecs import PieceCodec
from tests.cocotb_benches.designs import PIECES
from tests.cocotb_benches.tb import TB, full_rate
from tests.gateware.stream.bench import PAUSES

Sizes = tuple[int, ...]


class Bench:
    """A join with a source for each piece and a sink."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        self.pieces = [self.tb.source(f"pieces_{number}", PieceCodec(1)) for number in range(PIECES)]
        self.o = self.tb.sink("o", PieceCodec(1))

    def send(self, frames: list[Sizes]) -> list[bytes]:
        """Send frames whose pieces have these sizes; returns what should come out."""
        contents = [[self.tb.random.randbytes(size) for size in sizes] for sizes in frames]
        for number, piece in enumerate(self.pieces):
            piece.send(content[number] for content in contents)
        return [b"".join(content) for content in contents]

    def sizes(self, count: int) -> list[Sizes]:
        """The first piece is never empty, the others often."""
        source = self.tb.random
        return [
            (source.randint(1, 9), *(source.choice((0, 0, 1, 2, source.randrange(12))) for _ in range(PIECES - 1)))
            for _ in range(count)
        ]


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def puts_the_pieces_one_after_the_other(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    await bench.o.expect(bench.send(bench.sizes(80)))
    await bench.tb.finish()


@cocotb.test()
async def gives_a_byte_in_every_cycle_with_empty_pieces_too(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    frames = [(14, 20, 0, 26), (14, 20, 8, 0), (14, 0, 0, 46), (14, 0, 1, 0), (18, 0, 0, 0), (14, 28, 0, 18)] * 5
    expected = bench.send(frames)
    await bench.o.expect(expected)
    assert full_rate(bench.o.cycles)
    assert len(bench.o.cycles) == sum(len(frame) for frame in expected)
    await bench.tb.finish()


@cocotb.test()
async def does_not_end_while_a_piece_is_missing(dut: Any) -> None:
    """Whether the last byte of a piece is that of the frame is known when the others are."""
    bench = Bench(dut)
    await bench.tb.start()
    for piece in bench.pieces[:-1]:
        piece.send([b"\x11"])
    await bench.tb.cycles(20)
    assert bench.o.received.empty()
    bench.pieces[-1].send([b""])
    await bench.o.expect([b"\x11" * (PIECES - 1)])
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_in_mid_frame_leaves_nothing_behind(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.tb.start()
    for _ in range(10):
        bench.send([(14, 20, 0, 30), (9, 0, 5, 30)])
        await bench.tb.cycles(bench.tb.random.randrange(4, 60))
        await bench.tb.reset()
        await bench.o.expect(bench.send(bench.sizes(4)))
    await bench.tb.finish()
