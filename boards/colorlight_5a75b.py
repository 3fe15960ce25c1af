# SPDX-License-Identifier: Apache-2.0
"""Colorlight 5A-75B, revision 7.0: a receiver card for LED walls with two gigabit ports.

PHYs: Broadcom B50612D, which delay the transmit clock but not the received one; they share reset and MDIO. The only LED and
the only button are on the UART's pins, which are kept for control.
"""

from typing import Any

from amaranth.build import Resource
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform

from boards.board import Board, EthernetPort, Pll
from gateware.ethernet import RgmiiDelays

DELAYS = RgmiiDelays(rx_data_ps=2000, tx_clock_ps=0)
SHARED = ("rst", "mdc", "mdio")


def _second_without_shared(resource: Any) -> Resource:
    if (resource.name, resource.number) != ("eth_rgmii", 1):
        return resource
    return Resource(
        resource.name, resource.number, *(io for io in resource.ios if io.name not in SHARED), resource.attrs
    )


class Platform(Colorlight_5A75B_R70Platform):
    resources = [_second_without_shared(resource) for resource in Colorlight_5A75B_R70Platform.resources]


BOARD = Board(
    name="colorlight_5a75b",
    title="Colorlight 5A-75B r7.0",
    platform=Platform,
    family="ecp5",
    devices=("warden",),
    pll=Pll(reference=1, feedback=5, output=5),
    ports=(EthernetPort(0, DELAYS), EthernetPort(1, DELAYS, management=False)),
)
