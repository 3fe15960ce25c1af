# SPDX-License-Identifier: Apache-2.0
"""Register writes that a device makes by itself after reset."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.control.bus import BusInterface, bus_signature


class BootWrites(wiring.Component):
    """Plays a list of writes after reset, one in two cycles, and then passes on the bus.

    Args:
        registers: of the bus.
        writes: pairs of address and value, in order. They are part of the bitstream.

    Members:
        i: the bus of who comes after. A write before the list is through is lost.
        o: the device's registers.
        done: the list is through.

    Reset starts over.
    """

    i: BusInterface
    o: BusInterface
    done: Signal

    def __init__(self, registers: int, writes: Sequence[tuple[int, int]]) -> None:
        self.writes = writes
        bus = bus_signature(registers)
        super().__init__({"i": In(bus), "o": Out(bus), "done": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = self.i, self.o
        through = Signal(init=not self.writes)
        m.d.comb += self.done.eq(through)
        with m.If(through):
            m.d.comb += [o.address.eq(i.address), o.write_data.eq(i.write_data), o.write.eq(i.write)]
        m.d.comb += i.read_data.eq(o.read_data)
        if not self.writes:
            return m
        address_bits = len(o.address)
        m.submodules.writes = memory = Memory(
            shape=address_bits + len(o.write_data),
            depth=len(self.writes),
            init=[address | value << address_bits for address, value in self.writes],
        )
        read = memory.read_port()
        at, there = Signal(range(len(self.writes))), Signal()
        m.d.comb += read.addr.eq(at)
        m.d.sync += there.eq(~there & ~through)
        with m.If(there):
            m.d.comb += [Cat(o.address, o.write_data).eq(read.data), o.write.eq(1)]
            m.d.sync += at.eq(at + 1)
            with m.If(at == len(self.writes) - 1):
                m.d.sync += through.eq(1)
        return m
