# SPDX-License-Identifier: Apache-2.0
"""The whole processor with its Ethernet ports: what goes onto a board."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.ethernet import LinkSpeed
from custodes.macsec import Side
from gateware.control.spi import SPI_PINS, SpiPinsInterface
from gateware.devices.nic import CLOCK_HZ as CONTROL_HZ
from gateware.devices.nic import Nic
from gateware.devices.ports import BLINK_CYCLES, add_port, connect_registers, shown
from gateware.ethernet import RgmiiDelays
from gateware.ethernet.mdio import MDIO, MdioInterface
from gateware.ethernet.rgmii import RGMII, RgmiiInterface
from gateware.stream import SkidBuffer, beat_layout


class EthernetNic(wiring.Component):
    """A `Nic` between the accelerator's port and the network's.

    Args:
        delays: of the pins of both ports, by the number of their `Side`.
        rom, secret, build_id, clock_hz: see `Nic`.
        blink_cycles: how long an LED shows what happened.

    Members:
        pins, management: of each PHY, by the number of its `Side`. The domains ``rx_accelerator`` and ``rx_network`` are
            their receive clocks; ``sync`` and ``tx`` are 125 MHz, ``control`` is what `Nic` says, all of any phase.
        leds: per port, the link is at 1 Gbit/s; then: frames were sealed or opened; frames were dropped.
        rx, tx, flash, sample, sample_valid, tamper: see `Nic`.

    Latency: that of the ports, each of which takes a frame in whole, and of the sessions. Throughput: line rate both ways,
    of frames that are long enough: a sealed one is 32 bytes longer.
    """

    pins: Sequence[RgmiiInterface]
    management: Sequence[MdioInterface]
    leds: Signal
    rx: Signal
    tx: Signal
    flash: SpiPinsInterface
    sample: Signal
    sample_valid: Signal
    tamper: Signal

    def __init__(
        self,
        delays: Sequence[RgmiiDelays],
        rom: bytes,
        secret: bytes,
        build_id: bytes,
        clock_hz: int = CONTROL_HZ,
        blink_cycles: int = BLINK_CYCLES,
    ) -> None:
        self.delays = delays
        self.nic = Nic(1, rom, secret, build_id, clock_hz)
        self.blink_cycles = blink_cycles
        super().__init__(
            {
                "pins": Out(RGMII).array(len(Side)),
                "management": Out(MDIO).array(len(Side)),
                "leds": Out(len(Side) + 2),
                "rx": In(1, init=1),  # pyright: ignore[reportCallIssue] (the stubs know no init)
                "tx": Out(1, init=1),  # pyright: ignore[reportCallIssue]
                "flash": Out(SPI_PINS),
                "sample": In(1),
                "sample_valid": In(1),
                "tamper": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.nic = nic = self.nic
        macs = [
            add_port(m, side.name.lower(), self.delays[side], self.pins[side], self.management[side]) for side in Side
        ]
        for side, mac in zip(Side, macs, strict=True):
            name = side.name.lower()
            wiring.connect(m, mac.o, getattr(nic, f"i_{name}"))
            # A port is at the rim of the part, and sessions in its middle, where what is ready moves many counters.
            m.submodules[f"{name}_slice"] = to_port = SkidBuffer(beat_layout(1))
            wiring.connect(m, getattr(nic, f"o_{name}"), to_port.i)
            wiring.connect(m, to_port.o, mac.i)
        connect_registers(m, nic.ports, 0, macs)
        wiring.connect(m, nic.flash, wiring.flipped(self.flash))
        m.d.comb += [
            nic.rx.eq(self.rx),
            self.tx.eq(nic.tx),
            nic.sample.eq(self.sample),
            nic.sample_valid.eq(self.sample_valid),
            nic.tamper.eq(self.tamper),
        ]
        verdicts = (nic.verdict_accelerator, nic.verdict_network)
        events = [
            Cat(verdict.valid & ((verdict.reason == 0) == passed) for verdict in verdicts).any()
            for passed in (True, False)
        ]
        links = [mac.speed == LinkSpeed.M1000 for mac in macs]
        m.d.sync += self.leds.eq(Cat(links, shown(m, Cat(events), self.blink_cycles)))
        return m
