# SPDX-License-Identifier: Apache-2.0
"""Options layer of the parser: those of TCP, RFC 9293 section 3.1."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import LayerInterface, LayerSignature, SectionInterface, SectionSignature, begins
from gateware.scrubber.layouts import OPTIONS, POLICY, TRANSPORT
from gateware.scrubber.split import HeaderSplit, write_section
from gateware.scrubber.stages import FLAGS, MAX_OPTIONS, WalkStages
from gateware.scrubber.walk import START, WALK, conclude, decode, step

SPACING_CYCLES = {8: 5, 64: 1}
"""So far apart, with several lanes, are two frames' ``found`` at least. With 8, that of a frame comes, beside what the
layers take, up to 4 cycles after its last beat, which may wait for a cycle in each layer; that of the next frame no sooner
than 9 cycles after the same beat: with its own ninth beat or, if it ends early, 2 cycles after its last one, which the
Ethernet layer holds back until 7 have passed."""


class OptionsLayer(wiring.Component):
    """Takes the options off a TCP segment and reads them.

    With one lane the walk goes along with the bytes; with more it is a pipeline, of as many stages as it takes for how
    close frames can come to each other. Should one come closer yet, the frame before it is malformed.

    What is found in options that the frame ends in the middle of means nothing.

    Members:
        i: frames from the options on, with the `TRANSPORT` found; with one lane, two cycles
            or more apart, as they are without their Ethernet headers.
        section: the options as they came.
        o: the payload.
        found_valid, found: one `OPTIONS` per frame.

    Latency 3 cycles; of ``found`` one more, and with several lanes that of `WalkStages`. One beat per cycle.
    """

    i: LayerInterface
    policy: data.View
    section: SectionInterface
    o: LayerInterface
    found_valid: Signal
    found: data.View

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(LayerSignature(lanes, TRANSPORT)),
                "policy": In(POLICY),
                "section": Out(SectionSignature(lanes)),
                "o": Out(LayerSignature(lanes, TRANSPORT)),
                "found_valid": Out(1),
                "found": Out(OPTIONS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        capture = 0 if self.lanes == 1 else MAX_OPTIONS
        m.submodules.split = split = HeaderSplit(
            self.lanes, TRANSPORT, capture, range(0, MAX_OPTIONS + 1, 4), self.lanes == 1
        )
        wiring.connect(m, wiring.flipped(self.i), split.i)
        m.d.comb += split.length.eq(split.meta.options)
        write_section(m, split, self.section, split.length, {}, {})
        m.d.comb += [self.o.valid.eq(split.o_valid), self.o.payload.eq(split.o_payload)]
        if self.lanes == 1:
            m.d.comb += self.o.meta.eq(split.found.meta)
            self._serial(m, split)
        else:
            with m.If(split.found_valid):
                m.d.sync += self.o.meta.eq(split.found.meta)
            self._pipeline(m, split)
        return m

    def _serial(self, m: Module, split: HeaderSplit) -> None:
        """The walk comes one cycle after the held byte."""
        walk, before = Signal(WALK), Signal(WALK)
        first, starts, fresh, moves = begins(m, split.i), Signal(), Signal(), Signal()
        with m.If(split.i.valid):
            m.d.sync += starts.eq(first)
        m.d.sync += [fresh.eq(starts), moves.eq(split.new)]
        byte = decode(m, split.held.data[0], split.index < split.length, split.index + 1)
        m.d.comb += [before.eq(walk), before.state.eq(Mux(fresh, START, walk.state.as_value()))]
        after = step(m, before, byte)
        with m.If(moves):
            m.d.sync += walk.eq(after)
            with m.If(fresh):
                m.d.sync += [total.eq(0) for total in walk.sack_sums]
        done, flags = Signal(), Signal(FLAGS)
        m.d.sync += [done.eq(split.found_valid), flags.syn.eq(split.found.meta.syn), flags.rst.eq(split.found.meta.rst)]
        self._conclude(m, done, walk, flags)

    def _pipeline(self, m: Module, split: HeaderSplit) -> None:
        found = split.found
        m.submodules.stages = stages = WalkStages(SPACING_CYCLES[self.lanes])
        m.d.comb += [
            stages.valid.eq(split.found_valid),
            stages.captured.eq(found.captured),
            stages.length.eq(found.length),
            stages.flags.syn.eq(found.meta.syn),
            stages.flags.rst.eq(found.meta.rst),
        ]
        self._conclude(m, stages.o_valid, stages.walk, stages.o_flags)
        with m.If(stages.mixed):
            m.d.sync += self.found.malformed.eq(1)

    def _conclude(self, m: Module, valid: Value, walk: data.View, flags: data.View) -> None:
        m.d.sync += self.found_valid.eq(valid)
        for member, value in conclude(walk, flags.syn, flags.rst, self.policy.mss).items():
            m.d.sync += self.found[member].eq(value)
