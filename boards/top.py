# SPDX-License-Identifier: Apache-2.0
"""Devices, wired to the pins of a board. They have no ports of their own: they ask the platform for pins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth import Const, DomainRenamer, Instance, Module, Signal
from amaranth.build import Attrs, Pins, Resource
from amaranth.hdl import Value
from amaranth.lib import io, wiring

from boards.board import Board, EthernetPort
from boards.clocks import add_pll, add_receive_clock, output_hz
from boards.toolchain import HIDE_FIELDS
from custodes.macsec import Side
from gateware.control.cpu import PICORV32
from gateware.control.spi import SpiPinsInterface
from gateware.devices.control import Control
from gateware.devices.ethernet_border import EthernetBorder
from gateware.devices.ethernet_gateway import CABLES, EthernetGateway
from gateware.devices.ethernet_nic import EthernetNic
from gateware.devices.ethernet_warden import EthernetWarden
from gateware.devices.nic import CLOCK_HZ as CONTROL_HZ
from gateware.devices.ports import CLOCK_HZ
from gateware.ethernet.mdio import MdioInterface
from gateware.ethernet.rgmii import RgmiiInterface
from gateware.trng.ring import RingNoise

PHY_RESET_CYCLES = 1 << 21
"""16.8 ms at 125 MHz: the slowest of the PHYs asks for 10 ms."""


class _EthernetTop(wiring.Component):
    """What boards with Ethernet ports have in common."""

    def __init__(self, board: Board) -> None:
        self.board = board
        super().__init__({})

    def _clocks(self, m: Module, platform: Any, control: bool = False) -> None:
        pll = self.board.pll
        assert pll is not None
        m.submodules.clock = clock = io.Buffer(io.Direction.Input, platform.request(platform.default_clk, dir="-"))
        reset = Signal()
        if platform.default_rst is not None:
            m.submodules.reset = button = io.Buffer(io.Direction.Input, platform.request(platform.default_rst, dir="-"))
            m.d.comb += reset.eq(button.i)
        assert output_hz(pll, int(platform.default_clk_frequency)) == CLOCK_HZ == 2 * CONTROL_HZ
        add_pll(m, pll, clock.i, reset, control)

    def _port(
        self,
        m: Module,
        platform: Any,
        domain: str,
        port: EthernetPort,
        pins: RgmiiInterface,
        management: MdioInterface,
    ) -> None:
        pads = platform.request("eth_rgmii", port.resource, dir="-")
        m.submodules[f"{domain}_clock"] = clock = io.Buffer(io.Direction.Input, pads.rx_clk)
        # On the pin: nextpnr drops a constraint on a signal that comes from it, and then checks nothing.
        platform.add_clock_constraint(pads.rx_clk.io, CLOCK_HZ)
        add_receive_clock(m, domain, clock.i)
        for name, pad, to in (("ctl", getattr(pads, port.rx_ctl), pins.rx_ctl), ("data", pads.rx_data, pins.rx_data)):
            m.submodules[f"{domain}_{name}"] = buffer = io.Buffer(io.Direction.Input, pad)
            m.d.comb += to.eq(buffer.i)
        _output(m, f"{domain}_tx_clk", pads.tx_clk, pins.tx_clk)
        _output(m, f"{domain}_tx_ctl", getattr(pads, port.tx_ctl), pins.tx_ctl)
        _output(m, f"{domain}_tx_data", pads.tx_data, pins.tx_data)
        if port.management:
            self._management(m, domain, pads, management)
        else:
            m.d.comb += management.i.eq(1)

    def _control(self, m: Module, platform: Any, device: EthernetGateway | EthernetNic) -> None:
        """The UART, the tamper input, and a noise source."""
        board = self.board
        assert board.tamper is not None
        uart = platform.request("uart", 0, dir="-")
        m.submodules.uart_rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        name, number = board.tamper
        m.submodules.tamper = tamper = io.Buffer(io.Direction.Input, platform.request(name, number, dir="-"))
        m.submodules.noise = noise = DomainRenamer("control")(RingNoise(board.family))
        m.d.comb += [
            device.rx.eq(rx.i),
            device.tamper.eq(tamper.i),
            device.sample.eq(noise.sample),
            device.sample_valid.eq(noise.sample_valid),
        ]
        _output(m, "uart_tx", uart.tx, device.tx)

    @staticmethod
    def _management(m: Module, domain: str, pads: Any, management: MdioInterface) -> None:
        waited = Signal(range(PHY_RESET_CYCLES), name=f"{domain}_waited")
        resetting = Signal(init=1, name=f"{domain}_resetting")
        m.d.sync += waited.eq(waited + 1)
        with m.If(waited == PHY_RESET_CYCLES - 1):
            m.d.sync += resetting.eq(0)
        _output(m, f"{domain}_phy_rst", pads.rst, resetting)
        _output(m, f"{domain}_mdc", pads.mdc, management.mdc)
        m.submodules[f"{domain}_mdio"] = mdio = io.Buffer(io.Direction.Bidir, pads.mdio)
        m.d.comb += [mdio.o.eq(management.o), mdio.oe.eq(management.oe), management.i.eq(mdio.i)]


class WardenTop(_EthernetTop):
    """An `EthernetWarden`: with both ports, or with the one that the board has.

    Args:
        writes: see `EthernetWarden`.
    """

    def __init__(self, board: Board, writes: Sequence[tuple[int, int]]) -> None:
        self.writes = writes
        super().__init__(board)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        self._clocks(m, platform)
        delays = [port.delays for port in board.ports]
        m.submodules.device = device = EthernetWarden(delays, self.writes)
        for port, wired in zip(device.ports, board.ports, strict=True):
            self._port(m, platform, f"rx_{port.name.lower()}", wired, device.pins[port], device.management[port])
        _leds(m, platform, board, device.leds)
        _output(m, "uart_tx", platform.request("uart", 0, dir="-").tx, Const(1))
        return m


class BorderTop(_EthernetTop):
    """An `EthernetBorder`, with both ports, a UART, a flow table and a store of the sizes that the board has room for.

    Args:
        writes, build_id: see `EthernetBorder`.
    """

    options = "--placer static --tmg-ripup"
    """Of nextpnr. The other placer needs a third more wire here, and without the second the router makes no end."""

    def __init__(self, board: Board, writes: Sequence[tuple[int, int]], build_id: bytes) -> None:
        self.writes = writes
        self.build_id = build_id
        super().__init__(board)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        self._clocks(m, platform, control=True)
        delays = [port.delays for port in board.ports]
        m.submodules.device = device = EthernetBorder(
            delays, self.writes, self.build_id, flows=board.flows, store_bytes=board.store_bytes
        )
        for number, (name, wired) in enumerate(zip(("cluster", "world"), board.ports, strict=True)):
            self._port(m, platform, f"rx_{name}", wired, device.pins[number], device.management[number])
        _leds(m, platform, board, device.leds)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.uart_rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.d.comb += device.rx.eq(rx.i)
        _output(m, "uart_tx", uart.tx, device.tx)
        return m


class GatewayTop(_EthernetTop):
    """An `EthernetGateway` with a UART, and a pin for the power of the server.

    Args:
        build_id: see `EthernetGateway`.
    """

    options = "--placer static --ignore-loops --tmg-ripup"
    """Of nextpnr, as of a `NicTop`."""

    def __init__(self, board: Board, build_id: bytes) -> None:
        self.build_id = build_id
        super().__init__(board)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        assert board.power is not None
        self._clocks(m, platform, control=True)
        delays = [port.delays for port in board.ports]
        m.submodules.device = device = EthernetGateway(delays, self.build_id, flows=board.slots, slots=board.slots)
        for port, wired in zip(CABLES, board.ports, strict=True):
            self._port(m, platform, f"rx_{port.name.lower()}", wired, device.pins[port], device.management[port])
        _leds(m, platform, board, device.leds)
        self._control(m, platform, device)
        connector, number, pin = board.power
        switch = Pins(pin, dir="o", conn=(connector, number))
        platform.add_resources([Resource("server_power", 0, switch, Attrs(IO_TYPE="LVCMOS33"))])
        _output(m, "server_power", platform.request("server_power", 0, dir="-"), device.power)
        return m


class NicTop(_EthernetTop):
    """An `EthernetNic`, which keeps its state in the last part of the flash that has the bitstream.

    Args:
        rom, secret, build_id: see `EthernetNic`.
    """

    options = "--placer static --ignore-loops --tmg-ripup"
    """Of nextpnr. Where most block RAM is in use, this placer leaves less far from it; ring oscillators are loops; and the
    third lets the router go back on ways that are too long."""
    commands = HIDE_FIELDS

    def __init__(self, board: Board, rom: bytes, secret: bytes, build_id: bytes) -> None:
        self.rom = rom
        self.secret = secret
        self.build_id = build_id
        super().__init__(board)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        platform.add_file(PICORV32.name, PICORV32.read_bytes())
        self._clocks(m, platform, control=True)
        delays = [port.delays for port in board.ports]
        m.submodules.device = device = EthernetNic(delays, self.rom, self.secret, self.build_id)
        for side, wired in zip(Side, board.ports, strict=True):
            self._port(m, platform, f"rx_{side.name.lower()}", wired, device.pins[side], device.management[side])
        _leds(m, platform, board, device.leds)
        self._control(m, platform, device)
        self._flash(m, platform, device.flash)
        return m

    @staticmethod
    def _flash(m: Module, platform: Any, flash: SpiPinsInterface) -> None:
        pads = platform.request("spi_flash_1x", 0, dir="-")
        _output(m, "flash_cs", pads.cs, flash.cs)
        _output(m, "flash_copi", pads.copi, flash.copi)
        for name in ("wp", "hold"):
            _output(m, f"flash_{name}", getattr(pads, name), Const(0))
        m.submodules.flash_cipo = cipo = io.Buffer(io.Direction.Input, pads.cipo)
        m.d.comb += flash.cipo.eq(cipo.i)
        # The clock's pin is the one from which the FPGA configures itself: no pad for the fabric, but a way to it.
        m.submodules.flash_clock = Instance("USRMCLK", i_USRMCLKI=flash.sck, i_USRMCLKTS=Const(0))


class ControlTop(wiring.Component):
    """A `Control` on the board's own clock, from which Amaranth makes the domain ``sync``."""

    def __init__(self, board: Board) -> None:
        self.board = board
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.device = device = Control(
            int(platform.default_clk_frequency), f"custodes control {self.board.name}"
        )
        uart = platform.request("uart", 0, dir="-")
        m.submodules.uart_rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.d.comb += device.rx.eq(rx.i)
        _output(m, "uart_tx", uart.tx, device.tx)
        _leds(m, platform, self.board, device.leds)
        return m


def _leds(m: Module, platform: Any, board: Board, lit: Value) -> None:
    for (resource, number), value in zip(board.leds, lit, strict=False):
        pad = platform.request(resource, number, dir="-")
        _output(m, f"{resource}_{number}", getattr(pad, "g", pad), value)


def _output(m: Module, name: str, pad: Any, value: Value) -> None:
    m.submodules[name] = buffer = io.Buffer(io.Direction.Output, pad)
    m.d.comb += buffer.o.eq(value)
