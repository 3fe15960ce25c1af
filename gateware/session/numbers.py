# SPDX-License-Identifier: Apache-2.0
"""The packet numbers of associations."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gateware.session.memories import DISTRIBUTED


class PacketNumbers(wiring.Component):
    """Keeps the next PN of each association, or the lowest acceptable.

    Args:
        count: of associations, a power of two.
        bits: of a PN.
        slow: it has registers more on the way in and out.

    Members:
        number_valid, number: a frame's association. ``pn``: its PN, in the same cycle, or, if ``slow``, 2 cycles later.
        write_valid, write_number, write: a PN that replaces the one that is there, in the next cycle, or, if ``slow``, in
            the one after that.
        load_valid, load_number, load: a first PN, written as soon as no frame writes its own; number and PN hold until
            then.
        checked, lowest: a PN, in the same cycle.
        asked, told: a PN for a host, up to 3 cycles later, in cycles when no frame needs its own.
    """

    number_valid: Signal
    number: Signal
    pn: Signal
    write_valid: Signal
    write_number: Signal
    write: Signal
    load_valid: Signal
    load_number: Signal
    load: Signal
    checked: Signal
    lowest: Signal
    asked: Signal
    told: Signal

    def __init__(self, count: int, bits: int, slow: bool) -> None:
        self.count = count
        self.bits = bits
        self.slow = slow
        super().__init__(
            {
                "number_valid": In(1),
                "number": In(range(count)),
                "pn": Out(bits),
                "write_valid": In(1),
                "write_number": In(range(count)),
                "write": In(bits),
                "load_valid": In(1),
                "load_number": In(range(count)),
                "load": In(bits),
                "checked": In(range(count)),
                "lowest": Out(bits),
                "asked": In(range(count)),
                "told": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.kept = kept = Memory(shape=self.bits, depth=self.count, init=[], attrs=DISTRIBUTED)
        write, read, check = kept.write_port(), kept.read_port(domain="comb"), kept.read_port(domain="comb")
        now = m.d.sync if self.slow else m.d.comb

        writes, write_number, value = Signal(), Signal(range(self.count)), Signal(self.bits)
        loads = Signal()
        now += [writes.eq(self.write_valid), write_number.eq(self.write_number), value.eq(self.write)]
        m.d.sync += loads.eq(self.load_valid | (loads & writes))
        m.d.comb += [
            write.en.eq(writes | loads),
            write.addr.eq(Mux(writes, write_number, self.load_number)),
            write.data.eq(Mux(writes, value, self.load)),
        ]

        place, of_host, row, row_of_host = (
            Signal(range(self.count)),
            Signal(),
            Signal(self.bits, reset_less=True),
            Signal(),
        )
        now += [place.eq(Mux(self.number_valid, self.number, self.asked)), of_host.eq(~self.number_valid)]
        m.d.comb += [
            read.addr.eq(place),
            check.addr.eq(self.checked),
            self.pn.eq(row if self.slow else read.data),
            self.lowest.eq(check.data),
        ]
        m.d.sync += [row.eq(read.data), row_of_host.eq(of_host)]
        with m.If(row_of_host):
            m.d.sync += self.told.eq(row)
        return m
