# SPDX-License-Identifier: Apache-2.0
"""Reads what leaves from the store, and pads it."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.retimer import DUMMY_ETHERTYPE, Size
from gateware.mask import lanes_before
from gateware.retimer.layouts import HEADER_BYTES, SCHEDULE, extent_layout, order_layout
from gateware.stream import FrameSignature


class Player(wiring.Component):
    """Lets out what it is told to.

    Args:
        size: of the retimer.

    Members:
        i: orders, see `order_layout`; after one the next is taken when ``pace`` is over.
        schedule: says what the addresses of a dummy are.
        address: in the store; ``row``: what is there, without delay.
        o: frames.
        busy: the frame's place in the store is still needed.

    Latency: 4 cycles from an order to its first beat. Throughput: a beat per cycle. Back-pressure: all stands still.
    """

    i: stream.Interface
    schedule: data.View
    address: Signal
    row: Signal
    o: stream.Interface
    busy: Signal

    def __init__(self, size: Size) -> None:
        self.size = size
        super().__init__(
            {
                "i": In(stream.Signature(order_layout(size))),
                "schedule": In(SCHEDULE),
                "address": Out(range(size.store_bytes // size.lanes)),
                "row": In(8 * size.lanes),
                "o": Out(FrameSignature(size.lanes)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, bits, order = self.size.lanes, 8 * self.size.lanes, self.i.payload
        step, ready, pace = Signal(), Signal(init=1), Signal.like(order.pace)
        frame, whole = Signal(extent_layout(self.size)), Signal(extent_layout(self.size))
        header = Signal(8 * HEADER_BYTES)
        m.d.comb += [
            step.eq(self.o.ready | ~self.o.valid),
            self.i.ready.eq(ready & step),
            self.busy.eq(whole.beats != 0),
        ]
        with m.If(step):
            m.d.sync += [
                self.address.eq(self.address + 1),
                header.eq(header >> bits),
                pace.eq(pace - 1),
                ready.eq(ready | (pace == 1)),
            ]
            with m.If(frame.beats != 0):
                m.d.sync += frame.beats.eq(frame.beats - 1)
            with m.If(whole.beats != 0):
                m.d.sync += whole.beats.eq(whole.beats - 1)
            with m.If(ready & self.i.valid):
                ethertype = DUMMY_ETHERTYPE >> 8 | (DUMMY_ETHERTYPE & 0xFF) << 8
                m.d.sync += [
                    self.address.eq(order.start),
                    frame.eq(order.frame),
                    whole.eq(order.whole),
                    header.eq(Mux(order.dummy, Cat(self.schedule.dummy, Const(ethertype, 16)), 0)),
                    pace.eq(order.pace),
                    ready.eq(0),
                ]

        # Three registers behind one another: the block RAM's, one near it, and the output.
        row, near = Signal(bits, reset_less=True), Signal(bits, reset_less=True)
        there = data.StructLayout({"mask": lanes, "header": bits, "keep": lanes, "last": 1})
        at_row, at_near = Signal(there, reset_less=True), Signal(there, reset_less=True)
        row_valid, near_valid = Signal(), Signal()
        last, frame_last = whole.beats == 1, frame.beats == 1
        every = (1 << lanes) - 1
        with m.If(step):
            m.d.sync += [
                row.eq(self.row),
                row_valid.eq(whole.beats != 0),
                at_row.mask.eq(Mux(frame.beats == 0, 0, Mux(frame_last, lanes_before(lanes, frame.tail), every))),
                at_row.header.eq(header),
                at_row.keep.eq(Mux(last, lanes_before(lanes, whole.tail), every)),
                at_row.last.eq(last),
                near.eq(row),
                near_valid.eq(row_valid),
                at_near.eq(at_row),
                self.o.valid.eq(near_valid),
                self.o.payload.data.eq(
                    Cat(
                        Mux(at_near.mask[lane], near.word_select(lane, 8), 0) | at_near.header.word_select(lane, 8)
                        for lane in range(lanes)
                    )
                ),
                self.o.payload.keep.eq(at_near.keep),
                self.o.payload.last.eq(at_near.last),
            ]
        return m
