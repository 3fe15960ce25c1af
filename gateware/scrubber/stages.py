# SPDX-License-Identifier: Apache-2.0
"""The options walk of segments whose options come several bytes at once, as a pipeline."""

from amaranth import Cat, Const, Module, Signal
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
        o_valid, walk, o_flags: the same segment's walk, later.
        mixed: the next segment came too early and has spoilt this walk; its own is right.

    Latency 53 cycles with a spacing of 5, 43 with one of 1; one segment per ``spacing`` cycles; never waits.
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
        self.stages = MAX_OPTIONS // self.share
        self.latency_cycles = spacing * self.stages + SKEW_CYCLES + 1
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
        end = self.latency_cycles
        before = Signal(end)
        passing = Cat(self.valid, before)
        m.d.sync += before.eq(passing)

        items: list[Value] = []
        for at in range(MAX_OPTIONS):
            item = Signal(ITEM, name=f"item_start_{at}")
            m.d.comb += [item.value.eq(self.captured[at]), item.inside.eq(self.length[2:] > at // 4)]
            items.append(item.as_value())
        window, flags = Cat(*items), self.flags.as_value()
        walk = Signal(WALK, name="walk_start")
        m.d.comb += walk.state.eq(START)
        for cycle in range(SKEW_CYCLES):
            flags = self._hold(m, f"flags_start_{cycle}", flags, Const(1))
        for stage in range(self.stages):
            at = self.spacing * stage
            load, load_walk = (passing[at], passing[at + SKEW_CYCLES]) if self.spacing > 1 else (Const(1), Const(1))
            window = self._hold(m, f"window_{stage}", window, load)
            byte, window = self._bytes(m, stage, window, load)
            walk = self._walk(m, stage, walk, byte, load_walk)
            flags = self._hold(m, f"flags_{stage}", flags, load_walk)
        m.d.sync += [self.walk.eq(walk), self.o_flags.eq(flags)]
        m.d.comb += [self.o_valid.eq(passing[end]), self.mixed.eq(passing[end - self.spacing + 1 : end].any())]
        return m

    @staticmethod
    def _hold(m: Module, name: str, value: Value, load: Value) -> Value:
        register = Signal(value.shape(), name=name)
        with m.If(load):
            m.d.sync += register.eq(value)
        return register

    def _bytes(self, m: Module, stage: int, window: Value, load: Value) -> tuple[data.View, Value]:
        """The stage's bytes one after the other, the first `SKEW_CYCLES` after its window is there, and the other items."""
        size, first = ITEM.size, self.share * stage
        count, item = Signal(range(self.spacing), name=f"count_{stage}"), Signal(ITEM, name=f"item_{stage}")
        following = Signal(range(MAX_OPTIONS + 1), name=f"following_{stage}")
        m.d.sync += count.eq(count + 1)
        with m.If(load):
            m.d.sync += count.eq(0)
        with m.Switch(count):
            for at in range(self.share):
                with m.Case(at) if at < self.share - 1 else m.Default():
                    m.d.sync += [item.eq(window[size * at : size * (at + 1)]), following.eq(first + at + 1)]
        return decode(m, item.value, item.inside, following, name=f"byte_{stage}"), window[size * self.share :]

    def _walk(self, m: Module, stage: int, arriving: data.View, byte: data.View, load: Value) -> data.View:
        """The walk to hand on."""
        walk = Signal(WALK, name=f"walk_{stage}")
        after = step(m, walk, byte, name=f"after_{stage}")
        m.d.sync += walk.eq(after)
        with m.If(load):
            m.d.sync += walk.eq(arriving)
        return walk if self.spacing > 1 else after
