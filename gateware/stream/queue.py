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
        depth: entries, a power of two; two more are on their way out.

    Members:
        i: taken while there is room. ``o``: registered.
        level: entries in the memory, up to ``depth``.

    Latency 4 cycles; one entry per cycle in and out. Reset empties it.

    The memory is read without a clock and registered, and both enables come straight from the pointers: so Yosys can show
    that no address is read while it is written, and needs no bypass around a block RAM. That register becomes the block
    RAM's own, which is slow to come out: hence two behind it, one to be near the block RAM and one near what it is for.
    """

    i: stream.Interface
    o: stream.Interface
    level: Signal

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
        row, near, o = (Signal(self.shape, reset_less=True, name=name) for name in ("row", "near", "o"))
        row_valid, near_valid, row_free, near_free, o_free = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            full.eq((head ^ tail) == self.depth),
            o_free.eq(self.o.ready | ~self.o.valid),
            near_free.eq(o_free | ~near_valid),
            row_free.eq(near_free | ~row_valid),
            takes.eq(self.i.valid & ~full),
            gives.eq((head != tail) & row_free),
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
            m.d.sync += [row.eq(read.data), head.eq(head + 1)]
        with m.If(row_free):
            m.d.sync += row_valid.eq(gives)
        with m.If(near_free):
            m.d.sync += [near.eq(row), near_valid.eq(row_valid)]
        with m.If(o_free):
            m.d.sync += [o.eq(near), self.o.valid.eq(near_valid)]
        return m
