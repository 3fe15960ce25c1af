# SPDX-License-Identifier: Apache-2.0
"""Lattice ECP5 Versa, LFE5UM-45F: two gigabit ports.

PHYs: Marvell 88E1512, which delay both clocks. The pins of the second are named otherwise than those of the first.
"""

from amaranth_boards.versa_ecp5 import VersaECP5Platform

from boards.board import Board, EthernetPort, Pll
from gateware.ethernet import RgmiiDelays

DELAYS = RgmiiDelays(rx_data_ps=0, tx_clock_ps=0)

BOARD = Board(
    name="versa_ecp5",
    title="Lattice ECP5 Versa",
    platform=VersaECP5Platform,
    family="ecp5",
    devices=("warden", "border", "gateway", "nic"),
    pll=Pll(reference=4, feedback=5, output=5),
    ports=(EthernetPort(0, DELAYS), EthernetPort(1, DELAYS, tx_ctl="tx_ctrl", rx_ctl="rx_ctrl")),
    leds=(("led", 0), ("led", 1), ("led", 2), ("led", 3)),
    tamper=("switch", 0),
    flows=1024,
    store_bytes=1 << 14,
    slots=8,
    power=("expcon", 2, "1"),
)
