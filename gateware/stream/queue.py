# SPDX-License-Identifier: Apache-2.0
"""A first-in, first-out queue in one memory."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """Keeps the order of what goes in.

    Args:
        shape: of an entry.
        depth: entries, a power of two; one more is in the output register.

    Members:
        i: taken while there is room. ``o``: registered.
        level: entries in the memory, up to ``depth``.

    Latency 2 cycles; one entry per cycle in and out. Reset empties it.

    The memory is read without a clock and registered, and both enables come straight from the pointers: so Yosys can show
    that no address is read while it is written, and needs no bypass around a block RAM.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth}")
        self.shape = shape
        self.depth = depth
        super().__init__(
            {"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "level": Out(range(depth + 1))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self.shape, depth=self.depth, init=[])
        write, read = entries.write_port(), entries.read_port(domain="comb")
        head, tail = Signal(range(2 * self.depth)), Signal(range(2 * self.depth))
        full, takes, gives = Signal(), Signal(), Signal()
        o = Signal(self.shape, reset_less=True)
        m.d.comb += [
            full.eq((head ^ tail) == self.depth),
            takes.eq(self.i.valid & ~full),
            gives.eq((head != tail) & (self.o.ready | ~self.o.valid)),
            self.i.ready.eq(~full),
            self.o.payload.eq(o),
            self.level.eq(tail - head),
            write.addr.eq(tail[:-1]),
            write.data.eq(self.i.payload),
            write.en.eq(takes),
            read.addr.eq(head[:-1]),
        ]
        with m.If(takes):
            m.d.sync += tail.eq(tail + 1)
        with m.If(gives):
            m.d.sync += [o.eq(read.data), head.eq(head + 1), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
