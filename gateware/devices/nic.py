# SPDX-License-Identifier: Apache-2.0
"""The whole processor: sessions between the accelerator's port and the network's, and the control that they obey."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.control_registers import CONTROL_BASE
from custodes.maps import NIC, PORTS_BLOCK
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.controlled import CLOCK_HZ, Controlled
from gateware.devices.processor import Processor
from gateware.session.control import VERDICT, VerdictInterface
from gateware.stream import FrameSignature

PORT_WORDS = 64
"""Of the registers of the Ethernet ports."""


class Nic(Controlled):
    """A `Processor` as `Controlled`.

    Args:
        lanes: of the frame streams.
        rom, secret, build_id, clock_hz, hash_domain: see `Controlled`.

    Members:
        i_accelerator, o_network; i_network, o_accelerator: frame streams, see `Session`.
        verdict_accelerator, verdict_network: what becomes of each frame that entered there, see `VERDICT`.
        busy: frames are inside.
        ports: registers of the Ethernet ports, if there are any, from 0 on. These members are in ``sync``.
    """

    i_accelerator: stream.Interface
    o_accelerator: stream.Interface
    i_network: stream.Interface
    o_network: stream.Interface
    verdict_accelerator: VerdictInterface
    verdict_network: VerdictInterface
    busy: Signal
    ports: BusInterface

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
        frames = FrameSignature(lanes)
        members = {
            "i_accelerator": In(frames),
            "o_accelerator": Out(frames),
            "i_network": In(frames),
            "o_network": Out(frames),
            "verdict_accelerator": Out(VERDICT),
            "verdict_network": Out(VERDICT),
            "busy": Out(1),
            "ports": Out(bus_signature(PORT_WORDS)),
        }
        super().__init__(members, NIC, rom, secret, build_id, clock_hz, hash_domain)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        processor = Processor(self.lanes)
        self._join(m, "processor", processor, processor.tamper, processor.fault)
        for name in ("i_accelerator", "o_accelerator", "i_network", "o_network"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(processor, name))
        for name in ("verdict_accelerator", "verdict_network"):
            wiring.connect(m, getattr(processor, name), wiring.flipped(getattr(self, name)))
        m.d.comb += self.busy.eq(processor.busy)
        self._registers(m, processor)
        return m

    def _registers(self, m: Module, processor: Processor) -> None:
        # Sessions and ports fill the device: there is a register on the way to theirs, and one on the way back.
        bus, own, ports = self._bus(m, 2), processor.bus, self.ports
        to_ports, from_ports = Signal(), Signal()
        m.d.comb += to_ports.eq(bus.address >= CONTROL_BASE)
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
