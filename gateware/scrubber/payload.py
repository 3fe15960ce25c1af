# SPDX-License-Identifier: Apache-2.0
"""The end of the parser: payload, and what can only be known once a frame has ended."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gateware.scrubber.beat import LayerInterface, LayerSignature, SectionInterface, SectionSignature
from gateware.scrubber.bytesum import ByteSum, sum_layout
from gateware.scrubber.layouts import NETWORK, TRANSPORT
from gateware.scrubber.mask import Countdown

END = data.StructLayout({"error": 1, "oversize": 1})
TAIL = data.StructLayout({"padding": 1, "too_short": 1})


class PayloadLayer(wiring.Component):
    """Cuts the payload at its end and sums it.

    Members:
        i: frames from the payload on, with the `TRANSPORT` found.
        section: the payload that will leave; empty where it is trimmed.
        begins: a frame's first beat is here; ``i.meta`` is its description.
        sum_valid, sum: one sum per frame over the payload as it came.
        end_valid, end: how the frame ended, once per frame.

    Latency 1 cycle, of the sum one more than that of `ByteSum`; one beat per cycle.
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
                "section": Out(SectionSignature(lanes)),
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
        first = Signal(init=1)
        done = Signal()
        write = Signal()
        last = Signal()
        with m.If(self.i.valid):
            m.d.sync += first.eq(i.last)
        count = Countdown(m, "payload", self.lanes, self.i.valid, first, self.i.meta.payload)
        present = count.mask & i.keep
        length = Signal(self.lanes.bit_length())
        m.d.comb += [
            self.begins.eq(self.i.valid & first),
            last.eq(self.i.meta.trim | count.ends | i.last),
            write.eq(self.i.valid & (first | ~done)),
            length.eq(Mux(count.left > self.lanes, self.lanes, count.left)),
        ]
        m.d.sync += self.section.valid.eq(write)
        with m.If(write):
            m.d.sync += [
                done.eq(last),
                self.section.payload.data.eq(i.data),
                self.section.payload.count.eq(Mux(self.i.meta.trim, 0, length)),
                self.section.payload.last.eq(last),
            ]
        m.submodules.sum = unit = ByteSum(self.lanes)
        # Which bytes count comes late.
        m.d.sync += [
            unit.valid.eq(self.i.valid),
            unit.bytes.eq(i.data),
            unit.mask.eq(present),
            unit.last.eq(i.last),
        ]
        m.d.comb += [
            self.sum_valid.eq(unit.o_valid),
            self.sum.eq(unit.o),
            self.end_valid.eq(self.i.valid & i.last),
            self.end.error.eq(i.error),
            self.end.oversize.eq(i.oversize),
        ]
        return m


class Tail(wiring.Component):
    """Watches what follows the network header: is it long enough, and is there anything past its end?

    Members:
        i: frames after the network header, with the `NETWORK` found.
        o_valid, o: one `TAIL` per frame: ``padding`` where the bytes past the end are not all zero or go on past the size
            of the smallest frame, ``too_short`` where the frame ends before the IP length does.

    Latency 1 cycle, one beat per cycle.
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
        first = Signal(init=1)
        seen = Signal()
        padding = Signal()
        with m.If(self.i.valid):
            m.d.sync += first.eq(i.last)
        end = Countdown(m, "end", lanes, self.i.valid, first, self.i.meta.length)
        minimum = Countdown(m, "minimum", lanes, self.i.valid, first, self.i.meta.before_minimum)
        beyond = i.keep & ~end.mask
        covert = Signal(lanes)
        for lane in range(lanes):
            m.d.comb += covert[lane].eq(beyond[lane] & (i.data[lane].any() | ~minimum.mask[lane]))
        m.d.comb += padding.eq(covert.any() | (seen & ~first))
        with m.If(self.i.valid):
            m.d.sync += seen.eq(padding)
        m.d.sync += self.o_valid.eq(self.i.valid & i.last)
        m.d.sync += [self.o.padding.eq(padding), self.o.too_short.eq((end.mask & ~i.keep).any() | ~end.ends)]
        return m
