# SPDX-License-Identifier: Apache-2.0
"""Associations: which may be used, and that no key is touched while a frame with it is inside."""

from typing import Any

from amaranth import Cat, Const, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data

from custodes.macsec import ASSOCIATIONS, Suite
from gateware.session import associations
from gateware.session.associations import Associations, Keeping

from .cut import Cut, OneRow, drive_inputs
from .harness import Harness, counter

INSIDE_MAX = 8


class Life:
    """What one association, the tagged one, has gone through, told from the ports of `Associations` alone.

    Members:
        rested: it is the one that has been asked about for two cycles.
        clean: its key has been overwritten since it was last loaded, if it ever was.
        pending: it is being loaded. ``loaded``: it has been.
        dead, spent: since its load began it has been zeroised, or exhausted.
        usable: it is to be used for what comes in.
        begins, order: it begins to be loaded; there is an order for it, which is ``taken``.
    """

    def __init__(self, h: Harness, unit: Any, tag: Value) -> None:
        m, order = h.m, unit.order
        self.unit, self.tag = unit, tag
        self.clean, self.pending, self.loaded = Signal(), Signal(), Signal()
        self.dead, self.spent = Signal(), Signal()
        self.begins, self.order, self.taken = Signal(), Signal(), Signal()
        self.rested, before = Signal(), Signal.like(unit.number)
        m.d.sync += before.eq(unit.number)
        m.d.comb += self.rested.eq((unit.number == tag) & (before == tag))
        self.usable = self.loaded & ~self.dead & ~self.spent
        m.d.comb += [
            self.begins.eq(unit.load_valid & (unit.number == tag)),
            self.order.eq(order.valid & (order.payload.key == tag)),
            self.taken.eq(self.order & order.ready),
        ]
        with m.If(unit.zeroise_valid & (unit.zeroise == tag)):
            m.d.sync += self.dead.eq(1)
        with m.If(unit.exhaust_valid & (unit.exhaust == tag)):
            m.d.sync += self.spent.eq(1)
        with m.If(self.begins):
            m.d.sync += [self.clean.eq(0), self.pending.eq(1), self.dead.eq(0)]
        with m.If(self.taken & order.payload.wipe):
            m.d.sync += [self.clean.eq(1), self.loaded.eq(0), self.spent.eq(0)]
        with m.If(self.taken & ~order.payload.wipe):
            m.d.sync += [self.pending.eq(0), self.loaded.eq(1)]

    def check(self, h: Harness) -> None:
        """What the unit says of it."""
        unit, order, tag = self.unit, self.unit.order.payload, self.tag
        h.check(~unit.fault)
        h.check(unit.alive.bit_select(tag, 1) == (self.loaded & ~self.dead))
        h.check(unit.usable.bit_select(tag, 1) == self.usable)
        h.check(~(unit.ready & self.rested) | self.clean)
        h.check((self.order & ~order.wipe) == self.pending)
        h.check(~(self.order & order.wipe) | ~(self.usable | self.clean))
        h.check(~self.clean | ~(self.loaded | self.pending))
        h.check(~self.loaded | ~self.pending)

    def check_inside(self, h: Harness, inner: dict[str, Any]) -> None:
        """What its registers say, by name, so that an induction starts where the unit can be."""
        tag = self.tag
        here = inner["Associations.elaborate.place"] == tag
        state = inner["Associations.elaborate.state"]
        h.lemma(sum((state == legal for legal in Keeping), Value.cast(0)) == 1)
        written = inner["Associations.elaborate.written"].bit_select(tag, 1)
        h.lemma((written | (here & (state == Keeping.LOAD))) == ~self.clean)
        h.lemma(~(self.clean & self.spent) & ~(self.pending & self.spent))
        h.lemma(~(here & (state == Keeping.DRAIN)) | ~(self.usable | self.clean))
        h.lemma(~self.pending | (inner["Associations.elaborate.zeroised"] == self.dead))


class Inside:
    """A frame that the solver marks when it comes in, and that may get the tagged association's key.

    Members:
        valid: it is inside, at ``position``: so many leave until it has.
        ours: the engine has been told to use the key for it.
        leaves: it leaves in this cycle.
    """

    def __init__(self, h: Harness, life: Life, enters: ValueLike, decided: ValueLike) -> None:
        m, unit = h.m, life.unit
        self.life, self.unit = life, unit
        self.valid, self.ours, self.leaves = Signal(), Signal(), Signal()
        self.position = Signal(len(unit.inside) + 1)
        self.marks = Signal()
        m.d.comb += [
            self.marks.eq(enters & ~self.valid & h.free(1, "mark")),
            self.leaves.eq(self.valid & unit.leaves & (self.position == 1)),
        ]
        with m.If(self.marks):
            m.d.sync += [self.valid.eq(1), self.ours.eq(0), self.position.eq(unit.inside - unit.leaves + 1)]
        with m.Elif(self.valid):
            m.d.sync += [
                self.valid.eq(~self.leaves),
                self.ours.eq((self.ours | decided) & ~self.leaves),
                self.position.eq(self.position - unit.leaves),
            ]

    def check(self, h: Harness) -> None:
        """While it is inside its key stays as it is."""
        h.check(~self.valid | (self.position.any() & (self.position <= self.unit.inside)))
        h.check(~self.ours | (self.valid & self.life.loaded & ~self.life.order))

    def check_inside(self, h: Harness, inner: dict[str, Any]) -> None:
        """What its registers say, by name: the key is not overwritten before the frame has left."""
        draining = (inner["Associations.elaborate.state"] == Keeping.DRAIN) & (
            inner["Associations.elaborate.place"] == self.life.tag
        )
        h.lemma(~(self.ours & draining) | (inner["Associations.elaborate.remaining"] >= self.position))


def _drive(h: Harness, dut: Any) -> Signal:
    """Any commands, any time that an order takes, any coming and going of frames; returns whether one comes.

    The environment keeps what `Session` and `Direction` promise: a load only while the unit is ready for it, its number a
    cycle before, and an association exhausted only in the cycle after it was usable.
    """
    drive_inputs(h, dut, besides=("inside",))
    enters, usable = h.free(1, "enters"), Signal(len(dut.usable))
    h.m.d.sync += [dut.inside.eq(dut.inside + enters - dut.leaves), usable.eq(dut.usable)]
    h.check(dut.inside <= dut.inside_max)
    h.assume(~dut.leaves | dut.inside.any())
    h.assume(~enters | (dut.inside != dut.inside_max) | dut.leaves)
    number = Signal.like(dut.number)
    h.m.d.sync += number.eq(dut.number)
    h.assume(~dut.load_valid | (dut.ready & (dut.number == number)))
    h.assume(~dut.exhaust_valid | usable.bit_select(dut.exhaust, 1))
    return enters


def _frame(h: Harness, life: Life, enters: Signal) -> Inside:
    """A frame gets the key in some cycle after one in which that was usable."""
    usable = Signal()
    h.m.d.sync += usable.eq(life.usable)
    return Inside(h, life, enters, usable & h.free(1, "decided"))


def associations_for_ever(h: Harness) -> None:
    """One of as many as there are."""
    cut = Cut(
        lambda: Associations(ASSOCIATIONS, INSIDE_MAX), {associations: {"Memory": OneRow}}, watched=[associations]
    )
    dut = h.device(lambda: cut.dut)
    enters = _drive(h, dut)
    tag = h.constant(range(ASSOCIATIONS), "tag")
    table = cut.made["Memory"][0]
    h.m.d.comb += [table.tag.eq(tag), table.others.eq(h.free(len(table.others), "others"))]
    life = Life(h, dut, tag)
    frame = _frame(h, life, enters)
    life.check(h)
    life.check_inside(h, cut.signals)
    frame.check(h)
    frame.check_inside(h, cut.signals)
    _cover(h, life, frame, loads=1)


def _cover(h: Harness, life: Life, frame: Inside, loads: int) -> None:
    loaded = counter(h, life.taken & ~life.unit.order.payload.wipe, "loaded", 2)
    h.cover((loaded == loads) & life.usable & frame.leaves & frame.ours)
    h.cover(frame.leaves & frame.ours & life.spent & ~life.dead)
    h.cover(frame.leaves & frame.ours & life.dead)
    h.cover(life.dead & life.pending)


def few_associations(h: Harness) -> None:
    """Two in all, few frames, narrow parameters: that every key is overwritten in time, and the rest of the ports."""
    count, inside_max = 2, 2
    layout = data.StructLayout({"suite": Suite, "ssci": 1, "salt": 1})
    small = {"PARAMETERS": layout, "CHOICE": 1}
    dut = h.device(lambda: Cut(lambda: Associations(count, inside_max), {associations: small}).dut)
    m, order = h.m, dut.order
    enters = _drive(h, dut)
    lives = [Life(h, dut, Const(tag)) for tag in range(count)]
    life = Life(h, dut, h.constant(range(count), "tag"))
    frame = _frame(h, life, enters)
    for each in lives:
        each.check(h)
    frame.check(h)

    h.check(h.held(order))
    h.check(dut.loading == (order.valid & ~order.payload.wipe))
    unused, recent = Signal(), Signal(2, init=3)
    m.d.comb += unused.eq((~lives[0].clean & ~lives[0].usable) | (~lives[1].clean & ~lives[1].usable))
    commands = dut.load_valid | dut.zeroise_valid | dut.exhaust_valid
    m.d.sync += recent.eq(Cat(unused | commands, recent))
    h.check(~unused | dut.busy)
    h.check(recent.any() | ~dut.busy)

    # As of the load that was last: what is read, and how long the key is.
    loaded = Signal(layout)
    with m.If(life.begins):
        m.d.sync += loaded.eq(dut.load)
    reads, reads_then = Signal(), Signal()
    m.d.sync += [reads.eq((dut.read == life.tag) & (life.pending | life.loaded)), reads_then.eq(reads & ~life.clean)]
    h.check(~reads_then | life.clean | (dut.parameters == loaded))
    h.check(~(life.order & life.pending) | (order.payload.short == ~loaded.suite[0]))

    # Unless something is loaded, an order waits, or frames are inside of which none leaves, this takes so many cycles.
    waits = Signal(8)
    stalls = dut.load_valid | dut.loading | (order.valid & ~order.ready) | (dut.inside.any() & ~dut.leaves)
    with m.If(life.clean | life.usable | dut.load_valid | dut.loading):
        m.d.sync += waits.eq(0)
    with m.Elif(~stalls):
        m.d.sync += waits.eq(waits + 1)
    h.check(waits <= count * (4 + inside_max))
    settled = Signal()
    m.d.sync += settled.eq(~unused)
    for each in lives:
        h.check(unused | ~settled | ~each.rested | (dut.ready == ~each.usable))
    _cover(h, life, frame, loads=2)
    h.cover(reads_then & ~life.clean & loaded.as_value().all() & life.usable)
    h.cover(waits == 2 * (2 + inside_max))
