# SPDX-License-Identifier: Apache-2.0
"""The end of the parser: payload, and what can only be known once a frame has ended."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.mask import Countdown
from gateware.scrubber.beat import (
    LayerInterface,
    LayerSignature,
    SectionInterface,
    SectionSignature,
    begins,
    layer_beat,
)
from gateware.scrubber.bytesum import ByteSum, sum_layout
from gateware.scrubber.layouts import NETWORK, TRANSPORT

END = data.StructLayout({"error": 1, "oversize": 1})
TAIL = data.StructLayout({"padding": 1, "too_short": 1})


class PayloadLayer(wiring.Component):
    """Cuts the payload at its end and sums it.

    Members:
        i: frames from the payload on, with the `TRANSPORT` found.
        section: the payload that will leave; empty where it is trimmed, zeros where it is blank.
        begins: a frame's first beat is here; ``i.meta`` is its description.
        sum_valid, sum: one sum per frame over the payload as it came.
        end_valid, end: how the frame ended, once per frame.

    Latency 2 cycles, of the sum one more than that of `ByteSum`; one beat per cycle.
    """

    i: LayerInterface
    section: SectionInterface
    begins: Signal
    sum_valid: Signal
    sum: data.View
    end_valid: Signal
    end: data.View

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "i": In(LayerSignature(lanes, TRANSPORT)),
                "section": Out(SectionSignature(lanes, counted=True)),
                "begins": Out(1),
                "sum_valid": Out(1),
                "sum": Out(sum_layout(lanes)),
                "end_valid": Out(1),
                "end": Out(END),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i = self.i.payload
        first = begins(m, self.i)
        m.d.comb += [
            self.begins.eq(self.i.valid & first),
            self.end_valid.eq(self.i.valid & i.last),
            self.end.error.eq(i.error),
            self.end.oversize.eq(i.oversize),
        ]

        # How much is left comes late: the beat is cut a cycle later.
        count = Countdown(m, "payload", self.lanes, self.i.valid, first, self.i.meta.payload)
        valid, beat, starts, trim, blank = Signal(), Signal(layer_beat(self.lanes)), Signal(), Signal(), Signal()
        m.d.sync += [
            valid.eq(self.i.valid),
            beat.eq(i),
            starts.eq(first),
            trim.eq(self.i.meta.trim),
            blank.eq(self.i.meta.blank),
        ]
        done, write, last = Signal(), Signal(), Signal()
        length = Signal(self.lanes.bit_length())  # nothing is written once it is negative
        m.d.comb += [
            last.eq(trim | count.ends | beat.last),
            write.eq(valid & (starts | ~done)),
            length.eq(Mux(count.left > self.lanes, self.lanes, count.left)),
        ]
        m.d.sync += self.section.valid.eq(write)
        with m.If(write):
            m.d.sync += [
                done.eq(last),
                self.section.payload.data.eq(Mux(blank, 0, beat.data.as_value())),
                self.section.payload.count.eq(Mux(trim, 0, length)),
                self.section.payload.last.eq(last),
            ]
        m.submodules.sum = unit = ByteSum(self.lanes)
        m.d.comb += [
            unit.valid.eq(valid),
            unit.bytes.eq(beat.data),
            unit.mask.eq(count.mask & beat.keep),
            unit.last.eq(beat.last),
            self.sum_valid.eq(unit.o_valid),
            self.sum.eq(unit.o),
        ]
        return m


class Tail(wiring.Component):
    """Watches what follows the network header: is it long enough, and is there anything past its end?

    Members:
        i: frames after the network header, with the `NETWORK` found.
        o_valid, o: one `TAIL` per frame: ``padding`` where the bytes past the end are not all zero or go on past the size
            of the smallest frame, ``too_short`` where the frame ends before the IP length does.

    Latency 3 cycles, one beat per cycle.
    """

    i: LayerInterface
    o_valid: Signal
    o: data.View

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"i": In(LayerSignature(lanes, NETWORK)), "o_valid": Out(1), "o": Out(TAIL)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, lanes = self.i.payload, self.lanes
        first = begins(m, self.i)
        # How much is left comes late: each byte is looked at a cycle later, and all of them after another one.
        end = Countdown(m, "end", lanes, self.i.valid, first, self.i.meta.length)
        minimum = Countdown(m, "minimum", lanes, self.i.valid, first, self.i.meta.before_minimum)
        valid, starts, last = Signal(2), Signal(2), Signal(2)
        keep, filled = Signal(lanes), Signal(lanes)
        beyond, missing, ends = Signal(lanes), Signal(lanes), Signal()
        m.d.sync += [
            valid.eq(Cat(self.i.valid, valid)),
            starts.eq(Cat(first, starts)),
            last.eq(Cat(i.last, last)),
            keep.eq(i.keep),
            filled.eq(Cat(i.data[lane].any() for lane in range(lanes))),
            beyond.eq(keep & ~end.mask & (filled | ~minimum.mask)),
            missing.eq(end.mask & ~keep),
            ends.eq(end.ends),
        ]
        seen, padding = Signal(), Signal()
        m.d.comb += padding.eq(beyond.any() | (seen & ~starts[1]))
        with m.If(valid[1]):
            m.d.sync += seen.eq(padding)
        m.d.sync += [
            self.o_valid.eq(valid[1] & last[1]),
            self.o.padding.eq(padding),
            self.o.too_short.eq(missing.any() | ~ends),
        ]
        return m
