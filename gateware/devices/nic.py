# SPDX-License-Identifier: Apache-2.0
"""The whole processor: sessions between the accelerator's port and the network's, and the control that they obey."""

from amaranth import DomainRenamer, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from custodes.control_registers import CONTROL_BASE
from custodes.maps import NIC, PORTS_BLOCK
from gateware.control.access import ADDRESS_BITS, AccessInterface, AccessSignature
from gateware.control.bus import BusInterface, bus_signature
from gateware.control.crossing import READ_CYCLES, BusCrossing, PulseCrossing
from gateware.control.lifecycle import STATE_BITS
from gateware.control.spi import SPI_PINS, SpiPinsInterface
from gateware.control.system import ControlSystem
from gateware.devices.processor import Processor
from gateware.reset import reset_by
from gateware.session.control import VERDICT, VerdictInterface
from gateware.stream import FrameSignature

CLOCK_HZ = 62_500_000
RENEW_CYCLES = 4
PORT_WORDS = 64
"""Of the registers of the Ethernet ports."""


class Nic(wiring.Component):
    """A `Processor` in the domain ``sync``, and its `ControlSystem` in the domain ``control``; any relation of clocks.

    Args:
        lanes: of the frame streams.
        rom, secret, build_id: see `ControlSystem`.
        clock_hz: of ``control``.
        hash_domain: see `ControlSystem`; ``sync`` there is ``control`` here.

    Members:
        i_accelerator, o_network; i_network, o_accelerator: frame streams, see `Session`.
        verdict_accelerator, verdict_network: what becomes of each frame that entered there, see `VERDICT`.
        busy: frames are inside.
        ports: registers of the Ethernet ports, if there are any, from 0 on. These members are in ``sync``.
        rx, tx, flash, sample, sample_valid, host, state: see `ControlSystem`, in ``control``.
        hashing: see `ControlSystem`.
        accessing: a register outside ``control`` is being read or written, in ``control``.
        tamper: the pin; need not be synchronous.

    Reset both domains, and both together for at least 4 cycles of the slower clock.
    """

    i_accelerator: stream.Interface
    o_accelerator: stream.Interface
    i_network: stream.Interface
    o_network: stream.Interface
    verdict_accelerator: VerdictInterface
    verdict_network: VerdictInterface
    busy: Signal
    ports: BusInterface
    rx: Signal
    tx: Signal
    flash: SpiPinsInterface
    sample: Signal
    sample_valid: Signal
    host: AccessInterface
    state: Signal
    hashing: Signal
    accessing: Signal
    tamper: Signal

    def __init__(
        self,
        lanes: int,
        rom: bytes,
        secret: bytes,
        build_id: bytes,
        clock_hz: int = CLOCK_HZ,
        hash_domain: str = "sync",
    ) -> None:
        self.lanes = lanes
        self.control = ControlSystem(rom, secret, build_id, NIC, clock_hz, hash_domain=hash_domain)
        frames = FrameSignature(lanes)
        super().__init__(
            {
                "i_accelerator": In(frames),
                "o_accelerator": Out(frames),
                "i_network": In(frames),
                "o_network": Out(frames),
                "verdict_accelerator": Out(VERDICT),
                "verdict_network": Out(VERDICT),
                "busy": Out(1),
                "ports": Out(bus_signature(PORT_WORDS)),
                "rx": In(1),
                "tx": Out(1),
                "flash": Out(SPI_PINS),
                "sample": In(1),
                "sample_valid": In(1),
                "host": In(AccessSignature()),
                "state": Out(STATE_BITS),
                "hashing": Out(1),
                "accessing": Out(1),
                "tamper": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control, processor = self.control, Processor(self.lanes)
        m.submodules.control = DomainRenamer("control")(control)
        renew, zeroise = Signal(init=1), Signal()
        faulty = Signal()  # lasts until a reset: the other clock may be slower
        reset_by(m, "processor", processor, renew)
        for name in ("i_accelerator", "o_accelerator", "i_network", "o_network"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(processor, name))
        for name in ("verdict_accelerator", "verdict_network"):
            wiring.connect(m, getattr(processor, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, wiring.flipped(self.host), control.host)
        wiring.connect(m, control.flash, wiring.flipped(self.flash))
        m.d.comb += [
            self.busy.eq(processor.busy),
            control.rx.eq(self.rx),
            self.tx.eq(control.tx),
            control.sample.eq(self.sample),
            control.sample_valid.eq(self.sample_valid),
            control.tamper.eq(self.tamper),
            self.state.eq(control.state),
            self.hashing.eq(control.hashing),
            processor.tamper.eq(zeroise),
        ]
        m.submodules.renew = renewal = PulseCrossing(RENEW_CYCLES, i_domain="control", o_domain="sync")
        with m.If(processor.fault):
            m.d.sync += faulty.eq(1)
        m.submodules.fault = FFSynchronizer(faulty, control.fault, o_domain="control")
        m.submodules.zeroise = FFSynchronizer(control.zeroise, zeroise)
        m.d.comb += renewal.i.eq(control.renew)
        m.d.sync += renew.eq(renewal.o)
        self._registers(m, control, processor)
        return m

    def _registers(self, m: Module, control: ControlSystem, processor: Processor) -> None:
        # Sessions and ports fill the device: there is a register on the way to theirs, and one on the way back.
        m.submodules.crossing = crossing = BusCrossing(
            1 << ADDRESS_BITS, i_domain="control", o_domain="sync", read_cycles=READ_CYCLES + 2
        )
        wiring.connect(m, control.datapath, crossing.i)
        bus, own, ports = crossing.bus, processor.bus, self.ports
        to_ports, from_ports = Signal(), Signal()
        m.d.comb += [self.accessing.eq(crossing.busy), to_ports.eq(bus.address >= CONTROL_BASE)]
        m.d.sync += [
            from_ports.eq(to_ports),
            own.address.eq(bus.address),
            own.write_data.eq(bus.write_data),
            own.write.eq(bus.write & ~to_ports),
            ports.address.eq(bus.address - PORTS_BLOCK.base),
            ports.write_data.eq(bus.write_data),
            ports.write.eq(bus.write & to_ports),
            bus.read_data.eq(Mux(from_ports, ports.read_data, own.read_data)),
        ]
