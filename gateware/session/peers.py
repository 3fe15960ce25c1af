# SPDX-License-Identifier: Apache-2.0
"""Finds the channel that an address belongs to."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class PeerTable(wiring.Component):
    """Compares an address with those of all channels, some in each cycle.

    Args:
        bits: of an address.
        channels: how many there are.
        rows: cycles for a search; divides ``channels``.

    Members:
        valid, address: searches, ``rows`` cycles apart at least; they hold until ``ends``, the last of these cycles.
        under_way: a search has begun.
        found, channel: the lowest channel in use that has it, 2 cycles after ``ends``.
        write_valid, write: sets a channel, for searches that begin 2 cycles later.

    Reset takes every channel out of use.
    """

    valid: Signal
    address: Signal
    ends: Signal
    under_way: Signal
    found: Signal
    channel: Signal
    write_valid: Signal
    write: data.View

    def __init__(self, bits: int, channels: int, rows: int) -> None:
        self.bits = bits
        self.channels = channels
        self.rows = rows
        super().__init__(
            {
                "valid": In(1),
                "address": In(bits),
                "ends": Out(1),
                "under_way": Out(1),
                "found": Out(1),
                "channel": Out(range(channels)),
                "write_valid": In(1),
                "write": In(data.StructLayout({"channel": range(channels), "address": bits, "in_use": 1})),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        side_by_side = self.channels // self.rows
        bits = (self.rows - 1).bit_length()
        in_use = Signal(self.channels)
        with m.If(self.write_valid):
            m.d.sync += in_use.bit_select(self.write.channel, 1).eq(self.write.in_use)

        row, hits = Signal(range(self.rows)), Signal(side_by_side)
        hit_row, hit_valid = Signal(range(self.rows)), Signal()
        following = Signal(range(self.rows))
        m.d.comb += [
            self.under_way.eq(row != 0),
            self.ends.eq(self.valid & (row == self.rows - 1)),
            following.eq(row + self.valid),
        ]
        m.d.sync += row.eq(following)
        m.d.sync += [hit_row.eq(row), hit_valid.eq(self.valid)]
        for number in range(side_by_side):
            m.submodules[f"column_{number}"] = column = Memory(shape=self.bits, depth=self.rows, init=[])
            write, read = column.write_port(), column.read_port(domain="comb")
            mine = self.write.channel[: len(self.write.channel) - bits] == number
            m.d.comb += [
                write.en.eq(self.write_valid & mine),
                write.addr.eq(self.write.channel[len(self.write.channel) - bits :]),
                write.data.eq(self.write.address),
                read.addr.eq(following),
            ]
            # The row that is compared next is in a register by then.
            here, used = Signal(self.bits, name=f"here_{number}", reset_less=True), Signal(name=f"used_{number}")
            of_row = Cat(in_use[number + side_by_side * at] for at in range(self.rows))
            m.d.sync += [
                here.eq(read.data),
                used.eq(of_row.bit_select(following, 1)),
                hits[number].eq((here == self.address) & used),
            ]

        first = Signal(range(side_by_side))
        for number in reversed(range(side_by_side)):
            with m.If(hits[number]):
                m.d.comb += first.eq(number)
        with m.If(hit_valid & ((hit_row == 0) | ~self.found)):
            m.d.sync += [self.found.eq(hits.any()), self.channel.eq(Cat(first, hit_row))]
        return m
