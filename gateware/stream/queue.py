# SPDX-License-Identifier: Apache-2.0
"""A first-in, first-out queue in one memory."""

from amaranth import Module, Signal
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

REGISTERS = ("row", "near", "o")


class Queue(wiring.Component):
    """Keeps the order of what goes in.

    Args:
        shape: of an entry.
        depth: entries, a power of two.
        registers: behind the memory, each with an entry on its way out; 1 is enough for distributed RAM.

    Members:
        i: taken while there is room. ``o``: registered.
        level: entries in the memory, up to ``depth``.

    Latency ``registers`` + 1 cycles; one entry per cycle in and out. Reset empties it.

    The memory is read without a clock and registered, and both enables come straight from the pointers: so Yosys can show
    that no address is read while it is written, and needs no bypass around a block RAM. That register becomes the block
    RAM's own, which is slow to come out: hence two behind it, one to be near the block RAM and one near what it is for.
    """

    i: stream.Interface
    o: stream.Interface
    level: Signal

    def __init__(self, shape: ShapeLike, depth: int, registers: int = len(REGISTERS)) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth}")
        if not 1 <= registers <= len(REGISTERS):
            raise ValueError(f"there are 1 to {len(REGISTERS)} registers, not {registers}")
        self.shape = shape
        self.depth = depth
        self.registers = registers
        super().__init__(
            {"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "level": Out(range(depth + 1))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self.shape, depth=self.depth, init=[])
        write, read = entries.write_port(), entries.read_port(domain="comb")
        head, tail = Signal(range(2 * self.depth)), Signal(range(2 * self.depth))
        full, takes, gives = Signal(), Signal(), Signal()
        registers = [Signal(self.shape, reset_less=True, name=name) for name in REGISTERS[-self.registers :]]
        valids = [*(Signal() for _ in range(self.registers - 1)), self.o.valid]
        frees = [Signal() for _ in range(self.registers)]
        m.d.comb += full.eq((head ^ tail) == self.depth)
        ready: Value = self.o.ready
        for free, valid in zip(reversed(frees), reversed(valids), strict=True):
            m.d.comb += free.eq(ready | ~valid)
            ready = free
        m.d.comb += [
            takes.eq(self.i.valid & ~full),
            gives.eq((head != tail) & frees[0]),
            self.i.ready.eq(~full),
            self.o.payload.eq(registers[-1]),
            self.level.eq(tail - head),
            write.addr.eq(tail[:-1]),
            write.data.eq(self.i.payload),
            write.en.eq(takes),
            read.addr.eq(head[:-1]),
        ]
        with m.If(takes):
            m.d.sync += tail.eq(tail + 1)
        with m.If(gives):
            m.d.sync += [registers[0].eq(read.data), head.eq(head + 1)]
        with m.If(frees[0]):
            m.d.sync += valids[0].eq(gives)
        for at in range(1, len(registers)):
            with m.If(frees[at]):
                m.d.sync += [registers[at].eq(registers[at - 1]), valids[at].eq(valids[at - 1])]
        return m
