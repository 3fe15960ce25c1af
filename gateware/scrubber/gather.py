# SPDX-License-Identifier: Apache-2.0
"""What is found out about a frame at different times, brought together."""

from collections.abc import Mapping
from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

DISTRIBUTED_DEPTH = 16
"""Up to this a memory is distributed RAM, which is soon there; else the block RAM's register has two more behind it, as in
`gateware.stream.Queue`."""


class Gather(wiring.Component):
    """Keeps findings, each of which comes once per frame and in order, until all of a frame are there.

    Args:
        findings: name -> shape.
        depth: frames of which there are findings, a power of two. One more would be mixed up with the first: whoever lets
            frames in sees to it that there are fewer.
        spacing: in cycles, how far apart frames are handed on at least.

    Members:
        valid, i: per finding, that it is here, and what it is.
        o_valid, o: all of a frame's, in order; they stay until the next frame's come.

    Latency after the last finding 3 cycles, or 2 with a spacing of 1; two more where the memories are deeper than
    `DISTRIBUTED_DEPTH`. Never waits. Reset forgets all frames.
    """

    valid: data.View
    i: data.View
    o_valid: Signal
    o: data.View

    def __init__(self, findings: Mapping[str, ShapeLike], depth: int, spacing: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth}")
        self.depth = depth
        self.spacing = spacing
        self.layout = data.StructLayout(dict(findings))
        super().__init__(
            {
                "valid": In(data.StructLayout(dict.fromkeys(findings, 1))),
                "i": In(self.layout),
                "o_valid": Out(1),
                "o": Out(self.layout),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        head = Signal(range(2 * self.depth))
        gives = Signal()
        here: list[Value] = []
        for name, member in self.layout.members.items():
            valid = self.valid[name]
            tail = Signal.like(head, name=f"tail_{name}")
            with m.If(valid):
                m.d.sync += tail.eq(tail + 1)
            m.submodules[name] = memory = Memory(shape=member, depth=self.depth, init=[])
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.addr.eq(tail[:-1]),
                write.data.eq(self.i[name]),
                write.en.eq(valid),
                read.addr.eq(head[:-1]),
            ]
            self._hand_on(m, name, gives, read.data)
            here.append(tail != head)
        complete = Cat(*here).all()
        if self.spacing == 1:
            m.d.comb += gives.eq(complete)
        else:
            # Whether all are there is said a cycle later, and of the frame before no more then.
            rest = Signal(range(self.spacing))
            with m.If(gives):
                m.d.sync += rest.eq(self.spacing - 1)
            with m.Elif(rest.any()):
                m.d.sync += rest.eq(rest - 1)
            m.d.sync += gives.eq(complete & ~gives & (rest[1:] == 0))
        with m.If(gives):
            m.d.sync += head.eq(head + 1)
        given = gives
        for at in range(self._registers):
            passed = Signal(name=f"passed_{at}")
            m.d.sync += passed.eq(given)
            given = passed
        m.d.comb += self.o_valid.eq(given)
        return m

    @property
    def _registers(self) -> int:
        return 1 if self.depth <= DISTRIBUTED_DEPTH else 3

    def _hand_on(self, m: Module, name: str, gives: Value, found: Any) -> None:
        row = Signal(self.layout[name].shape, reset_less=True, name=f"row_{name}")
        with m.If(gives):
            m.d.sync += row.eq(found)
        for at in range(1, self._registers):
            near = Signal.like(row, name=f"near_{name}_{at}")
            m.d.sync += near.eq(row)
            row = near
        m.d.comb += self.o[name].eq(row)
