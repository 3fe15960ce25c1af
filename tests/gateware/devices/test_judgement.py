# SPDX-License-Identifier: Apache-2.0
"""Verdicts that wait are given as far apart as is said."""

from itertools import pairwise
from typing import Any

import pytest
from amaranth.sim import Simulator

from custodes.table import Reason
from gateware.devices.judgement import Judgement

VERDICTS = 6


@pytest.mark.parametrize("spacing", [1, 2, 3, 35])
def test_verdicts_are_as_far_apart_as_is_said(spacing: int):
    dut, given = Judgement(spacing), []

    async def run(ctx: Any) -> None:
        ctx.set(dut.first.reason, Reason.ETHERTYPE)
        for cycle in range(VERDICTS * (spacing + 1) + 20):
            ctx.set(dut.first.valid, cycle < VERDICTS)
            if ctx.get(dut.o.valid):
                given.append(cycle)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    assert [after - before for before, after in pairwise(given)] == [spacing] * (VERDICTS - 1)
