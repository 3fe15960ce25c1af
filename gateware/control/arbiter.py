# SPDX-License-Identifier: Apache-2.0
"""Several who ask for registers, and several who have them."""

from collections.abc import Collection, Sequence

from amaranth import Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gateware.control.access import AccessInterface, AccessSignature

PAGE_BITS = 8
PAGE_WORDS = 1 << PAGE_BITS


class Arbiter(wiring.Component):
    """Lets one of several ask at a time.

    Args:
        masters: how many ask, at least 2.

    Members:
        i: from each master.
        o: what they ask; the next request waits for the reply of the last.

    Latency: none for a master whose turn it is; the turn goes on by one in every cycle in which it is not used, and after
    every reply, so that nobody waits for more than one access of each other. Reset forgets who waits for a reply.
    """

    i: Sequence[AccessInterface]
    o: AccessInterface

    def __init__(self, masters: int) -> None:
        self.masters = masters
        super().__init__({"i": In(AccessSignature()).array(masters), "o": Out(AccessSignature())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn, waits = Signal(range(self.masters)), Signal()
        o, asked = self.o, Signal()
        with m.Switch(turn):
            for at, i in enumerate(self.i):
                with m.Case(at):
                    m.d.comb += [
                        asked.eq(i.request.valid),
                        o.request.payload.eq(i.request.payload),
                        o.request.valid.eq(i.request.valid & ~waits),
                        i.request.ready.eq(o.request.ready & ~waits),
                        i.reply.payload.eq(o.reply.payload),
                        i.reply.valid.eq(o.reply.valid & waits),
                        o.reply.ready.eq(i.reply.ready & waits),
                    ]
        through = Signal()
        m.d.comb += through.eq(o.reply.valid & o.reply.ready)
        with m.If(o.request.valid & o.request.ready):
            m.d.sync += waits.eq(1)
        with m.If(through):
            m.d.sync += waits.eq(0)
        with m.If(through | ~(asked | waits)):
            m.d.sync += turn.eq(_next(turn, self.masters))
        return m


class Router(wiring.Component):
    """Takes an access to the one of two who has the register.

    Args:
        pages: of `PAGE_WORDS` words, those of the second; the first has all others.

    Members:
        i: who asks.
        o: of the first and of the second.

    Latency: none. One access at a time. Reset forgets who owes a reply.
    """

    i: AccessInterface
    o: Sequence[AccessInterface]

    def __init__(self, pages: Collection[int]) -> None:
        self.pages = sorted(pages)
        super().__init__({"i": In(AccessSignature()), "o": Out(AccessSignature()).array(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, second, asked = self.i, Signal(), Signal()
        m.d.comb += second.eq(i.request.payload.address[PAGE_BITS:].matches(*self.pages))
        with m.If(i.request.valid & i.request.ready):
            m.d.sync += asked.eq(second)
        for at, o in enumerate(self.o):
            m.d.comb += [
                o.request.payload.eq(i.request.payload),
                o.request.valid.eq(i.request.valid & (second == at)),
                o.reply.ready.eq(i.reply.ready & (asked == at)),
            ]
            with m.If(second == at):
                m.d.comb += i.request.ready.eq(o.request.ready)
            with m.If(asked == at):
                m.d.comb += [i.reply.payload.eq(o.reply.payload), i.reply.valid.eq(o.reply.valid)]
        return m


def _next(turn: Signal, count: int) -> Value:
    return (turn + 1) % count if count & (count - 1) else (turn + 1)[: len(turn)]
