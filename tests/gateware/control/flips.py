# SPDX-License-Identifier: Apache-2.0
"""Bits that flip: finds every mode register of a design, and puts what it cannot hold into it.

Nothing in the design is there for this. A mode register is known by the attribute that `guarded` gives it; a simulation
may write any register between two edges of the clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from amaranth import ClockDomain, Module, ResetSignal, Signal
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from gateware.control.guarded import MODES

PERIOD_S = 1e-8


@dataclass(frozen=True)
class ModeRegister:
    """``path`` is that of its unit and its own name, ``modes`` are by name; ``fragment`` and ``domain`` are where it is."""

    path: str
    signal: Signal
    modes: dict[str, int]
    fragment: Any
    domain: str

    def flips(self) -> Iterator[int]:
        """What one or two bits that flip make of any of its modes."""
        for mode in self.modes.values():
            for count in (1, 2):
                for bits in combinations(range(len(self.signal)), count):
                    yield mode ^ sum(1 << bit for bit in bits)


def modes_of(attribute: str) -> dict[str, int]:
    """Modes by name, from the attribute."""
    return {name: int(number) for name, number in (mode.split("=") for mode in attribute.split())}


def mode_registers(fragment: Any, path: tuple[str, ...] = ()) -> list[ModeRegister]:
    """All that are in a design that has been elaborated."""
    signals = {
        id(signal): (signal, domain)
        for domain, statements in fragment.statements.items()
        if domain != "comb"
        for statement in statements
        for signal in statement._lhs_signals()
    }
    found = [
        ModeRegister(".".join((*path, signal.name)), signal, modes_of(signal.attrs[MODES]), fragment, domain)
        for signal, domain in signals.values()
        if MODES in signal.attrs
    ]
    for number, (part, name, _) in enumerate(fragment.subfragments):
        found += mode_registers(part, (*path, name or str(number)))
    return found


class FlipBench:
    """A unit in Amaranth's simulator, whose mode registers are written from outside.

    Members:
        fragment: the unit, elaborated. registers: its mode registers.
        reset: of the domain ``sync``, the only one.
    """

    def __init__(self, dut: Any) -> None:
        self.fragment: Any = Fragment.get(dut, None)
        self.registers = mode_registers(self.fragment)
        self.reset = Signal()
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += ResetSignal().eq(self.reset)
        m.submodules.dut = self.fragment
        self._top = m

    def run(self, testbench: Any) -> None:
        """Run ``async def testbench(ctx)``."""
        simulator = Simulator(self._top)
        simulator.add_clock(PERIOD_S)
        simulator.add_testbench(testbench)
        simulator.run()

    @staticmethod
    async def _cycles(ctx: Any, count: int) -> None:
        for _ in range(count):
            await ctx.tick()

    def undetected(self, fault: Any, cycles: int) -> list[str]:
        """Flips after which ``fault`` is 0 ``cycles`` cycles later, or is 1 after a reset. There should be none."""
        missed: list[str] = []

        async def testbench(ctx: Any) -> None:
            for register in self.registers:
                for value in register.flips():
                    ctx.set(self.reset, 1)
                    await self._cycles(ctx, 3)
                    ctx.set(self.reset, 0)
                    await ctx.tick()
                    quiet = not ctx.get(fault)
                    ctx.set(register.signal, value)
                    await self._cycles(ctx, cycles)
                    if not quiet or not ctx.get(fault):
                        missed.append(f"{register.path} = {value:#b}")

        self.run(testbench)
        return missed
