# SPDX-License-Identifier: Apache-2.0
"""The gateway with its Ethernet ports and its serial link: what goes onto a board with two ports. It has no CPU."""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from custodes import registers
from custodes.ethernet import LinkSpeed
from custodes.gateway_registers import GATEWAY_WORDS, SCRUBBER_BASE, GatewayPort
from custodes.maps import GATEWAY
from custodes.registers import PORT_REGISTERS
from gateware.control.bus import BusInterface
from gateware.devices.gateway import ANSWER_CYCLES, OFF_CYCLES, Gateway
from gateware.devices.ports import add_port
from gateware.devices.random_words import RandomWords
from gateware.devices.serial_control import BUILD_ID_BYTES, CONTROL_HZ, SerialControl
from gateware.ethernet import Mac, RgmiiDelays
from gateware.ethernet.mdio import MDIO, MdioInterface
from gateware.ethernet.rgmii import RGMII, RgmiiInterface
from gateware.stream import FrameArbiter, SkidBuffer, beat_layout

CABLES = (GatewayPort.SERVER, GatewayPort.WORLD)


class EthernetGateway(wiring.Component):
    """A `Gateway` between the server's port and the world's, its `SerialControl`, and its `RandomWords`. Samples leave at
    the world's port too: they are sealed, and for the recomputer's address. Weights come as they are: there is no room for
    what would open them.

    Args:
        delays: of the pins of the server's port, and of the world's.
        build_id, clock_hz: see `SerialControl`.
        flows, slots, slot_bytes, off_cycles: see `Gateway`.

    Members:
        pins, management: of each PHY, in the order of `CABLES`. The domains ``rx_server`` and ``rx_world`` are their receive
            clocks; ``sync`` and ``tx`` are 125 MHz, ``control`` is what ``clock_hz`` says, all of any phase.
        rx, tx: the serial link, in ``control``.
        sample, sample_valid: of a noise source, see `RandomWords`, in ``control``.
        power: of the server.
        tamper: somebody tampers; need not be synchronous.
        leds: per port, the link is at 1 Gbit/s; then: the server has power; there has been an alarm since the reset.

    Latency: that of the ports and of the gateway, each of which takes a frame in whole. Throughput: line rate both ways, as
    far as `Sampler` goes; samples take some of what leaves to the world.
    """

    pins: Sequence[RgmiiInterface]
    management: Sequence[MdioInterface]
    rx: Signal
    tx: Signal
    sample: Signal
    sample_valid: Signal
    power: Signal
    tamper: Signal
    leds: Signal

    def __init__(
        self,
        delays: Sequence[RgmiiDelays],
        build_id: bytes = bytes(BUILD_ID_BYTES),
        clock_hz: int = CONTROL_HZ,
        flows: int = 16,
        slots: int = 16,
        slot_bytes: int = 4096,
        off_cycles: int = OFF_CYCLES,
    ) -> None:
        self.delays = delays
        self.build_id = build_id
        self.clock_hz = clock_hz
        self.gateway = Gateway(1, flows, slots, slot_bytes, off_cycles, opens=False)
        super().__init__(
            {
                "pins": Out(RGMII).array(len(CABLES)),
                "management": Out(MDIO).array(len(CABLES)),
                "rx": In(1, init=1),  # pyright: ignore[reportCallIssue] (the stubs know no init)
                "tx": Out(1, init=1),  # pyright: ignore[reportCallIssue]
                "sample": In(1),
                "sample_valid": In(1),
                "power": Out(1),
                "tamper": In(1),
                "leds": Out(len(CABLES) + 2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.gateway = gateway = self.gateway
        m.submodules.control = control = SerialControl(
            GATEWAY, GATEWAY_WORDS, self.build_id, self.clock_hz, ANSWER_CYCLES
        )
        m.submodules.words = words = RandomWords()
        wiring.connect(m, words.o, gateway.random)
        wiring.connect(m, words.engine, gateway.engine)
        m.submodules.to_world = to_world = FrameArbiter(1)
        macs = {
            port: add_port(m, port.name.lower(), self.delays[port], self.pins[port], self.management[port])
            for port in CABLES
        }
        leaving = {GatewayPort.SERVER: gateway.o_server, GatewayPort.WORLD: to_world.o}
        for port, mac in macs.items():
            name = port.name.lower()
            # A port is at the rim of the part.
            m.submodules[f"from_{name}"] = from_port = SkidBuffer(beat_layout(1))
            wiring.connect(m, mac.o, from_port.i)
            wiring.connect(m, from_port.o, getattr(gateway, f"i_{name}"))
            m.submodules[f"{name}_slice"] = to_port = SkidBuffer(beat_layout(1))
            wiring.connect(m, leaving[port], to_port.i)
            wiring.connect(m, to_port.o, mac.i)
        wiring.connect(m, gateway.o_world, to_world.i_first)
        wiring.connect(m, gateway.o_recomputer, to_world.i_second)
        m.d.comb += [
            words.sample.eq(self.sample),
            words.sample_valid.eq(self.sample_valid),
            gateway.random_alarm.eq(words.alarm),
            control.rx.eq(self.rx),
            self.tx.eq(control.tx),
            gateway.bus.address.eq(control.bus.address),
            gateway.bus.write_data.eq(control.bus.write_data),
            gateway.bus.write.eq(control.bus.write),
        ]
        self._registers(m, control.bus, gateway.bus.read_data, [*macs.values()])
        links = [mac.speed == LinkSpeed.M1000 for mac in macs.values()]
        alarm = Signal()
        with m.If(gateway.alarm):
            m.d.sync += alarm.eq(1)
        m.d.sync += [self.power.eq(gateway.power), self.leds.eq(Cat(links, gateway.power, alarm))]
        m.submodules.tamper = FFSynchronizer(self.tamper, gateway.tamper)
        return m

    def _registers(self, m: Module, bus: BusInterface, read_data: Value, macs: Sequence[Mac]) -> None:
        """Those of the ports besides the gateway's own, each with registers on the way, as it is at the rim of the part."""
        answer = read_data
        for number, mac in enumerate(macs):
            first = SCRUBBER_BASE + registers.PORTS + number * PORT_REGISTERS
            mine, here = Signal(name=f"mine_{number}"), (bus.address >= first) & (bus.address < first + PORT_REGISTERS)
            m.d.sync += [
                mine.eq(here),
                mac.bus.address.eq(Mux(here, bus.address - first, 0)),
                mac.bus.write_data.eq(Mux(here, bus.write_data, 0)),
                mac.bus.write.eq(bus.write & here),
            ]
            answer = Mux(mine, mac.bus.read_data, answer)
        m.d.comb += bus.read_data.eq(answer)
