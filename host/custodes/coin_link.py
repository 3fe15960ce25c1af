# SPDX-License-Identifier: Apache-2.0
"""Opens the device that a coin is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from custodes.accessors import Registers
from custodes.coin_device import Coin, DeviceCoin
from custodes.coin_registers import COIN_BLOCK
from custodes.errors import DeviceError, RefusedError
from custodes.link import open_link
from custodes.register_map import RegisterMap
from custodes.registers import WARDEN_BLOCK

COIN_MAP = RegisterMap(
    "coin", "What a warden with a coin has, as far as the coin flip needs it.", (WARDEN_BLOCK, COIN_BLOCK)
)


@contextmanager
def opened_coin(name: str, lanes: int) -> Iterator[Coin]:
    """The coin of a device, for the length of a block; raises `DeviceError` where there is none."""
    with open_link(name, lanes) as link:
        registers = Registers(link, COIN_MAP)
        try:
            registers.fields("COIN_STATUS")
        except RefusedError:
            raise DeviceError(f"{name}: this device has no coin") from None
        yield DeviceCoin(registers)
