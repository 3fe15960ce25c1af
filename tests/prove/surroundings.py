# SPDX-License-Identifier: Apache-2.0
"""What surrounds a `Sealer` or an `Opener` that something is proven of.

The decision on frames, packet numbers, associations and the search for channels are the unit's own. In the place of intake,
engine and way out are ports that the solver drives, and of each memory one row is kept, whichever it is: so what holds for
one association holds for all. Assumed is what others promise:

- `Session` (proven, see `registers`): a load only while the direction is ready, its number the same a cycle before, with a
  packet number that fits; both hold until the load is done.
- `KeyLoader` (proven, see `keys`): a load takes some cycles; in fact hundreds.
- `Queue` (proven): frames leave the list of plans in their order, and as they came in.
"""

from typing import Any

from amaranth import Mux, Signal
from amaranth.hdl import Cat, Value

from custodes.macsec import AN_BITS
from gateware.session import associations, channels, direction, numbers, opener, peers
from gateware.session.direction import Direction

from .associations import Inside, Life
from .cut import Cut, OneRow, drive_inputs, drive_outputs, hollow
from .harness import Harness
from .keys import LOAD_CYCLES

DECIDING_CYCLES = 6
"""From the end of a search to the decision."""
STALE_CYCLES = 3
"""A frame is decided on by whether its association was usable so long ago at most."""
QUEUE_OUT = 3
"""Entries of a queue that are on their way out of it."""


class Environment:
    """A `Sealer` or `Opener`, as ``unit``, whose surroundings the solver drives.

    Members:
        tag, life: one association, whichever it is, and what it has gone through.
        inside, given: a frame that the solver marks, of that association once the engine is told to use its key for it;
            the engine is told so for some frame.
        ends: that frame's end is decided on.
        usable: whether ``life`` was usable in each of the last cycles.
        dead: it has been dead for so long that this must show.
        pn: the association's packet number, as it is kept or on its way there.
        plans: how many frames have been decided on and are inside.
        recent: whether a search ended in each of the last cycles, the last one first.
        load_age: for how many cycles a load has been under way, as far as that matters.
    """

    def __init__(self, h: Harness, unit: type[Direction], lanes: int, channel_count: int) -> None:
        self.lanes = lanes
        count = channel_count << AN_BITS
        outside = ("Intake", "Gcm", "Assembly", "Feeder", "SessionCounters", "Gate", "Queue")
        hollows = {name: hollow(getattr(direction, name)) for name in outside}
        self.cut = Cut(
            lambda: unit(lanes, channel_count),
            {
                direction: hollows,
                channels: {"Memory": OneRow},
                opener: {"Queue": hollows["Queue"]},
                associations: {"Memory": OneRow},
                numbers: {"Memory": OneRow},
                peers: {"Memory": OneRow},
            },
            watched=[direction, associations, numbers, peers],
        )
        m = h.m
        self.dut = dut = h.device(lambda: self.cut.dut)
        self.tag = h.constant(range(count), "tag")
        drive_inputs(h, dut, besides=("i", "o"))
        for name in outside:
            for number, part in enumerate(self.cut.made[name]):
                drive_outputs(h, part, f"{name}_{number}", besides=("i",) if name == "Intake" else ())
        for number, memory in enumerate(self.cut.made["Memory"]):
            m.d.comb += [
                memory.tag.eq(self.tag if memory.depth == count else 0),
                memory.others.eq(h.free(len(memory.others), f"others_{number}")),
            ]
        self.plans, self.recent = Signal(range(2 * direction.FRAMES[lanes] + 1)), Signal(DECIDING_CYCLES)
        self.load_age = Signal(range(LOAD_CYCLES + 1))
        self._assume_plans(h)
        h.assume(h.held(dut.intake.record))

        self._assume_loads(h)
        frame = dut.engine_frames.i
        self.pn = Signal(dut.numbers.bits)
        kept = next(memory for memory in self.cut.made["Memory"] if memory.shape == dut.numbers.bits)
        writes, number, value = (
            self.cut.signals[f"PacketNumbers.elaborate.{name}"] for name in ("writes", "write_number", "value")
        )
        m.d.comb += self.pn.eq(Mux(dut.narrow & writes & (number == self.tag), value, kept.row))
        self.life, self.given, self.marked = Life(h, dut.associations, self.tag), Signal(), Signal(DECIDING_CYCLES)
        m.d.comb += self.given.eq(frame.valid & (frame.payload.key == self.tag))
        self.inside = Inside(h, self.life, dut.table.ends, self.marked[-1] & self.given)
        self.usable, self.dead, self.ends = Signal(STALE_CYCLES), Signal(), Signal()
        dead = Signal(2)
        m.d.comb += self.dead.eq(dead[1] if dut.narrow else dead[0])
        m.d.sync += [
            self.marked.eq(Cat(self.inside.marks, self.marked)),
            self.usable.eq(Cat(self.life.usable, self.usable)),
            dead.eq(Cat(self.life.dead, dead)),
        ]
        verdict = dut.gate.verdict
        next_out = dut.plans.o.valid & self.inside.ours & (self.inside.position == 1)
        m.d.comb += self.ends.eq(next_out & verdict.valid & verdict.ready)
        self._follow_plan(h)

    def _assume_loads(self, h: Harness) -> None:
        """A load comes while the direction is ready, its number a cycle before.

        Its number and PN stay until it is done, and that takes some cycles.
        """
        m, pn = h.m, Signal(64)
        control, unit = self.dut.control, self.dut.associations
        number = Signal.like(control.number)
        m.d.sync += number.eq(control.number)
        h.assume(~control.load_valid | (control.ready & (control.number == number)))
        h.assume(~control.load_valid | control.suite[1] | (control.pn[32:] == 0))
        h.assume(~control.load_valid | (control.pn != 0) | self.dut.opens)
        with m.If(control.load_valid):
            m.d.sync += [pn.eq(control.pn), self.load_age.eq(0)]
        with m.Elif(unit.loading & (self.load_age != LOAD_CYCLES)):
            m.d.sync += self.load_age.eq(self.load_age + 1)
        h.assume(~unit.loading | ((control.number == unit.order.payload.key) & (control.pn == pn)))
        h.assume(~(unit.loading & unit.order.ready) | (self.load_age == LOAD_CYCLES))

    def _assume_plans(self, h: Harness) -> None:
        """Plans are as many as have been decided on, and not only those that are on their way out wait."""
        dut, plans = self.dut, self.dut.plans
        gone = plans.o.valid & plans.o.ready
        h.m.d.sync += [
            self.plans.eq(self.plans + plans.i.valid - gone),
            self.recent.eq(Cat(dut.table.ends, self.recent)),
        ]
        h.assume(h.held(plans.o))
        h.assume(~plans.o.valid | (self.plans != 0))
        h.assume((plans.level <= self.plans) & (self.plans <= plans.level + QUEUE_OUT))

    def _follow_plan(self, h: Harness) -> None:
        """The marked frame is decided on in its turn; then its plan is the one that it gets, after those before it."""
        plans, recent, inside, marked = self.dut.plans, self.recent, self.inside, self.marked
        self.plan: Any = Signal(plans.i.payload.shape())
        with h.m.If(marked[-1]):
            h.m.d.sync += self.plan.eq(plans.i.payload)
        h.assume(~(plans.o.valid & inside.valid & (inside.position == 1)) | (plans.o.payload == self.plan))
        h.lemma(inside.valid | ~marked.any())
        h.lemma(~inside.ours | (~marked.any() & (self.plan.reason == 0) & (self.plan.number == self.tag)))
        h.lemma(~inside.valid | marked.any() | (inside.position <= self.plans))
        for age in range(DECIDING_CYCLES):
            ahead = sum(recent[age:], Value.cast(0))
            h.lemma(~marked[age] | (recent[age] & (inside.position == self.plans + ahead)))

    def check(self, h: Harness) -> None:
        """Every frame inside is either being decided on or among the plans."""
        dut, inner = self.dut, self.cut.signals
        self.life.check(h)
        self.inside.check(h)
        self.life.check_inside(h, inner)
        self.inside.check_inside(h, inner)
        h.lemma(dut.plans.i.valid == self.recent[-1])
        h.lemma(dut.associations.inside == self.plans + sum(self.recent, Value.cast(0)))
        searches = inner["Direction._admit.searches"]
        searching = searches if dut.narrow else dut.table.under_way
        h.lemma(~dut.table.under_way | searching)
        h.lemma(dut.associations.inside + searching <= dut.plans.depth)
        most = dut.plans.depth - direction.DECIDING + QUEUE_OUT
        h.lemma(~inner["Direction._admit.roomy"] | (self.plans <= most))
        h.lemma(~inner["Direction._admit.begins"] | (self.plans <= most + 1))
        h.lemma(inner["Direction._decide.valids"] == self.recent)
        row, rows = inner["PeerTable.elaborate.row"], self.dut.table.rows
        settles = direction.SETTLING_CYCLES if dut.narrow else 0
        # Where a search is begun from a register, it pauses for one more.
        pause = settles + dut.narrow
        h.lemma(inner["Direction._admit.settling"] == self.recent[: direction.SETTLING_CYCLES])
        h.lemma(~inner["Direction._admit.begins"] | (self.recent[:settles] == 0))
        if dut.narrow:
            h.lemma(~searches | ((self.recent[:pause] == 0) & dut.intake.record.valid))
        for age in range(DECIDING_CYCLES):
            # No search has ended soon after another, and the one under way has not been going on for longer.
            h.lemma(~self.recent[age] | (self.recent[max(0, age + 1 - rows - pause) : age] == 0))
            h.lemma(~self.recent[age] | (row <= max(0, age - pause)))
        mine = [channel.number == self.tag for channel in inner["Direction._decide.channels"]]
        if rows > 2:
            h.lemma(~(self.recent[-2] & mine[2] & inner["Direction._decide.usable"]) | self.usable[:2].any())
        passes = self.recent[-1] & (inner["Direction._decide.reason_then"] == 0) & mine[3]
        h.lemma(~passes | (self.life.loaded & self.usable.any()))
