# SPDX-License-Identifier: Apache-2.0
"""Ethernet ports: media access control at 1 Gbit/s, link speed, PHY management, and RGMII pins."""

from .gmii import GMII
from .mac import PHY, Mac, PhyInterface
from .mdio import MDIO, MdioMaster
from .receiver import Receiver
from .rgmii import Rgmii, RgmiiDelays
from .speed import SpeedMeter
from .store import TransmitStore
from .transmitter import Transmitter

__all__ = [
    "GMII",
    "MDIO",
    "PHY",
    "Mac",
    "MdioMaster",
    "PhyInterface",
    "Receiver",
    "Rgmii",
    "RgmiiDelays",
    "SpeedMeter",
    "TransmitStore",
    "Transmitter",
]
