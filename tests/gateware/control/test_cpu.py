# SPDX-License-Identifier: Apache-2.0
"""What the CPU executes while it overwrites what it has in itself, told by a decoder of its own."""

from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator

from gateware.control import cpu

WORDS = 64
LONGEST_CYCLES = 5
"""That an instruction of these takes without wait states, by the description of picorv32, which multiplies in 4."""


def instructions() -> list[int]:
    """From address 0 on."""
    m, word, found = Module(), Signal(6), []
    instruction = cpu._scrubbing(m, word)

    async def testbench(ctx: Any) -> None:
        for at in range(WORDS):
            ctx.set(word, at)
            found.append(ctx.get(instruction))

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    return found


def left() -> set[str]:
    """What still has its value afterwards: registers, the multiplier, what has been written last."""
    remaining = {f"x{number}" for number in range(1, 32)} | {"multiplier", "memory"}
    for instruction in instructions()[: cpu.SCRUB_CYCLES // LONGEST_CYCLES]:
        opcode, destination, function = instruction & 0x7F, instruction >> 7 & 31, instruction >> 12 & 7
        first, second, upper = instruction >> 15 & 31, instruction >> 20 & 31, instruction >> 25
        if (opcode, function, first, upper << 5 | second) == (0b0010011, 0, 0, 0):
            remaining.discard(f"x{destination}")
        elif (opcode, function, upper, first, second) == (0b0110011, 0, 1, 0, 0):
            remaining.discard("multiplier")
        elif (opcode, function, first, second) == (0b0100011, 0b010, 0, 0):
            remaining.discard("memory")
        else:
            raise AssertionError(f"{instruction:#010x} is none of these")
    return remaining


def test_every_register_is_overwritten():
    assert left() == set()


@pytest.mark.parametrize(("registers", "found"), [(31, {"x31"}), (30, {"x30", "x31"})])
def test_a_register_that_is_left_out_is_found(registers: int, found: set[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "REGISTERS", registers)
    assert left() == found
