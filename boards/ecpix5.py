# SPDX-License-Identifier: Apache-2.0
"""LambdaConcept ECPIX-5 with LFE5UM5G-85F: one gigabit port.

PHY: Micrel KSZ9031, which delays the received clock but not the transmit clock.
"""

from amaranth_boards.ecpix5 import ECPIX585Platform

from boards.board import Board, EthernetPort, Pll
from gateware.ethernet import RgmiiDelays

BOARD = Board(
    name="ecpix5",
    title="LambdaConcept ECPIX-5 85F",
    platform=ECPIX585Platform,
    family="ecp5",
    devices=("loop",),
    pll=Pll(reference=4, feedback=5, output=5),
    ports=(EthernetPort(0, RgmiiDelays(rx_data_ps=0, tx_clock_ps=2000), tx_ctl="tx_ctrl", rx_ctl="rx_ctrl"),),
    leds=(("rgb_led", 0), ("rgb_led", 1), ("rgb_led", 2)),
)
