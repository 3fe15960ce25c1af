# SPDX-License-Identifier: Apache-2.0
"""Noise from ring oscillators, out of LUTs of ECP5 and iCE40."""

from collections.abc import Sequence

from amaranth import Const, Instance, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Out

FAMILIES = ("ecp5", "ice40")
LENGTHS = (5, 7, 11, 13, 17, 19, 23, 29)
"""Primes, so that no ring's frequency is near a simple multiple of another's."""
SAMPLE_CYCLES = 64
INVERTER = 0x5555
"""Contents of a LUT that inverts its first input."""


class RingOscillator(wiring.Component):
    """An odd number of inverters in a ring. It always runs.

    Args:
        family: one of `FAMILIES`.
        length: inverters, an odd number from 3 on.

    Members:
        o: the output of one of them; synchronous to nothing.

    Each inverter is a LUT that synthesis must keep; nextpnr has to be told ``--ignore-loops``.
    """

    o: Signal

    def __init__(self, family: str, length: int) -> None:
        if family not in FAMILIES:
            raise ValueError(f"no ring oscillator for {family}")
        if length < 3 or not length & 1:
            raise ValueError(f"a ring of {length} inverters does not oscillate")
        self.family = family
        self.length = length
        super().__init__({"o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ring = Signal(self.length, attrs={"keep": 1})
        for at in range(self.length):
            m.submodules[f"inverter_{at}"] = self._inverter(ring[at - 1], ring[at])
        m.d.comb += self.o.eq(ring[-1])
        return m

    def _inverter(self, i: Value, o: Value) -> Instance:
        low = Const(0, 1)
        if self.family == "ecp5":
            return Instance("LUT4", a_keep=1, p_INIT=Const(INVERTER, 16), i_A=i, i_B=low, i_C=low, i_D=low, o_Z=o)
        return Instance(
            "SB_LUT4", a_keep=1, p_LUT_INIT=Const(INVERTER, 16), i_I0=i, i_I1=low, i_I2=low, i_I3=low, o_O=o
        )


class RingNoise(wiring.Component):
    """Samples several ring oscillators, and adds the samples up modulo 2.

    Args:
        family: one of `FAMILIES`.
        lengths: of the rings.
        sample_cycles: clock cycles from a sample to the next, in which the rings gather jitter; at least 2.

    Members:
        sample, sample_valid: a sample in one of ``sample_cycles`` cycles; it cannot wait.

    How much entropy a sample has depends on the board, and is to be measured there: see the README. Reset: the first
    sample comes ``sample_cycles`` later.
    """

    sample: Signal
    sample_valid: Signal

    def __init__(self, family: str, lengths: Sequence[int] = LENGTHS, sample_cycles: int = SAMPLE_CYCLES) -> None:
        self.family = family
        self.lengths = lengths
        self.sample_cycles = sample_cycles
        super().__init__({"sample": Out(1), "sample_valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sampled = Signal(len(self.lengths))
        for at, length in enumerate(self.lengths):
            m.submodules[f"ring_{at}"] = ring = RingOscillator(self.family, length)
            m.submodules[f"sampler_{at}"] = FFSynchronizer(ring.o, sampled[at])
        cycle = Signal(range(self.sample_cycles))
        m.d.sync += [self.sample.eq(sampled.xor()), self.sample_valid.eq(0), cycle.eq(cycle + 1)]
        with m.If(cycle == self.sample_cycles - 1):
            m.d.sync += [self.sample_valid.eq(1), cycle.eq(0)]
        return m
