# SPDX-License-Identifier: Apache-2.0
"""Counts down the lifetimes of associations."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.session.memories import DISTRIBUTED

LIFETIME_BITS = 32


class Lifetimes(wiring.Component):
    """Says when the time of an association is over.

    Args:
        count: of associations, a power of two.
        tick_cycles: clock cycles in a tick, at least four times as many as there are associations.

    Members:
        valid, number, ticks: set a lifetime; 0: no end. Holds until it is ``taken``, at most 3 * ``count`` cycles later,
            and as many more as there are pauses.
        pause: nothing is over in this cycle.
        over, expired: for one cycle, the number of one whose time is over: no earlier than ``ticks`` - 1 ticks after it was
            set, and no later than ``ticks``.

    Reset: what has been set is forgotten within ``count`` cycles; nothing is over before.
    """

    valid: Signal
    number: Signal
    ticks: Signal
    taken: Signal
    pause: Signal
    over: Signal
    expired: Signal

    def __init__(self, count: int, tick_cycles: int) -> None:
        self.count = count
        self.tick_cycles = tick_cycles
        super().__init__(
            {
                "valid": In(1),
                "number": In(range(count)),
                "ticks": In(LIFETIME_BITS),
                "taken": Out(1),
                "pause": In(1),
                "over": Out(1),
                "expired": Out(range(count)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.left = left = Memory(shape=LIFETIME_BITS, depth=self.count, init=[], attrs=DISTRIBUTED)
        write, read = left.write_port(), left.read_port(domain="comb")
        cycle, place, visits, clears = (
            Signal(range(self.tick_cycles)),
            Signal(range(self.count)),
            Signal(),
            Signal(init=1),
        )
        ends = cycle == self.tick_cycles - 1
        # Each is visited once in a tick, those without an end as well, for three cycles: what is left is read, then looked
        # at, then counted.
        visiting, looks, counts = Signal(), Signal(), Signal()
        ticks, some, last = Signal(LIFETIME_BITS), Signal(), Signal()
        m.d.comb += visiting.eq(visits & ~clears)
        m.d.sync += [
            looks.eq(visiting & ~looks & ~counts),
            counts.eq(visiting & (looks | (counts & self.pause))),
            ticks.eq(read.data),
            some.eq(ticks != 0),
            last.eq(ticks == 1),
        ]
        m.d.sync += cycle.eq(Mux(ends, 0, cycle + 1))
        m.d.comb += [
            read.addr.eq(place),
            self.taken.eq(self.valid & ~visits & ~clears),
            write.addr.eq(Mux(self.taken, self.number, place)),
            write.data.eq(Mux(self.taken, self.ticks, Mux(clears, 0, ticks - 1))),
            write.en.eq(self.taken | clears | (counts & ~self.pause & some)),
            self.over.eq(counts & ~self.pause & last),
            self.expired.eq(place),
        ]
        with m.If(clears | (counts & ~self.pause)):
            m.d.sync += place.eq(place + 1)
            with m.If(place == self.count - 1):
                m.d.sync += [visits.eq(0), clears.eq(0)]
        with m.If(ends):
            m.d.sync += visits.eq(1)
        return m
