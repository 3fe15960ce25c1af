# SPDX-License-Identifier: Apache-2.0
"""1BitSquared iCEBreaker with iCE40UP5K: no Ethernet; a control link on the FTDI's second port."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from boards.board import Board

BOARD = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    platform=ICEBreakerPlatform,
    family="ice40",
    devices=("control",),
    leds=(("led", 1), ("led", 0)),
)
