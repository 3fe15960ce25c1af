# SPDX-License-Identifier: Apache-2.0
"""The register maps of the devices."""

from __future__ import annotations

from custodes.control_registers import CONTROL_BLOCK, FIRMWARE_BLOCK
from custodes.macsec import Side
from custodes.processor_registers import PROCESSOR_BLOCK
from custodes.register_map import Block, RegisterMap
from custodes.registers import WARDEN_BLOCK, port_registers

PORTS_BLOCK = Block("ports", 0x1200, "The Ethernet ports of a processor on a board.", port_registers(Side, 0))

WARDEN = RegisterMap("warden", "The warden: scrubbers between a cluster and the world.", (WARDEN_BLOCK,))
PROCESSOR = RegisterMap("processor", "The processor's datapath alone: sessions.", (PROCESSOR_BLOCK,))
NIC = RegisterMap(
    "nic",
    "The whole processor, as its host sees it: sessions, Ethernet ports and control.",
    (PROCESSOR_BLOCK, CONTROL_BLOCK, PORTS_BLOCK),
)
FIRMWARE = RegisterMap("firmware", "What the control CPU of a nic has besides that device's map.", (FIRMWARE_BLOCK,))
MAPS = (WARDEN, PROCESSOR, NIC, FIRMWARE)
