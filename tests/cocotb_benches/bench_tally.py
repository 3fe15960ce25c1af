# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.Tally`."""

from typing import Any

import cocotb

from tests.cocotb_benches.designs import TALLY_KINDS, TALLY_SPACING
from tests.cocotb_benches.tb import TB, Agent
from tests.gateware.stream.bench import PAUSES, Pause

SETTLE_CYCLES = 40
"""After which every event has reached its total, and more."""


class Feed(Agent):
    """Events at random, those of a kind no closer than the unit allows, until so many cycles have gone by."""

    def __init__(self, tb: TB, idle: Pause) -> None:
        self.tb = tb
        self.idle = idle
        self.left = 0
        self.given = [0] * TALLY_KINDS
        self._wait = [0] * TALLY_KINDS

    @property
    def busy(self) -> bool:
        return self.left > 0

    def drive(self) -> None:
        events = 0
        for kind in range(TALLY_KINDS):
            self._wait[kind] = max(0, self._wait[kind] - 1)
            if self.left and not self._wait[kind] and not self.idle():
                events |= 1 << kind
                self.given[kind] += 1
                self._wait[kind] = TALLY_SPACING
        self.left = max(0, self.left - 1)
        if self.left:
            self.tb.domains[""].moved = self.tb.cycle
        self.tb.dut.event.value = events

    def restart(self) -> None:
        self.left = 0
        self.tb.dut.event.value = 0


class Bench:
    def __init__(self, dut: Any, idle: str) -> None:
        self.dut = dut
        self.tb = TB(dut)
        self.feed = Feed(self.tb, PAUSES[idle](self.tb.seed()))
        self.tb.add(self.feed)

    async def totals(self) -> list[int]:
        await self.tb.cycles(SETTLE_CYCLES)
        found = []
        for kind in range(TALLY_KINDS):
            self.dut.address.value = kind
            await self.tb.cycles(2)
            found.append(int(self.dut.total.value))
        return found


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES))
async def counts_every_event(dut: Any, idle: str) -> None:
    bench = Bench(dut, idle)
    await bench.tb.start()
    before = await bench.totals()
    bench.feed.left = 1000
    await bench.tb.sources_done()
    rises = [now - then for now, then in zip(await bench.totals(), before, strict=True)]
    assert rises == bench.feed.given
    assert min(rises) > 200


@cocotb.test()
async def reset_keeps_totals_and_forgets_only_what_is_on_its_way(dut: Any) -> None:
    bench = Bench(dut, "often")
    await bench.tb.start()
    before = await bench.totals()
    bench.feed.left = 300
    await bench.tb.sources_done()
    counted = await bench.totals()
    assert [now - then for now, then in zip(counted, before, strict=True)] == bench.feed.given
    bench.feed.left = 10
    await bench.tb.cycles(5)
    await bench.tb.reset()
    after = await bench.totals()
    assert all(0 <= now - then <= 5 for now, then in zip(after, counted, strict=True))
    bench.feed.given = [0] * TALLY_KINDS
    bench.feed.left = 100
    await bench.tb.sources_done()
    assert [now - then for now, then in zip(await bench.totals(), after, strict=True)] == bench.feed.given
