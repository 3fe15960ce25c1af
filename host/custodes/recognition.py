# SPDX-License-Identifier: Apache-2.0
"""What kind of device is behind a `Link`."""

from __future__ import annotations

from custodes.border import Border, is_border
from custodes.device import Warden
from custodes.gateway import Gateway, is_gateway
from custodes.link import Link
from custodes.maps import BORDER, PROCESSOR, SNG, WARDEN
from custodes.nic import Nic, is_nic
from custodes.processor import Processor
from custodes.processor_registers import IDENTITY_VALUE as PROCESSOR_IDENTITY
from custodes.register_map import RegisterMap
from custodes.registers import IDENTITY


def recognised(link: Link) -> Warden | Processor | Nic:
    """What the device says it is; raises `DeviceError` where that is nothing that this host knows."""
    if link.read(IDENTITY) != PROCESSOR_IDENTITY:
        return Border(link) if is_border(link) else Warden(link)
    if is_gateway(link):
        gateway = Gateway(link)
        return Nic(link) if gateway.registers.map is SNG else gateway
    return Nic(link) if is_nic(link) else Processor(link)


def map_of(device: Warden | Processor | Nic) -> RegisterMap:
    """The registers that a device has."""
    if isinstance(device, Border):
        return BORDER
    if isinstance(device, Gateway | Nic):
        return device.registers.map
    return PROCESSOR if isinstance(device, Processor) else WARDEN


def roused(link: Link) -> Warden | Processor | Nic:
    """`recognised`, and given the time to boot."""
    device = recognised(link)
    if isinstance(device, Nic):
        device.rouse()
    return device
