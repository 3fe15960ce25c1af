# SPDX-License-Identifier: Apache-2.0
"""The memories of the flow table."""

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.session.memories import NO_BYPASS


class Rows(wiring.Component):
    """A block RAM with a port to read and one to write.

    Args:
        shape: of a row.
        depth: rows.
        attrs: what Yosys is told of it besides.

    Members:
        address: of the row to read; ``o``: the row 2 cycles later.
        write, write_address, write_row: a row to replace. What is read in that cycle from that address is not to be used.
    """

    address: Signal
    o: data.View
    write: Signal
    write_address: Signal
    write_row: data.View

    def __init__(self, shape: ShapeLike, depth: int, attrs: Mapping[str, Any] = {}) -> None:
        self.shape = shape
        self.depth = depth
        self.attrs = NO_BYPASS | {**attrs}
        super().__init__(
            {
                "address": In(range(depth)),
                "o": Out(shape),
                "write": In(1),
                "write_address": In(range(depth)),
                "write_row": In(shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.rows = rows = Memory(shape=self.shape, depth=self.depth, init=[], attrs=self.attrs)
        read, write = rows.read_port(domain="comb"), rows.write_port()
        row, o = Signal(self.shape, reset_less=True), Signal(self.shape, reset_less=True)
        m.d.comb += [
            read.addr.eq(self.address),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_row),
            write.en.eq(self.write),
            self.o.eq(o),
        ]
        m.d.sync += [row.eq(read.data), o.eq(row)]
        return m


def linear(value: Value, images: tuple[int, ...], bits: int) -> Value:
    """The lowest bits of the sum over GF(2) of the ``images`` of the bits that are set."""
    return Cat(Cat(value[at] for at, image in enumerate(images) if image >> bit & 1).xor() for bit in range(bits))
