# SPDX-License-Identifier: Apache-2.0
"""Radiona ULX3S with LFE5U-85F: no Ethernet; a control link on the FTDI's serial port."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from boards.board import Board

BOARD = Board(
    name="ulx3s",
    title="Radiona ULX3S 85F",
    platform=ULX3S_85F_Platform,
    family="ecp5",
    devices=("control",),
    leds=(("led", 0), ("led", 1)),
)
