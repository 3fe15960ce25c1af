# SPDX-License-Identifier: Apache-2.0
"""A design that is elaborated once for many tests."""

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth import Module
from amaranth.sim import Simulator

Script = Callable[[Any], Coroutine[Any, Any, None]]


class Elaborated:
    """Simulates ``design`` with a clock of ``period_s``; every script that is played finds each signal and memory as it is
    at first."""

    def __init__(self, design: Any, period_s: float) -> None:
        self._simulator = Simulator(design)
        self._simulator.add_clock(period_s)
        self._simulator.add_testbench(self._testbench)
        self._played = False

    async def _testbench(self, ctx: Any) -> None:
        await self._script(ctx)

    def play(self, script: Script) -> None:
        self._script = script
        if self._played:
            self._simulator.reset()
        self._played = True
        self._simulator.run()


class Tested:
    """A unit with what stands around it in a test, elaborated when the first script is played."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._elaborated: Elaborated | None = None

    def module(self, fragment: Any) -> Module:
        """All of it, with ``fragment`` in place of the unit unless that is None."""
        raise NotImplementedError

    def play(self, script: Script, fragment: Any = None) -> None:
        """As `Elaborated`; with a ``fragment``, it is elaborated anew."""
        if self._elaborated is None or fragment is not None:
            self._elaborated = Elaborated(self.module(fragment), self._period_s)
        self._elaborated.play(script)
