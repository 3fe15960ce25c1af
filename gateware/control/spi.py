# SPDX-License-Identifier: Apache-2.0
"""The way to the flash."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

BYTE_BITS = 8
SYNCHRONISER_CYCLES = 2


class SpiPinsInterface(wiring.PureInterface):
    """What `SPI_PINS` makes."""

    sck: Signal
    copi: Signal
    cipo: Signal
    cs: Signal


SPI_PINS = wiring.Signature({"sck": Out(1), "copi": Out(1), "cipo": In(1), "cs": Out(1)})
"""``cs`` is 1 while the flash is selected; a pin that is active low is inverted where it is."""


class SpiMaster(wiring.Component):
    """Exchanges bytes in mode 0, the highest bit first: data goes out when the clock falls, and comes in when it rises.

    Args:
        half_cycles: of half a period of the SPI clock; at least 2, as what comes in passes through a synchroniser.

    Members:
        select: selects the flash.
        i: a byte to send.
        start: sends it; ignored while ``busy``.
        o: the byte that came in meanwhile, once ``busy`` has fallen.
        busy: a byte is under way.
        pins: of the flash; ``cipo`` need not be synchronous.

    A byte takes 16 * ``half_cycles`` + 1 cycles. Reset cuts a byte short and lets go of the flash.
    """

    select: Signal
    i: Signal
    start: Signal
    o: Signal
    busy: Signal
    pins: SpiPinsInterface

    def __init__(self, half_cycles: int = SYNCHRONISER_CYCLES) -> None:
        if half_cycles < SYNCHRONISER_CYCLES:
            raise ValueError(f"half a period takes at least {SYNCHRONISER_CYCLES} cycles, not {half_cycles}")
        self.half_cycles = half_cycles
        super().__init__(
            {
                "select": In(1),
                "i": In(BYTE_BITS),
                "start": In(1),
                "o": Out(BYTE_BITS),
                "busy": Out(1),
                "pins": Out(SPI_PINS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        came, shifted, sck = Signal(), Signal(BYTE_BITS), Signal()
        m.submodules.cipo = FFSynchronizer(self.pins.cipo, came, stages=SYNCHRONISER_CYCLES)
        left, cycle = Signal(range(2 * BYTE_BITS + 1)), Signal(range(self.half_cycles))
        selected = Signal()
        m.d.sync += selected.eq(self.select)
        m.d.comb += [
            self.o.eq(shifted),
            self.busy.eq(left != 0),
            self.pins.sck.eq(sck),
            self.pins.copi.eq(shifted[-1]),
            self.pins.cs.eq(selected),
        ]
        with m.If(~self.busy):
            m.d.sync += cycle.eq(0)
            with m.If(self.start):
                m.d.sync += [shifted.eq(self.i), left.eq(2 * BYTE_BITS)]
        with m.Elif(cycle != self.half_cycles - 1):
            m.d.sync += cycle.eq(cycle + 1)
        with m.Else():
            m.d.sync += [cycle.eq(0), left.eq(left - 1), sck.eq(~sck)]
            # What comes through the synchroniser as the clock falls was on the pin when it rose, or later.
            with m.If(sck):
                m.d.sync += shifted.eq(Cat(came, shifted[:-1]))
        return m
