# SPDX-License-Identifier: Apache-2.0
"""`gateware.scrubber.counters.Counters`."""

from collections import deque
from typing import Any, NamedTuple

import cocotb

from custodes.registers import FIELD_OFFSET
from custodes.table import SCRUBBED, Reason
from gateware.scrubber.counters import WALK_CYCLES
from tests.cocotb_benches.designs import COUNTERS_SPACING, design_under_test
from tests.cocotb_benches.tb import TB, Agent
from tests.gateware.stream.bench import PAUSES, Pause

READ_CYCLES = 4
SETTLE_CYCLES = 100
"""After which every event has reached its total, and more."""
COUNTERS = (*Reason, *(FIELD_OFFSET + row for row in range(len(SCRUBBED))))


class Verdict(NamedTuple):
    reason: Reason
    altered: int


class Feed(Agent):
    """Gives verdicts, no closer than the unit allows; counts what it gave."""

    def __init__(self, tb: TB, idle: Pause) -> None:
        self.tb = tb
        self.idle = idle
        self.verdicts: deque[Verdict] = deque()
        self.given = dict.fromkeys(COUNTERS, 0)
        self.spacing = COUNTERS_SPACING[design_under_test().lanes]
        self._wait = self._wait_altered = 0

    @property
    def busy(self) -> bool:
        return bool(self.verdicts)

    def drive(self) -> None:
        source = self.tb.random
        self._wait, self._wait_altered = max(0, self._wait - 1), max(0, self._wait_altered - 1)
        waits = self._wait or (self.verdicts and self.verdicts[0].altered and self._wait_altered)
        valid = bool(self.verdicts) and not self.idle() and not waits
        noise = Verdict(source.choice(list(Reason)), source.getrandbits(len(SCRUBBED)))
        verdict = self.verdicts.popleft() if valid else noise
        self._put(valid, verdict)
        if not valid:
            return
        self.tb.domains[""].moved = self.tb.cycle
        self.given[verdict.reason] += 1
        for row in range(len(SCRUBBED)):
            self.given[FIELD_OFFSET + row] += verdict.altered >> row & 1
        self._wait = self.spacing if self.spacing >= WALK_CYCLES else min(self.spacing, 2)
        if verdict.altered:
            self._wait_altered = self.spacing

    def restart(self) -> None:
        self.verdicts.clear()
        self._put(False, Verdict(Reason.FORWARDED, 0))

    def _put(self, valid: bool, verdict: Verdict) -> None:
        dut = self.tb.dut
        dut.valid.value = valid
        dut.reason.value = verdict.reason
        dut.altered.value = verdict.altered


class Bench:
    """The counters with what feeds them. Totals outlive a test, so that only increases mean anything."""

    def __init__(self, dut: Any, idle: str = "none") -> None:
        self.tb = TB(dut, idle)
        self.feed = Feed(self.tb, PAUSES[idle](self.tb.seed()))
        self.tb.add(self.feed)
        self.before: dict[int, int] = {}

    async def start(self) -> None:
        await self.tb.start()
        self.before = await self.totals()

    async def totals(self) -> dict[int, int]:
        await self.tb.finish(SETTLE_CYCLES)
        totals = {}
        for address in COUNTERS:
            self.tb.dut.address.value = address
            await self.tb.cycles(READ_CYCLES)
            totals[address] = self.tb.dut.value.value
        return totals

    async def check(self) -> None:
        """Every total rose by as much as was given."""
        totals = await self.totals()
        assert {address: totals[address] - self.before[address] for address in COUNTERS} == self.feed.given


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), altered_share=[0.0, 0.2, 1.0])
async def counts_every_verdict_and_every_altered_field(dut: Any, idle: str, altered_share: float) -> None:
    bench = Bench(dut, idle)
    await bench.start()
    source = bench.tb.random
    for _ in range(300):
        altered = source.getrandbits(len(SCRUBBED)) if source.random() < altered_share else 0
        bench.feed.verdicts.append(Verdict(Reason.FORWARDED if altered else source.choice(list(Reason)), altered))
    await bench.check()


@cocotb.test()
async def counts_reasons_and_every_field_as_often_as_it_may_come(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    every_field = (1 << len(SCRUBBED)) - 1
    for _ in range(100):
        bench.feed.verdicts.append(Verdict(Reason.FORWARDED, every_field))
        bench.feed.verdicts.extend([Verdict(Reason.LLC, 0)] * (bench.feed.spacing // 2))
    await bench.check()


@cocotb.test()
async def reset_leaves_the_totals(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    bench.feed.verdicts.extend([Verdict(Reason.FORWARDED, 0b101), Verdict(Reason.VLAN, 0)])
    await bench.check()
    await bench.tb.reset()
    await bench.check()
