# SPDX-License-Identifier: Apache-2.0
"""The warden with its Ethernet ports: what goes onto a board."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.ethernet import LinkSpeed
from custodes.table import Port, Reason
from gateware.control.boot import BootWrites
from gateware.control.bus import BusInterface, bus_signature
from gateware.devices.ports import BLINK_CYCLES, add_port, connect_registers, shown
from gateware.devices.warden import Warden
from gateware.ethernet import RgmiiDelays
from gateware.ethernet.mdio import MDIO, MdioInterface
from gateware.ethernet.rgmii import RGMII, RgmiiInterface


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
        m.submodules.warden = warden = Warden(lanes=1, flows=0)
        m.submodules.boot = boot = BootWrites(registers.REGISTERS, self.writes)
        wiring.connect(m, wiring.flipped(self.bus), boot.i)
        macs = {
            port: add_port(m, port.name.lower(), self.delays[port], self.pins[port], self.management[port])
            for port in self.ports
        }
        wiring.connect(m, macs[Port.CLUSTER].o, warden.i_cluster)
        wiring.connect(m, warden.o_world, macs[self.ports[-1]].i)
        if Port.WORLD in macs:
            wiring.connect(m, macs[Port.WORLD].o, warden.i_world)
            wiring.connect(m, warden.o_cluster, macs[Port.CLUSTER].i)
        bus = boot.o
        m.d.comb += [
            warden.bus.address.eq(bus.address),
            warden.bus.write_data.eq(bus.write_data),
            warden.bus.write.eq(bus.write),
            bus.read_data.eq(warden.bus.read_data),
        ]
        connect_registers(m, bus, registers.PORTS, [*macs.values()])
        verdicts = (warden.verdict_cluster, warden.verdict_world)
        events = [
            Cat(verdict.valid & ((verdict.reason == Reason.FORWARDED) == forwarded) for verdict in verdicts).any()
            for forwarded in (True, False)
        ]
        links = [mac.speed == LinkSpeed.M1000 for mac in macs.values()]
        m.d.sync += self.leds.eq(Cat(links, shown(m, Cat(events), self.blink_cycles)))
        return m
