# SPDX-License-Identifier: Apache-2.0
"""The Gigabit media-independent interface, one byte per cycle, one way."""

from amaranth import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out


class GmiiInterface(wiring.PureInterface):
    """What `GMII` makes."""

    data: Signal
    valid: Signal
    error: Signal


GMII = wiring.Signature({"data": Out(8), "valid": Out(1), "error": Out(1)})
"""TXD, TX_EN and TX_ER, or RXD, RX_DV and RX_ER (IEEE 802.3 clause 35.2.2), at 125 MHz. No carrier extension."""
