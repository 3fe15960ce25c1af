# SPDX-License-Identifier: Apache-2.0
"""The register maps of the devices."""

from __future__ import annotations

from custodes.border_registers import BORDER_BLOCK, BORDER_CONTROL_BLOCK, FINGERPRINT_BLOCK, RETIMER_BLOCK
from custodes.coin_registers import COIN_BLOCK
from custodes.control_registers import CONTROL_BLOCK, FIRMWARE_BLOCK
from custodes.gateway_registers import GATEWAY_BLOCK, SAMPLER_BLOCK, SCRUBBER_BLOCK, UPLOAD_BLOCK
from custodes.macsec import Side
from custodes.processor_registers import PROCESSOR_BLOCK
from custodes.register_map import Block, RegisterMap
from custodes.registers import WARDEN_BLOCK, port_registers
from custodes.seed_registers import SEED_BLOCK

PORTS_BLOCK = Block("ports", 0x1200, "The Ethernet ports of a processor on a board.", port_registers(Side, 0))

WARDEN = RegisterMap(
    "warden",
    "The warden: scrubbers between a cluster and the world, where it has flows their translator, and in simulation what its"
    " words are made of.",
    (WARDEN_BLOCK, SEED_BLOCK),
)
PROCESSOR = RegisterMap("processor", "The processor's datapath alone: sessions.", (PROCESSOR_BLOCK,))
NIC = RegisterMap(
    "nic",
    "The whole processor, as its host sees it: sessions, Ethernet ports and control.",
    (PROCESSOR_BLOCK, CONTROL_BLOCK, PORTS_BLOCK),
)
BORDER = RegisterMap(
    "border",
    "The whole warden: scrubbers, retimer, fingerprints and coin, and on a board its serial link.",
    (WARDEN_BLOCK, RETIMER_BLOCK, FINGERPRINT_BLOCK, COIN_BLOCK, BORDER_BLOCK, BORDER_CONTROL_BLOCK),
)
GATEWAY = RegisterMap(
    "gateway",
    "The gateway: sessions, scrubbers, upload and sampler, and on a board its serial link.",
    (PROCESSOR_BLOCK, BORDER_CONTROL_BLOCK, SCRUBBER_BLOCK, UPLOAD_BLOCK, SAMPLER_BLOCK, GATEWAY_BLOCK),
)
SNG = RegisterMap(
    "sng",
    "The whole gateway, as its host sees it: sessions, control, scrubbers, upload and sampler.",
    (PROCESSOR_BLOCK, CONTROL_BLOCK, SCRUBBER_BLOCK, UPLOAD_BLOCK, SAMPLER_BLOCK, GATEWAY_BLOCK),
)
FIRMWARE = RegisterMap("firmware", "What a control CPU has besides its device's map.", (FIRMWARE_BLOCK,))
MAPS = (WARDEN, BORDER, PROCESSOR, NIC, GATEWAY, SNG, FIRMWARE)
CONTROLLED = (NIC, SNG)
"""Of devices with control."""
GATEWAYS = (GATEWAY, SNG)
