# SPDX-License-Identifier: Apache-2.0
"""The options walk of segments whose options come several bytes at once, as a pipeline."""

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.walk import START, WALK, decode, step

MAX_OPTIONS = 40
FLAGS = data.StructLayout({"syn": 1, "rst": 1})
ITEM = data.StructLayout({"value": 8, "inside": 1})
SKEW_CYCLES = 2
"""The walk is so far behind the window: a byte is picked, then decoded."""


class WalkStages(wiring.Component):
    """Walks along the options of segments that come at least ``spacing`` cycles apart.

    A stage keeps a segment for ``spacing`` cycles and walks a byte in each but the last, so that it hands on what stands
    in registers. With a spacing of 1 it walks one byte, and hands on what comes out of the step.

    Args:
        spacing: in cycles; 1, or such that one less divides 40.

    Members:
        valid, captured, length, flags: the options of a segment, and how many bytes of them count, a multiple of 4.
        o_valid, walk, o_flags: the same segment's walk, 40 / max(1, spacing - 1) * spacing + 3 cycles later.
        mixed: the next segment came too early and has spoilt this walk; its own is right.
    """

    valid: Signal
    captured: data.View
    length: Signal
    flags: data.View
    o_valid: Signal
    walk: data.View
    o_flags: data.View
    mixed: Signal

    def __init__(self, spacing: int) -> None:
        self.spacing = spacing
        self.share = max(1, spacing - 1)
        assert MAX_OPTIONS % self.share == 0
        super().__init__(
            {
                "valid": In(1),
                "captured": In(data.ArrayLayout(8, MAX_OPTIONS)),
                "length": In(range(MAX_OPTIONS + 1)),
                "flags": In(FLAGS),
                "o_valid": Out(1),
                "walk": Out(WALK),
                "o_flags": Out(FLAGS),
                "mixed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = MAX_OPTIONS // self.share
        end = self.spacing * stages + SKEW_CYCLES + 1
        behind = Signal(end)
        m.d.sync += behind.eq(Cat(self.valid, behind))
        loads = Cat(self.valid, behind)

        window = Signal(data.ArrayLayout(ITEM, MAX_OPTIONS), name="window_start")
        for at in range(MAX_OPTIONS):
            m.d.comb += [window[at].value.eq(self.captured[at]), window[at].inside.eq(self.length[2:] > at // 4)]
        walk, flags = Signal(WALK, name="walk_start"), self.flags
        m.d.comb += walk.state.eq(START)
        for cycle in range(SKEW_CYCLES):
            flags = self._register(m, f"flags_start_{cycle}", flags)
        for stage in range(stages):
            start, name = self.spacing * stage, f"_{stage}"
            items = self._hold(m, f"window{name}", window, loads[start])
            byte = self._bytes(m, stage, items, loads[start])
            window = data.View(data.ArrayLayout(ITEM, len(items) - self.share), items.as_value()[9 * self.share :])
            walk = self._walk(m, name, walk, byte, loads[start + SKEW_CYCLES])
            flags = self._hold(m, f"flags{name}", flags, loads[start + SKEW_CYCLES])
        m.d.sync += [self.walk.eq(walk), self.o_flags.eq(flags)]
        m.d.comb += [self.o_valid.eq(loads[end]), self.mixed.eq(loads[end - self.spacing + 1 : end].any())]
        return m

    @staticmethod
    def _register(m: Module, name: str, value: data.View) -> data.View:
        register = Signal(value.shape(), name=name)
        m.d.sync += register.eq(value)
        return register

    def _hold(self, m: Module, name: str, value: data.View, load: Value) -> data.View:
        """What came with the segment, for as long as it is in the stage."""
        if self.spacing == 1:
            return self._register(m, name, value)
        register = Signal(value.shape(), name=name)
        with m.If(load):
            m.d.sync += register.eq(value)
        return register

    def _bytes(self, m: Module, stage: int, items: data.View, load: Value) -> data.View:
        """The stage's bytes one after the other; the walk can take the first `SKEW_CYCLES` after ``load``'s cycle."""
        count, item = Signal(range(self.spacing), name=f"count_{stage}"), Signal(ITEM, name=f"item_{stage}")
        following = Signal(6, name=f"following_{stage}")
        m.d.sync += count.eq(count + 1)
        with m.If(load):
            m.d.sync += count.eq(0)
        with m.Switch(count):
            for at in range(self.share):
                with m.Default() if at == self.share - 1 else m.Case(at):
                    m.d.sync += [item.eq(items[at]), following.eq(self.share * stage + at + 1)]
        return decode(m, item.value, item.inside, following, name=f"byte_{stage}")

    def _walk(self, m: Module, name: str, arriving: data.View, byte: data.View, load: Value) -> data.View:
        """The walk to hand on."""
        walk = Signal(WALK, name=f"walk{name}")
        after = step(m, walk, byte, name=f"after{name}")
        if self.spacing == 1:
            m.d.sync += walk.eq(arriving)
            return after
        m.d.sync += walk.eq(after)
        with m.If(load):
            m.d.sync += walk.eq(arriving)
        return walk
