# SPDX-License-Identifier: Apache-2.0
"""`gateware.stream.Queue` of words."""

from typing import Any, cast

import cocotb

from gateware.stream import Queue
from tests.cocotb_benches.codecs import WordCodec
from tests.cocotb_benches.designs import design_under_test
from tests.cocotb_benches.tb import TB, Agent, full_rate
from tests.gateware.stream.bench import PAUSES


def on_their_way_out() -> int:
    """Entries that have left the memory."""
    return cast(Queue, design_under_test().make()).registers


class LevelWatch(Agent):
    """``level`` is what was taken and not given, but for at most `on_their_way_out` entries."""

    def __init__(self, bench: "Bench") -> None:
        self.bench = bench
        self.highest = 0
        self.leaving = on_their_way_out()

    def sample(self) -> None:
        # What transfers at the edge to come is not yet in the level: ports are sampled after this.
        inside = len(self.bench.i.cycles) - len(self.bench.o.cycles)
        level = self.bench.tb.dut.level.value
        assert inside - self.leaving <= level <= inside, f"level {level} with {inside} entries inside"
        self.highest = max(self.highest, level)


class Bench:
    """A queue between a source and a sink."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none") -> None:
        self.tb = TB(dut, idle, stall)
        self.level = LevelWatch(self)
        self.tb.add(self.level)
        self.i = self.tb.source("i", WordCodec())
        self.o = self.tb.sink("o", WordCodec())

    def words(self, count: int) -> list[int]:
        return [self.tb.random.getrandbits(16) for _ in range(count)]


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def keeps_the_order(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    await bench.tb.start()
    words = bench.words(500)
    bench.i.send(words)
    await bench.o.expect(words)
    await bench.tb.finish()


@cocotb.test()
async def moves_an_entry_in_every_cycle(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    words = bench.words(100)
    bench.i.send(words)
    await bench.o.expect(words)
    assert full_rate(bench.i.cycles)
    assert full_rate(bench.o.cycles)
    await bench.tb.finish()


@cocotb.test()
async def takes_its_depth_and_no_more_while_the_output_is_stalled(dut: Any) -> None:
    bench = Bench(dut)
    bench.o.stall = lambda: True
    await bench.tb.start()
    depth = 1 << (len(dut.level) - 1)
    words = bench.words(4 * depth)
    bench.i.send(words)
    await bench.tb.cycles(6 * depth)
    assert len(bench.i.cycles) == depth + on_their_way_out()
    assert bench.level.highest == depth
    bench.o.stall = lambda: False
    await bench.o.expect(words)
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(stall=list(PAUSES))
async def reset_empties_it(dut: Any, stall: str) -> None:
    bench = Bench(dut, "often", stall)
    await bench.tb.start()
    for _ in range(10):
        bench.i.send(bench.words(60))
        await bench.tb.cycles(bench.tb.random.randrange(4, 40))
        await bench.tb.reset()
        words = bench.words(10)
        bench.i.send(words)
        await bench.o.expect(words)
    await bench.tb.finish()
