# SPDX-License-Identifier: Apache-2.0
"""What devices with Ethernet ports have in common: the ports, their registers, and LEDs that show what happens."""

from collections.abc import Sequence

from amaranth import Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring

from custodes.registers import PORT_REGISTERS
from gateware.control.bus import BusInterface
from gateware.ethernet import Mac, Rgmii, RgmiiDelays
from gateware.ethernet.mdio import MdioInterface
from gateware.ethernet.rgmii import RgmiiInterface

CLOCK_HZ = 125_000_000
BLINK_CYCLES = 1 << 23
"""What happened in as many shows for as many: 67 ms at 125 MHz."""


def add_port(m: Module, name: str, delays: RgmiiDelays, pins: RgmiiInterface, management: MdioInterface) -> Mac:
    """A `Mac` behind pins of the device; ``rx_`` and the name are the domain of its receive clock."""
    m.submodules[f"mac_{name}"] = mac = Mac(CLOCK_HZ, f"rx_{name}", "tx")
    m.submodules[f"rgmii_{name}"] = rgmii = Rgmii(f"rx_{name}", "tx", delays)
    wiring.connect(m, rgmii.gmii_rx, mac.phy.gmii_rx)
    wiring.connect(m, mac.phy.gmii_tx, rgmii.gmii_tx)
    wiring.connect(m, rgmii.pins, wiring.flipped(pins))
    wiring.connect(m, mac.phy.mdio, wiring.flipped(management))
    return mac


def connect_registers(m: Module, bus: BusInterface, first: int, macs: Sequence[Mac]) -> None:
    """Those of the ports, the first of which begin at the address ``first``; what is elsewhere is read as it was."""
    at = bus.address - first
    here = (bus.address >= first) & (at < PORT_REGISTERS * len(macs))
    for number, mac in enumerate(macs):
        mine = here & ((at // PORT_REGISTERS) == number)
        m.d.comb += [
            mac.bus.address.eq(at),
            mac.bus.write_data.eq(bus.write_data),
            mac.bus.write.eq(bus.write & mine),
        ]
        with m.If(mine):
            m.d.comb += bus.read_data.eq(mac.bus.read_data)


def shown(m: Module, events: Value, blink_cycles: int) -> Value:
    """Of each event whether it happened, long enough to be seen."""
    since, seen, shown = Signal(range(blink_cycles)), Signal(len(events)), Signal(len(events))
    m.d.sync += [since.eq(since + 1), seen.eq(seen | events)]
    with m.If(since == blink_cycles - 1):
        m.d.sync += [since.eq(0), shown.eq(seen | events), seen.eq(0)]
    return shown
