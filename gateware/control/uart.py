# SPDX-License-Identifier: Apache-2.0
"""Asynchronous serial: one start bit, eight data bits, the lowest first, no parity, one stop bit."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

DATA_BITS = 8
FRAME_BITS = DATA_BITS + 2
MIN_DIVISOR = 8
"""Clocks per bit, at both ends 3 % apart, with which the middle of every bit is still met."""


class UartTransmitter(wiring.Component):
    """Sends bytes.

    Args:
        divisor_bits: width of ``divisor``.

    Members:
        divisor: clocks per bit, at least `MIN_DIVISOR`; to be changed while ``i`` is ready.
        i: bytes; taken when the line is free, which it is once the stop bit is over.
        tx: the line, 1 at rest.

    Latency: one cycle to the start bit. Throughput: a byte in 10 bits. Reset: the line rests; a byte under way is cut short.
    """

    divisor: Signal
    i: stream.Interface
    tx: Signal

    def __init__(self, divisor_bits: int) -> None:
        self.divisor_bits = divisor_bits
        super().__init__({"divisor": In(divisor_bits), "i": In(stream.Signature(8)), "tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Of the bits that are left, the one on the line is one.
        left, cycle, ended = Signal(range(FRAME_BITS + 1)), Signal(self.divisor_bits), Signal(self.divisor_bits)
        line, shifted = Signal(init=1), Signal(FRAME_BITS - 1, init=-1)
        m.d.comb += [ended.eq(cycle + 1), self.i.ready.eq(left == 0), self.tx.eq(line)]
        with m.If(left == 0):
            m.d.sync += cycle.eq(0)
            with m.If(self.i.valid):
                m.d.sync += [
                    Cat(line, shifted).eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))),
                    left.eq(FRAME_BITS),
                ]
        with m.Elif(ended == self.divisor):
            m.d.sync += [cycle.eq(0), left.eq(left - 1), Cat(line, shifted).eq(Cat(shifted, Const(1, 1)))]
        with m.Else():
            m.d.sync += cycle.eq(ended)
        return m


class UartReceiver(wiring.Component):
    """Receives bytes, looking at the line in the middle of each bit.

    Args:
        divisor_bits: width of ``divisor``.

    Members:
        divisor: clocks per bit, at least `MIN_DIVISOR`. A byte under way when it changes is garbage.
        rx: the line; need not be synchronous.
        o: bytes, for one cycle each: there is no back-pressure.
        broken: for one cycle, in place of a byte whose stop bit is 0.

    A start bit shorter than half a bit is taken for noise. Latency: 9.5 bits and 3 cycles from the start bit's edge. Reset
    forgets a byte under way.
    """

    divisor: Signal
    rx: Signal
    o: stream.Interface
    broken: Signal

    def __init__(self, divisor_bits: int) -> None:
        self.divisor_bits = divisor_bits
        super().__init__(
            {
                "divisor": In(divisor_bits),
                "rx": In(1),
                "o": Out(stream.Signature(8, always_ready=True)),
                "broken": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rx = Signal(init=1)
        m.submodules.line = FFSynchronizer(self.rx, rx, init=1)
        shifted, left = Signal(DATA_BITS), Signal(range(FRAME_BITS + 1))
        cycle, ended = Signal(self.divisor_bits), Signal(self.divisor_bits)
        m.d.sync += [self.o.valid.eq(0), self.broken.eq(0)]
        m.d.comb += [ended.eq(cycle + 1), self.o.payload.eq(shifted)]
        with m.If(left == 0):
            m.d.sync += cycle.eq(self.divisor >> 1)
            with m.If(~rx):
                m.d.sync += left.eq(FRAME_BITS)
        with m.Elif(ended != self.divisor):
            m.d.sync += cycle.eq(ended)
        with m.Else():
            m.d.sync += [cycle.eq(0), left.eq(left - 1)]
            with m.If(left == FRAME_BITS), m.If(rx):
                m.d.sync += left.eq(0)
            with m.Elif(left == 1):
                m.d.sync += [self.o.valid.eq(rx), self.broken.eq(~rx)]
            with m.Else():
                m.d.sync += shifted.eq(Cat(shifted[1:], rx))
        return m
