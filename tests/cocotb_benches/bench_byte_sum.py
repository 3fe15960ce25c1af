# SPDX-License-Identifier: Apache-2.0
"""`gateware.scrubber.bytesum.ByteSum`."""

from collections import deque
from typing import Any, NamedTuple

import cocotb

from tests.cocotb_benches.tb import QUIET_CYCLES, TB, Agent
from tests.gateware.stream.bench import PAUSES, Pause

MAX_FRAME_BYTES = 1518
ONE_LANE_SPACING = 3
"""Cycles from a frame's last beat to the next one's first."""


class Beat(NamedTuple):
    data: bytes
    mask: int
    last: bool


def folded(high: int, low: int) -> int:
    """The 16-bit ones' complement sum of words whose halves add up to these."""
    total = (high << 8) + low
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Feed(Agent):
    """Sends beats, with pauses in which all but valid is random, and collects the results."""

    def __init__(self, tb: TB, idle: Pause) -> None:
        self.tb = tb
        self.idle = idle
        self.lanes = len(tb.dut.mask)
        self.beats: deque[Beat] = deque()
        self.results: list[int] = []
        self.spacing = ONE_LANE_SPACING if self.lanes == 1 else 1
        self._wait = 0

    @property
    def busy(self) -> bool:
        return bool(self.beats)

    def sample(self) -> None:
        dut = self.tb.dut
        if dut.o_valid.value:
            self.results.append(folded(dut.o_high.value, dut.o_low.value))

    def drive(self) -> None:
        source = self.tb.random
        self._wait = max(0, self._wait - 1)
        valid = bool(self.beats) and not self._wait and not self.idle()
        noise = Beat(source.randbytes(self.lanes), source.getrandbits(self.lanes), bool(source.getrandbits(1)))
        beat = self.beats.popleft() if valid else noise
        self._put(valid, beat)
        if valid:
            self._wait = self.spacing if beat.last else 0
            self.tb.domains[""].moved = self.tb.cycle

    def restart(self) -> None:
        self.beats.clear()
        self.results.clear()
        self._wait = 0
        self._put(False, Beat(bytes(self.lanes), 0, False))

    def _put(self, valid: bool, beat: Beat) -> None:
        dut = self.tb.dut
        dut.valid.value = valid
        dut.bytes.value = int.from_bytes(beat.data, "little")
        dut.mask.value = beat.mask
        dut.last.value = beat.last


class Bench:
    """The unit with its feed."""

    def __init__(self, dut: Any, idle: str = "none") -> None:
        self.tb = TB(dut, idle)
        self.feed = Feed(self.tb, PAUSES[idle](self.tb.seed()))
        self.tb.add(self.feed)

    def frame(self, size: int, mask_share: float) -> tuple[list[Beat], int]:
        """The beats of a frame of random bytes, of which a share counts, and what they add up to."""
        source, lanes = self.tb.random, self.feed.lanes
        beats, sums = [], [0, 0]
        for start in range(0, size, lanes):
            data = source.randbytes(lanes)
            counts = [start + lane < size and source.random() < mask_share for lane in range(lanes)]
            for lane, counted in enumerate(counts):
                sums[(start + lane) % 2] += data[lane] * counted
            mask = sum(counted << lane for lane, counted in enumerate(counts))
            beats.append(Beat(data, mask, start + lanes >= size))
        return beats, folded(*sums)

    async def check(self, frames: list[tuple[list[Beat], int]]) -> None:
        for beats, _ in frames:
            self.feed.beats.extend(beats)
        await self.tb.finish(QUIET_CYCLES)
        assert self.feed.results == [total for _, total in frames]
        self.feed.results.clear()


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), mask_share=[0.5, 1.0])
async def adds_the_bytes_that_count(dut: Any, idle: str, mask_share: float) -> None:
    bench = Bench(dut, idle)
    await bench.tb.start()
    sizes = [1, 2, 3, *(bench.tb.random.randint(1, 200) for _ in range(40)), MAX_FRAME_BYTES, 1]
    await bench.check([bench.frame(size, mask_share) for size in sizes])


@cocotb.test()
async def holds_the_largest_frame_of_the_largest_bytes(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    beats, _ = bench.frame(MAX_FRAME_BYTES, 1.0)
    largest = [beat._replace(data=b"\xff" * bench.feed.lanes) for beat in beats]
    half = 255 * MAX_FRAME_BYTES // 2
    await bench.check([(largest, folded(half, half))] * 2)


@cocotb.test()
async def reset_in_mid_frame_starts_a_new_one(dut: Any) -> None:
    bench = Bench(dut, "often")
    await bench.tb.start()
    for _ in range(10):
        bench.feed.beats.extend(bench.frame(MAX_FRAME_BYTES, 1.0)[0][:-1])
        await bench.tb.cycles(bench.tb.random.randrange(3, 20))
        await bench.tb.reset()
        await bench.check([bench.frame(size, 1.0) for size in (5, 60)])
