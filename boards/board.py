# SPDX-License-Identifier: Apache-2.0
"""What is to be known of a board beyond its pin-out."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.build import Platform

from gateware.ethernet import RgmiiDelays


@dataclass(frozen=True)
class EthernetPort:
    """One PHY.

    Attributes:
        resource: number of the platform's ``eth_rgmii``.
        delays: that clock and data need on this side.
        tx_ctl, rx_ctl: how the platform calls these pins.
        management: MDIO and reset pins are this port's; of PHYs that share them one port has them.
    """

    resource: int
    delays: RgmiiDelays
    tx_ctl: str = "tx_ctl"
    rx_ctl: str = "rx_ctl"
    management: bool = True


@dataclass(frozen=True)
class Pll:
    """Dividers of an ECP5 PLL (Lattice FPGA-TN-02200): the reference / ``reference`` x ``feedback`` is its output, and that
    x ``output`` its oscillator."""

    reference: int
    feedback: int
    output: int


@dataclass(frozen=True)
class Board:
    """One board.

    Attributes:
        name: on the command line.
        title: maker, model and revision.
        platform: makes its pin-out.
        family: ``ecp5`` or ``ice40``.
        devices: that fit, by the names of `boards.builder.DEVICES`.
        pll: from the board's clock to 125 MHz, or None where the device runs on the board's clock.
        ports: Ethernet ports, the cluster port first.
        leds: resources of the platform, each with its number, that show a device's status, in its order. Of three colours
            the green one does.
        tamper: resource of the platform, and its number, that says that somebody tampers.
        flows: slots of the flow table of a border.
        store_bytes: of frames that wait for their slot or window in a border.
        slots: connections in the table of a gateway, and pairs of 4 KB in its store.
        power: connector of the platform, its number, and the pin of it that switches the power of a gateway's server.
    """

    name: str
    title: str
    platform: type[Platform]
    family: str
    devices: tuple[str, ...]
    pll: Pll | None = None
    ports: tuple[EthernetPort, ...] = ()
    leds: tuple[tuple[str, int], ...] = ()
    tamper: tuple[str, int] | None = None
    flows: int = 0
    store_bytes: int = 0
    slots: int = 0
    power: tuple[str, int, str] | None = None
