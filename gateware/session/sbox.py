# SPDX-License-Identifier: Apache-2.0
"""The substitution of bytes in AES, in block RAM."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

LATENCY_CYCLES = 2


def _times(a: int, b: int) -> int:
    """The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1: FIPS 197, 4.2."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substitute(byte: int) -> int:
    """FIPS 197, 5.1.1: the inverse, which is the power of 254, then an affine map."""
    inverse = 1
    for _ in range(254):
        inverse = _times(inverse, byte)
    rotations = (inverse * 0x101 >> 8 - turn & 0xFF for turn in range(5))
    result = 0x63
    for rotation in rotations:
        result ^= rotation
    return result


SBOX = [_substitute(byte) for byte in range(256)]


class SubBytes(wiring.Component):
    """Substitutes bytes, or lets them pass.

    Two bytes share a dual-ported block RAM. Its upper half holds every byte itself, so that to pass is an address bit, and
    takes as long.

    Args:
        count: of bytes, even.

    Members:
        i: bytes; ``skip``: let them pass. ``o``: 2 cycles later.

    Constant time: no path depends on the data. Standard: FIPS 197, 5.1.1.
    """

    i: Signal
    skip: Signal
    o: Signal

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__({"i": In(8 * count), "skip": In(1), "o": Out(8 * count)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for pair in range(self.count // 2):
            m.submodules[f"table_{pair}"] = table = Memory(shape=8, depth=512, init=[*SBOX, *range(256)])
            for number in (2 * pair, 2 * pair + 1):
                read, found = table.read_port(), Signal(8, name=f"found_{number}", reset_less=True)
                m.d.comb += read.addr.eq(Cat(self.i.word_select(number, 8), self.skip))
                m.d.sync += found.eq(read.data)
                m.d.comb += self.o.word_select(number, 8).eq(found)
        return m
