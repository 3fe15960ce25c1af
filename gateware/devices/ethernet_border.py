# SPDX-License-Identifier: Apache-2.0
"""The border with its Ethernet ports and its serial link: what goes onto a board. It has no CPU."""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.ethernet import LinkSpeed
from custodes.flow_table import FLOWS
from custodes.maps import BORDER
from custodes.register_map import DATAPATH_WORDS
from custodes.table import Port, Reason
from gateware.control.boot import BootWrites
from gateware.control.bus import bus_signature
from gateware.devices.border import STORE_BYTES, Border
from gateware.devices.ports import BLINK_CYCLES, add_port, connect_registers, shown
from gateware.devices.serial_control import BUILD_ID_BYTES, CONTROL_HZ, SerialControl
from gateware.ethernet import RgmiiDelays
from gateware.ethernet.mdio import MDIO, MdioInterface
from gateware.ethernet.rgmii import RGMII, RgmiiInterface


class EthernetBorder(wiring.Component):
    """A `Border` between the cluster port and the world port, and its `SerialControl`.

    Args:
        delays: of the pins of the cluster port, and of the world port.
        writes: pairs of register address and value, written after every reset; without any, nothing is forwarded until
            a host writes a policy.
        build_id, clock_hz: see `SerialControl`.
        flows, store_bytes: see `Border`.
        blink_cycles: how long an LED shows what happened.

    Members:
        pins, management: of each PHY, by the number of its `Port`. The domains ``rx_cluster`` and ``rx_world`` are their
            receive clocks; ``sync`` and ``tx`` are 125 MHz, ``control`` is what ``clock_hz`` says, all of any phase.
        rx, tx: the serial link, in ``control``.
        leds: per port, the link is at 1 Gbit/s; then: frames were forwarded; there has been an alarm since the reset.

    Latency: that of the ports and the warden, each of which takes a frame in whole, and of the schedule. Throughput: line
    rate both ways, as far as the schedule and `Fingerprint` let it.
    """

    pins: Sequence[RgmiiInterface]
    management: Sequence[MdioInterface]
    rx: Signal
    tx: Signal
    leds: Signal

    def __init__(
        self,
        delays: Sequence[RgmiiDelays],
        writes: Sequence[tuple[int, int]] = (),
        build_id: bytes = bytes(BUILD_ID_BYTES),
        clock_hz: int = CONTROL_HZ,
        flows: int = FLOWS,
        store_bytes: int = STORE_BYTES,
        blink_cycles: int = BLINK_CYCLES,
    ) -> None:
        self.delays = delays
        self.writes = writes
        self.build_id = build_id
        self.clock_hz = clock_hz
        self.flows = flows
        self.store_bytes = store_bytes
        self.blink_cycles = blink_cycles
        super().__init__(
            {
                "pins": Out(RGMII).array(len(Port)),
                "management": Out(MDIO).array(len(Port)),
                "rx": In(1, init=1),  # pyright: ignore[reportCallIssue] (the stubs know no init)
                "tx": Out(1, init=1),  # pyright: ignore[reportCallIssue]
                "leds": Out(len(Port) + 2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.border = border = Border(1, self.flows, self.store_bytes)
        m.submodules.control = control = SerialControl(BORDER, DATAPATH_WORDS, self.build_id, self.clock_hz)
        m.submodules.boot = boot = BootWrites(DATAPATH_WORDS, self.writes)
        macs = {
            port: add_port(m, port.name.lower(), self.delays[port], self.pins[port], self.management[port])
            for port in Port
        }
        for port, mac in macs.items():
            name = port.name.lower()
            wiring.connect(m, mac.o, getattr(border, f"i_{name}"))
            wiring.connect(m, getattr(border, f"o_{name}"), mac.i)
        wiring.connect(m, control.bus, boot.i)
        # The writes of the boot come late out of their memory, and registers are everywhere.
        bus: Any = bus_signature(DATAPATH_WORDS).create()
        m.d.sync += [
            bus.address.eq(boot.o.address),
            bus.write_data.eq(boot.o.write_data),
            bus.write.eq(boot.o.write),
        ]
        m.d.comb += [
            control.rx.eq(self.rx),
            self.tx.eq(control.tx),
            border.bus.address.eq(bus.address),
            border.bus.write_data.eq(bus.write_data),
            border.bus.write.eq(bus.write),
            bus.read_data.eq(border.bus.read_data),
            boot.o.read_data.eq(bus.read_data),
        ]
        connect_registers(m, bus, registers.PORTS, [*macs.values()])
        verdicts = (border.verdict_cluster, border.verdict_world)
        forwarded = Cat(verdict.valid & (verdict.reason == Reason.FORWARDED) for verdict in verdicts).any()
        links = [mac.speed == LinkSpeed.M1000 for mac in macs.values()]
        alarm = Signal()
        with m.If(border.alarm):
            m.d.sync += alarm.eq(1)
        m.d.sync += self.leds.eq(Cat(links, shown(m, forwarded, self.blink_cycles), alarm))
        return m
