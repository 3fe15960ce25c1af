# SPDX-License-Identifier: Apache-2.0
"""Counters of verdicts and of scrubbed fields, kept in memories."""

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from custodes.registers import FIELD_OFFSET
from custodes.table import SCRUBBED, Reason
from gateware.control import Tally
from gateware.control.tally import COUNT_BITS

SLOTS = 32


class Counters(wiring.Component):
    """A 32-bit counter per reason, and one per row of the scrub table.

    There is one reason per frame: its total is read, raised and written back. Rows come many at a time: a `Tally`.

    Args:
        spacing: the least number of cycles between two frames with altered fields; above 1, no two verdicts come in
            consecutive cycles either.

    Members:
        valid, reason, altered: a verdict; at most one per cycle.
        address, value: a counter (a `Reason`, or 32 + row) and its total 2 cycles later.

    An event shows up at most 37 cycles after it happened. Totals start over after 2^32; reset leaves them as they are.
    """

    valid: Signal
    reason: Signal
    altered: Signal
    address: Signal
    value: Signal

    def __init__(self, spacing: int) -> None:
        self.spacing = spacing
        super().__init__(
            {
                "valid": In(1),
                "reason": In(Reason),
                "altered": In(len(SCRUBBED)),
                "address": In(range(2 * FIELD_OFFSET)),
                "value": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fields = fields = Tally(len(SCRUBBED), self.spacing)
        of_fields = Signal()
        m.d.comb += [fields.event.eq(Mux(self.valid, self.altered, 0)), fields.address.eq(self.address)]
        m.d.sync += of_fields.eq(self.address >= FIELD_OFFSET)
        m.d.sync += self.value.eq(Mux(of_fields, fields.total, self._reasons(m)))
        return m

    def _reasons(self, m: Module) -> Value:
        m.submodules.reasons = totals = Memory(shape=COUNT_BITS, depth=SLOTS, init=[])
        write = totals.write_port()
        # With a cycle between verdicts, a total is written before it can be read again.
        read, host = totals.read_port(transparent_for=[write] if self.spacing == 1 else []), totals.read_port()
        m.d.comb += [
            read.addr.eq(self.reason),
            write.data.eq(read.data + 1),
            host.addr.eq(self.address),
        ]
        m.d.sync += [write.addr.eq(self.reason), write.en.eq(self.valid)]
        return host.data
