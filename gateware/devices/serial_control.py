# SPDX-License-Identifier: Apache-2.0
"""The serial link of a device without a CPU, and the way from it to the registers of the datapath."""

from amaranth import Const, DomainRenamer, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.border_registers import BORDER_CONTROL_BLOCK
from custodes.control_registers import CONTROL_IDENTITY_VALUE
from custodes.register_map import RegisterMap
from gateware.control.arbiter import PAGE_WORDS, Router
from gateware.control.bus import BusInterface, bus_signature
from gateware.control.crossing import READ_CYCLES, BusCrossing
from gateware.control.decoder import Decoder
from gateware.control.uart_link import UartLink

CONTROL_HZ = 62_500_000
BUILD_ID_BYTES = 32
ANSWER_CYCLES = READ_CYCLES + 2
"""After which a register of the datapath has come back: two more than from a warden."""


class SerialControl(wiring.Component):
    """A `UartLink` in the domain ``control``, the registers of `BORDER_CONTROL_BLOCK`, and the way to those in ``sync``.

    Args:
        registers: the device's; its digest is what MAP_DIGEST reads.
        words: of the datapath's addresses.
        build_id: what BUILD_ID reads.
        clock_hz: of ``control``.
        answer_cycles: of ``sync``, until a register of the datapath is read.

    Members:
        rx, tx: see `UartLink`.
        bus: to the registers of the datapath, in ``sync``; what is read is right ``answer_cycles`` after the address rests.

    Reset both domains together: see `BusCrossing`.
    """

    rx: Signal
    tx: Signal
    bus: BusInterface

    def __init__(
        self,
        registers: RegisterMap,
        words: int,
        build_id: bytes,
        clock_hz: int = CONTROL_HZ,
        answer_cycles: int = ANSWER_CYCLES,
    ) -> None:
        self.answer_cycles = answer_cycles
        self.registers = registers
        self.words = words
        self.build_id = build_id
        self.clock_hz = clock_hz
        super().__init__({"rx": In(1), "tx": Out(1), "bus": Out(bus_signature(words))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        uart, router = UartLink(self.clock_hz), Router([BORDER_CONTROL_BLOCK.base // PAGE_WORDS])
        own = Decoder([BORDER_CONTROL_BLOCK])
        for name, unit in (("uart", uart), ("router", router), ("own", own)):
            m.submodules[name] = DomainRenamer("control")(unit)
        m.submodules.crossing = crossing = BusCrossing(
            self.words, i_domain="control", o_domain="sync", read_cycles=self.answer_cycles
        )
        wiring.connect(m, uart.access, router.i)
        wiring.connect(m, router.o[0], crossing.i)
        wiring.connect(m, router.o[1], own.access)
        wiring.connect(m, crossing.bus, wiring.flipped(self.bus))
        scratch = Signal(32)
        m.d.comb += [
            uart.rx.eq(self.rx),
            self.tx.eq(uart.tx),
            uart.i_divisor.eq(own["UART_DIVISOR"].data),
            uart.write_divisor.eq(own["UART_DIVISOR"].writes),
            own["UART_DIVISOR"].value.eq(uart.divisor),
            own["CONTROL_IDENTITY"].value.eq(CONTROL_IDENTITY_VALUE),
            own["CLOCK_HZ"].value.eq(self.clock_hz),
            own["SCRATCH"].value.eq(scratch),
        ]
        with m.If(own["SCRATCH"].writes):
            m.d.control += scratch.eq(own["SCRATCH"].data)
        for name, digest in (("MAP_DIGEST", self.registers.digest), ("BUILD_ID", self.build_id)):
            words = Const(int.from_bytes(digest, "little"), 8 * len(digest))
            m.d.comb += own[name].value.eq(words.word_select(own[name].index, 32))
        return m
