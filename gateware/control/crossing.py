# SPDX-License-Identifier: Apache-2.0
"""From the control's clock domain to the datapath's, and back."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from gateware.control.access import ACCESS_REPLY, ACCESS_REQUEST, AccessInterface, AccessSignature
from gateware.control.bus import BusInterface, bus_signature

READ_CYCLES = 4
"""After which a bus has the answer."""


class BusCrossing(wiring.Component):
    """Carries accesses to a bus in another clock domain.

    Args:
        registers: of the bus.
        i_domain, o_domain: of who asks, and of the bus. Any relation of frequency and phase.
        read_cycles: after which the bus has the answer, if not `READ_CYCLES`.

    Members:
        i: who asks, in ``i_domain``; a write is answered when it is done. Nothing is refused.
        bus: in ``o_domain``.
        busy: an access is under way, in ``i_domain``.

    Request and answer rest in registers while a bit that changes its value says that they are there; only such bits pass
    through synchronisers. Latency: 4 cycles of ``i_domain`` and 4 of ``o_domain``, and ``read_cycles`` more of the latter.
    Reset both domains or neither, and both together for at least 4 cycles of the slower: a reset of one is an access of 0.
    """

    i: AccessInterface
    bus: BusInterface
    busy: Signal

    def __init__(self, registers: int, *, i_domain: str, o_domain: str, read_cycles: int = READ_CYCLES) -> None:
        self.registers = registers
        self.read_cycles = read_cycles
        self._i_domain = i_domain
        self._o_domain = o_domain
        super().__init__({"i": In(AccessSignature()), "bus": Out(bus_signature(registers)), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i_sync, o_sync = m.d[self._i_domain], m.d[self._o_domain]
        i, bus = self.i, self.bus
        asked, answered = Signal(), Signal()
        asked_seen, answered_seen = Signal(), Signal()
        m.submodules.there = FFSynchronizer(asked, asked_seen, o_domain=self._o_domain, reset_less=False)
        m.submodules.back = FFSynchronizer(answered, answered_seen, o_domain=self._i_domain, reset_less=False)

        request, reply = Signal(ACCESS_REQUEST), Signal(ACCESS_REPLY)
        m.d.comb += [
            i.request.ready.eq((asked == answered_seen) & ~i.reply.valid),
            i.reply.payload.eq(reply),
            self.busy.eq((asked != answered_seen) | i.reply.valid | i.request.valid),
        ]
        answered_before = Signal()
        i_sync += answered_before.eq(answered_seen)
        with m.If(i.request.valid & i.request.ready):
            i_sync += [request.eq(i.request.payload), asked.eq(~asked)]
        with m.If(answered_seen != answered_before):
            i_sync += i.reply.valid.eq(1)
        with m.Elif(i.reply.ready):
            i_sync += i.reply.valid.eq(0)

        # The bus has registers of its own, for the request may change as soon as its answer is seen.
        under_way, left = Signal(), Signal(range(self.read_cycles + 1))
        o_sync += bus.write.eq(0)
        with m.If(~under_way), m.If(asked_seen != answered):
            o_sync += [
                bus.address.eq(request.address),
                bus.write_data.eq(request.data),
                bus.write.eq(request.write),
                left.eq(self.read_cycles),
                under_way.eq(1),
            ]
        with m.Elif(left != 0):
            o_sync += left.eq(left - 1)
        with m.Else():
            o_sync += [answered.eq(asked_seen), under_way.eq(0), reply.eq(0)]
            with m.If(~request.write):
                o_sync += reply.data.eq(bus.read_data)
        return m


class PulseCrossing(wiring.Component):
    """Stretches a pulse for another clock domain.

    Args:
        cycles: that the pulse takes there.
        i_domain, o_domain: where it comes from and goes to. Any relation of frequency and phase.

    Members:
        i: its rise is what counts, in ``i_domain``; further ones before ``o`` has risen may be lost.
        o: 1 for ``cycles``, in ``o_domain``.

    Latency: one cycle of ``i_domain`` and 3 to 4 of ``o_domain``. Reset both domains or neither.
    """

    i: Signal
    o: Signal

    def __init__(self, cycles: int, *, i_domain: str, o_domain: str) -> None:
        self.cycles = cycles
        self._i_domain = i_domain
        self._o_domain = o_domain
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i_sync, o_sync = m.d[self._i_domain], m.d[self._o_domain]
        before, turned = Signal(), Signal()
        seen, seen_before, left = Signal(), Signal(), Signal(range(self.cycles))
        m.submodules.crossing = FFSynchronizer(turned, seen, o_domain=self._o_domain, reset_less=False)
        i_sync += before.eq(self.i)
        with m.If(self.i & ~before):
            i_sync += turned.eq(~turned)
        o_sync += [seen_before.eq(seen), self.o.eq((seen != seen_before) | (left != 0))]
        with m.If(seen != seen_before):
            o_sync += left.eq(self.cycles - 1)
        with m.Elif(left != 0):
            o_sync += left.eq(left - 1)
        return m
