# SPDX-License-Identifier: Apache-2.0
"""What host and gateware call the same at an Ethernet port: link speeds, and what a port counts."""

from enum import IntEnum

PREAMBLE, SFD = 0x55, 0xD5
PREAMBLE_BYTES = 7
"""IEEE 802.3 clause 3.2.1 and 3.2.2."""
FCS_BYTES = 4
MIN_FRAME_BYTES = 60
MAX_FRAME_BYTES = 1514
"""Without FCS (clause 3.2.7); a VLAN tag makes the largest frame longer."""
TAG_BYTES = 4
TAG_ETHERTYPE = 0x8100
GAP_BYTES = 12
"""Between frames (clause 4.4.2)."""


class LinkSpeed(IntEnum):
    """Of a port, told from the receive clock that the PHY gives."""

    NONE = 0
    M10 = 1
    M100 = 2
    M1000 = 3


class PortEvent(IntEnum):
    """What a port counts. Each frame or try at one that comes in counts once, by the first that applies from the top."""

    RX_REFUSED = 0
    RX_PREAMBLE = 1
    RX_OVERSIZE = 2
    RX_ERROR = 3
    RX_RUNT = 4
    RX_FCS = 5
    RX_OVERRUN = 6
    RX_FRAMES = 7
    TX_REFUSED = 8
    TX_FRAMES = 9

    @property
    def title(self) -> str:
        return _TITLES[self]


_TITLES = {
    PortEvent.RX_REFUSED: "came in while the link is not at 1 Gbit/s",
    PortEvent.RX_PREAMBLE: "without preamble and start of frame",
    PortEvent.RX_OVERSIZE: "longer than the largest frame",
    PortEvent.RX_ERROR: "marked bad by the PHY",
    PortEvent.RX_RUNT: "shorter than the smallest frame",
    PortEvent.RX_FCS: "frame check sequence",
    PortEvent.RX_OVERRUN: "no room",
    PortEvent.RX_FRAMES: "frames taken in",
    PortEvent.TX_REFUSED: "not sent because the link is not at 1 Gbit/s",
    PortEvent.TX_FRAMES: "frames sent",
}
