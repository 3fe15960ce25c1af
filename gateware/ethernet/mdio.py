# SPDX-License-Identifier: Apache-2.0
"""The management interface of a PHY."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

MDC_HZ = 2_500_000
"""At most (IEEE 802.3 clause 22.2.2.13)."""
COMMAND = data.StructLayout({"value": 16, "register": 5, "phy": 5, "write": 1})
START, WRITE, READ, TURNAROUND = 0b01, 0b01, 0b10, 0b10
PREAMBLE_BITS, FRAME_BITS = 32, 32
RELEASE_AT = PREAMBLE_BITS + 14
"""The bit from which on a read is up to the PHY."""


class MdioInterface(wiring.PureInterface):
    """What `MDIO` makes."""

    mdc: Signal
    o: Signal
    oe: Signal
    i: Signal


MDIO = wiring.Signature({"mdc": Out(1), "o": Out(1), "oe": Out(1), "i": In(1)})


class MdioMaster(wiring.Component):
    """Reads and writes registers of PHYs (IEEE 802.3 clause 22.2.4.5).

    Args:
        clock_hz: of ``sync``.

    Members:
        start, command: begins a transaction; without effect while one is under way.
        busy: one is under way.
        value: what was read, right while not ``busy``; all ones if no PHY drove the line, as it is pulled up.
        failed: no PHY answered a read.
        pins: MDC and MDIO; ``i`` need not be synchronous.

    A transaction takes 64 periods of MDC, about 25.6 us. MDIO changes when MDC falls and is looked at just before it rises.
    Reset: a transaction is cut short; the preamble of the next one brings the PHY back into step.
    """

    start: Signal
    command: data.View
    busy: Signal
    value: Signal
    failed: Signal
    pins: MdioInterface

    def __init__(self, clock_hz: int) -> None:
        self.half_period = -(-clock_hz // (2 * MDC_HZ))
        super().__init__(
            {
                "start": In(1),
                "command": In(COMMAND),
                "busy": Out(1),
                "value": Out(16),
                "failed": Out(1),
                "pins": Out(MDIO),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        command, pins = self.command, self.pins
        frame, line = Signal(FRAME_BITS), Signal()
        passed = Signal(range(PREAMBLE_BITS + FRAME_BITS))  # bits
        ticks, write = Signal(range(self.half_period)), Signal()
        m.submodules.line = FFSynchronizer(pins.i, line)
        m.d.comb += [
            pins.o.eq((passed < PREAMBLE_BITS) | frame[-1]),
            pins.oe.eq(self.busy & (write | (passed < RELEASE_AT))),
            self.value.eq(frame),
            self.failed.eq(frame[len(self.value)] & ~write),
        ]
        with m.If(~self.busy), m.If(self.start):
            operation = Cat(Mux(command.write, WRITE, READ), Const(START, 2))
            m.d.sync += [
                self.busy.eq(1),
                write.eq(command.write),
                frame.eq(Cat(command.value, Const(TURNAROUND, 2), command.register, command.phy, operation)),
            ]
        with m.Elif(ticks != self.half_period - 1):
            m.d.sync += ticks.eq(ticks + 1)
        with m.Else():
            m.d.sync += [ticks.eq(0), pins.mdc.eq(~pins.mdc)]
            sampled = Signal()
            with m.If(~pins.mdc):
                m.d.sync += sampled.eq(line)
            with m.Else():
                m.d.sync += passed.eq(passed + 1)
                with m.If(passed >= PREAMBLE_BITS):
                    m.d.sync += frame.eq(Cat(sampled, frame))
                with m.If(passed == PREAMBLE_BITS + FRAME_BITS - 1):
                    m.d.sync += self.busy.eq(0)
        return m
