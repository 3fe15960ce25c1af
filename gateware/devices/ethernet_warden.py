# SPDX-License-Identifier: Apache-2.0
"""The warden with its Ethernet ports: what goes onto a board."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.ethernet import LinkSpeed
from custodes.table import Port, Reason
from gateware.control.boot import BootWrites
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.warden import Warden
from gateware.ethernet import Mac, Rgmii, RgmiiDelays
from gateware.ethernet.mdio import MDIO, MdioInterface
from gateware.ethernet.rgmii import RGMII, RgmiiInterface

CLOCK_HZ = 125_000_000
BLINK_CYCLES = 1 << 23
"""What happened in as many shows for as many: 67 ms at 125 MHz."""


class EthernetWarden(wiring.Component):
    """A `Warden` between the cluster port and the world port, or with one port.

    Frames from the cluster port leave, scrubbed, at the world port, and the other way round. A device with the cluster port
    only is there to look at a board and a policy: what comes in from the cluster leaves, scrubbed, where it came from.

    Args:
        delays: of the cluster port's pins, and of the world port's if there is one.
        writes: pairs of register address and value, written after every reset; without any, nothing is forwarded until
            somebody writes a policy.
        blink_cycles: how long an LED shows what happened.

    Members:
        pins, management: of each PHY, by the number of its `Port`. The domains ``rx_cluster`` and ``rx_world`` are their
            receive clocks; ``sync`` and ``tx`` are 125 MHz, of any phase.
        bus: registers of `custodes.registers`.
        leds: per port, the link is at 1 Gbit/s; then: frames were forwarded; frames were dropped.

    Latency: that of the ports and the scrubber, each of which takes a frame in whole. Throughput: line rate both ways.
    """

    pins: Sequence[RgmiiInterface]
    management: Sequence[MdioInterface]
    bus: BusInterface
    leds: Signal

    def __init__(
        self,
        delays: Sequence[RgmiiDelays],
        writes: Sequence[tuple[int, int]] = (),
        blink_cycles: int = BLINK_CYCLES,
    ) -> None:
        self.delays = delays
        self.ports = tuple(Port)[: len(delays)]
        self.writes = writes
        self.blink_cycles = blink_cycles
        super().__init__(
            {
                "pins": Out(RGMII).array(len(delays)),
                "management": Out(MDIO).array(len(delays)),
                "bus": In(bus_signature(registers.REGISTERS)),
                "leds": Out(len(delays) + 2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.warden = warden = Warden(lanes=1)
        m.submodules.boot = boot = BootWrites(registers.REGISTERS, self.writes)
        wiring.connect(m, wiring.flipped(self.bus), boot.i)
        macs = {port: self._mac(m, port) for port in self.ports}
        wiring.connect(m, macs[Port.CLUSTER].o, warden.i_cluster)
        wiring.connect(m, warden.o_world, macs[self.ports[-1]].i)
        if Port.WORLD in macs:
            wiring.connect(m, macs[Port.WORLD].o, warden.i_world)
            wiring.connect(m, warden.o_cluster, macs[Port.CLUSTER].i)
        self._registers(m, boot.o, warden, macs)
        verdicts = (warden.verdict_cluster, warden.verdict_world)
        events = [
            Cat(verdict.valid & ((verdict.reason == Reason.FORWARDED) == forwarded) for verdict in verdicts).any()
            for forwarded in (True, False)
        ]
        links = [mac.speed == LinkSpeed.M1000 for mac in macs.values()]
        m.d.sync += self.leds.eq(Cat(links, self._shown(m, Cat(events))))
        return m

    def _mac(self, m: Module, port: Port) -> Mac:
        name = port.name.lower()
        m.submodules[f"mac_{name}"] = mac = Mac(CLOCK_HZ, f"rx_{name}", "tx")
        m.submodules[f"rgmii_{name}"] = rgmii = Rgmii(f"rx_{name}", "tx", self.delays[port])
        wiring.connect(m, rgmii.gmii_rx, mac.phy.gmii_rx)
        wiring.connect(m, mac.phy.gmii_tx, rgmii.gmii_tx)
        wiring.connect(m, rgmii.pins, wiring.flipped(self.pins[port]))
        wiring.connect(m, mac.phy.mdio, wiring.flipped(self.management[port]))
        return mac

    @staticmethod
    def _registers(m: Module, bus: BusInterface, warden: Warden, macs: dict[Port, Mac]) -> None:
        at = bus.address - registers.PORTS
        here = (bus.address >= registers.PORTS) & (at < registers.PORT_REGISTERS * len(macs))
        m.d.comb += [
            warden.bus.address.eq(bus.address),
            warden.bus.write_data.eq(bus.write_data),
            warden.bus.write.eq(bus.write),
            bus.read_data.eq(warden.bus.read_data),
        ]
        for port, mac in macs.items():
            mine = here & ((at // registers.PORT_REGISTERS) == port)
            m.d.comb += [
                mac.bus.address.eq(at),
                mac.bus.write_data.eq(bus.write_data),
                mac.bus.write.eq(bus.write & mine),
            ]
            with m.If(mine):
                m.d.comb += bus.read_data.eq(mac.bus.read_data)

    def _shown(self, m: Module, events: Value) -> Value:
        since, seen, shown = Signal(range(self.blink_cycles)), Signal(len(events)), Signal(len(events))
        m.d.sync += [since.eq(since + 1), seen.eq(seen | events)]
        with m.If(since == self.blink_cycles - 1):
            m.d.sync += [since.eq(0), shown.eq(seen | events), seen.eq(0)]
        return shown
