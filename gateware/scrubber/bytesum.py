# SPDX-License-Identifier: Apache-2.0
"""Sums of bytes for the Internet checksum (RFC 1071)."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

SUM_BITS = 18
"""759 bytes of 255: half of the largest frame."""


def sum_layout(lanes: int) -> data.StructLayout:
    """Sums of the bytes at even and at odd offsets: the halves of the 16-bit words. They are plain numbers, but with one
    lane, where the carries go around: there ``low`` has the last of them in its top bit."""
    return data.StructLayout({"high": 8, "low": 9} if lanes == 1 else {"high": SUM_BITS, "low": SUM_BITS})


class ByteSum(wiring.Component):
    """Adds the bytes of a frame, those of even and those of odd offset each to a number of its own.

    With several lanes they are plain sums without an end-around carry, so that the loop is one addition at any width, and
    carries go around later. One lane takes turns: a single byte is added, and what it carries goes with the next one.

    Args:
        lanes: bytes per beat.

    Members:
        valid, bytes, mask, last: a beat; lanes whose ``mask`` is 0 do not count. A frame starts after ``last``, with one
            lane three cycles after it or later.
        o_valid, o: one result per frame, congruent to its sum modulo 0xFFFF, and 0 only where that is.

    Latency 3 cycles after the last beat with up to 8 lanes and 5 with 64; one beat per cycle; reset starts a new frame.
    """

    valid: Signal
    bytes: data.View
    mask: Signal
    last: Signal
    o_valid: Signal
    o: data.View

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(
            {
                "valid": In(1),
                "bytes": In(data.ArrayLayout(unsigned(8), lanes)),
                "mask": In(lanes),
                "last": In(1),
                "o_valid": Out(1),
                "o": Out(sum_layout(lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The masks come late: what they leave is registered before it is added.
        valid, last = Signal(name="valid_in"), Signal(name="last_in")
        m.d.sync += [valid.eq(self.valid), last.eq(self.last)]
        masked = [self._register(m, Mux(self.mask[lane], self.bytes[lane], 0)) for lane in range(self.lanes)]
        if self.lanes == 1:
            self._take_turns(m, valid, last, masked[0])
            return m
        halves = [masked[0::2], masked[1::2]]
        level = 0
        while True:
            halves = [
                [self._register(m, sum(terms[k : k + 4], Value.cast(0))) for k in range(0, len(terms), 4)]
                for terms in halves
            ]
            valid_next, last_next = Signal(name=f"valid_{level}"), Signal(name=f"last_{level}")
            m.d.sync += [valid_next.eq(valid), last_next.eq(last)]
            valid, last = valid_next, last_next
            level += 1
            if len(halves[0]) == 1:
                break
        total = Signal(sum_layout(self.lanes))
        begins = Signal(init=1)
        m.d.sync += self.o_valid.eq(valid & last)
        for key, terms in zip(("high", "low"), halves, strict=True):
            m.d.comb += total[key].eq(Mux(begins, 0, self.o[key]) + terms[0])
        with m.If(valid):
            m.d.sync += [self.o.eq(total), begins.eq(last)]
        return m

    def _take_turns(self, m: Module, valid: Value, last: Value, byte: Value) -> None:
        """The half whose turn it is gets the byte and the carry of the other one, and both change places. A frame of an odd
        number of bytes takes one more turn without a byte."""
        turn, other, carry = Signal(8), Signal(8), Signal()
        odd, closing = Signal(), Signal()
        adds = Signal()
        m.d.comb += adds.eq(valid | (closing & odd))
        m.d.sync += [closing.eq(valid & last), self.o_valid.eq(closing)]
        with m.If(self.o_valid):
            m.d.sync += [turn.eq(0), other.eq(0), carry.eq(0), odd.eq(0)]
        with m.Elif(adds):
            total = turn + Mux(valid, byte, 0) + carry
            m.d.sync += [turn.eq(other), other.eq(total), carry.eq(total[8]), odd.eq(~odd)]
        m.d.comb += [self.o.high.eq(turn), self.o.low.eq(Cat(other, carry))]

    @staticmethod
    def _register(m: Module, value: Value) -> Value:
        register = Signal(value.shape())
        m.d.sync += register.eq(value)
        return register
