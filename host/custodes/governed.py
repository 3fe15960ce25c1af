# SPDX-License-Identifier: Apache-2.0
"""Processors that frames can be sent through: blank ones take raw keys, operational ones wrapped keys from governors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from custodes.device import opened
from custodes.errors import DeviceError, KeysError, UsageError
from custodes.firmware import Firmware
from custodes.keys import Keys
from custodes.lifecycle import Lifecycle
from custodes.link import Link
from custodes.nic import Nic, is_nic, tampered
from custodes.processor import Processor
from custodes.provisioner import Signers, install
from custodes.provisioning import Provisioning


class GovernedProcessor(Processor):
    """The processor of a device with control.

    Args:
        provisioning: what the device was provisioned with.
        signers: private keys of its governors; both are needed where the device is operational.
        told: called with a line whenever a key has been installed.
    """

    def __init__(
        self,
        nic: Nic,
        provisioning: Provisioning | None = None,
        signers: Signers | None = None,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(nic.link)
        self._nic = nic
        self._provisioning, self._signers = provisioning, signers
        self._told = told

    def load(self, keys: Keys) -> None:
        """Put keys into the device, raw while it is blank, else wrapped and on the governors' order.

        Raises:
            DeviceError: it is in no state to take keys, or refuses.
            KeysError: keys and device have other channels.
            UsageError: the governors' keys are missing.
        """
        state = self._nic.booted()
        if state is Lifecycle.BLANK:
            super().load(keys)
        elif state is Lifecycle.TAMPERED:
            raise DeviceError(tampered(self._nic.alarms))
        elif state is not Lifecycle.OPERATIONAL:
            raise DeviceError(f"the device is {state.name.lower()}: it takes no session keys")
        elif self._provisioning is None or self._signers is None:
            raise UsageError("the device is operational: say --provisioning, and --governor-key for each who signs")
        else:
            _same_channels(keys, self._provisioning)
            install(Firmware(self._nic), self._provisioning, keys, self._signers, told=self._told)


def _same_channels(keys: Keys, provisioning: Provisioning) -> None:
    """Raise `KeysError` where the numbers of channels in a keys file are not those that the device has."""
    wanted = [channel.peer for channel in keys.transmit], [channel.sci for channel in keys.receive]
    there = [channel.peer for channel in provisioning.transmit], [channel.sci for channel in provisioning.receive]
    for name, listed, provisioned in zip(("transmit", "receive"), wanted, there, strict=True):
        if listed != provisioned:
            raise KeysError(
                f"{name}: the keys are for other channels than the device is provisioned with, or in another order"
            )


def open_governed(
    name: str,
    lanes: int = 1,
    waveform: Path | None = None,
    provisioning: Provisioning | None = None,
    signers: Signers | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> AbstractContextManager[Processor]:
    """Open any device with a processor by name for the length of a block, as `custodes.device.opened` describes."""

    def processor(link: Link) -> Processor:
        return GovernedProcessor(Nic(link), provisioning, signers, told) if is_nic(link) else Processor(link)

    return opened(processor, name, lanes, waveform)
