# SPDX-License-Identifier: Apache-2.0
"""A control link without a datapath, for boards without Ethernet: it says who it is."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from gateware.control.uart import UartReceiver, UartTransmitter

BAUD = 115_200
HEARTBEAT_HZ = 1


class Control(wiring.Component):
    """Answers every byte, and a reset, with one line of text: so both ways of the link, its speed and the board can be tried
    with a terminal. What comes in while a line is under way is answered by one more.

    Args:
        clock_hz: of ``sync``.
        text: the line, without its end.

    Members:
        rx, tx: UART pins, 115200 baud, 8 data bits, no parity, 1 stop bit.
        leds: blinks once per second; the last byte was broken, as it is at another speed.
    """

    rx: Signal
    tx: Signal
    leds: Signal

    def __init__(self, clock_hz: int, text: str) -> None:
        self.clock_hz = clock_hz
        self.line = text.encode("ascii") + b"\r\n"
        super().__init__({"rx": In(1), "tx": Out(1), "leds": Out(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bit_cycles = round(self.clock_hz / BAUD)
        divisor_bits = bits_for(bit_cycles)
        m.submodules.receiver = receiver = UartReceiver(divisor_bits)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor_bits)
        m.submodules.line = line = Memory(shape=8, depth=len(self.line), init=self.line)
        read = line.read_port()
        at, there = Signal(range(len(self.line))), Signal()
        wanted = Signal(init=1)  # a line
        m.d.comb += [
            receiver.divisor.eq(bit_cycles),
            transmitter.divisor.eq(bit_cycles),
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            read.addr.eq(at),
            transmitter.i.payload.eq(read.data),
            transmitter.i.valid.eq(there & (wanted | (at != 0))),
        ]
        m.d.sync += there.eq(1)
        with m.If(transmitter.i.valid & transmitter.i.ready):
            m.d.sync += [at.eq(at + 1), there.eq(0)]
            with m.If(at == 0):
                m.d.sync += wanted.eq(0)
            with m.Elif(at == len(self.line) - 1):
                m.d.sync += at.eq(0)
        broken = Signal()
        with m.If(receiver.o.valid | receiver.broken):
            m.d.sync += [wanted.eq(1), broken.eq(receiver.broken)]
        beat, left = Signal(), Signal(range(self.clock_hz // (2 * HEARTBEAT_HZ)))
        m.d.sync += left.eq(left - 1)
        with m.If(left == 0):
            m.d.sync += [left.eq(self.clock_hz // (2 * HEARTBEAT_HZ) - 1), beat.eq(~beat)]
        m.d.comb += self.leds.eq(Cat(beat, broken))
        return m
