# SPDX-License-Identifier: Apache-2.0
"""Devices that frames can be sent through: blank ones take raw keys, operational ones wrapped keys from governors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from custodes.device import opened
from custodes.errors import DeviceError, KeysError, UsageError
from custodes.firmware import Firmware
from custodes.gateway import Gateway
from custodes.keys import Keys
from custodes.lifecycle import Lifecycle
from custodes.link import Link
from custodes.mailbox import Status
from custodes.maps import SNG
from custodes.nic import FirmwareError, Nic, is_nic, tampered
from custodes.processor import Processor
from custodes.provisioner import Signers, install
from custodes.provisioning import Provisioning

UNLISTED = "the weights are not on the whitelist that the device was provisioned with"
UNSIGNED = "the device is operational: say --provisioning, and --governor-key for each who signs"


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
            raise UsageError(UNSIGNED)
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


class GovernedGateway(Gateway):
    """A gateway with control; it has booted, or cannot.

    Args:
        provisioning: what the device was provisioned with: then it gets keys only if it proves to be that device.
        signers: private keys of its governors.
        replace, told: see `custodes.provisioner.install`.
    """

    def __init__(
        self,
        nic: Nic,
        provisioning: Provisioning | None = None,
        signers: Signers | None = None,
        replace: bool = False,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        nic.booted()
        super().__init__(nic.link)
        self._nic = nic
        self._provisioning, self._signers = provisioning, signers
        self._replace, self._told = replace, told

    def load(self, keys: Keys) -> None:
        """Put keys into the device: wrapped, and on the governors' order, once it has proved who it is and what it is made
        of. Without a provisioning they are raw, for a blank device.

        Raises:
            DeviceError: it is another device, or in no state to take keys, or refuses. It has been given none.
            KeysError: the device has no such channel, or a key there already.
            UsageError: the governors' keys are missing.
        """
        state = self._nic.booted()
        if state is Lifecycle.TAMPERED:
            raise DeviceError(tampered(self._nic.alarms))
        if self._provisioning is None:
            if state is Lifecycle.OPERATIONAL:
                raise UsageError(UNSIGNED)
            super().load(keys)
        elif self._signers is None:
            raise UsageError(UNSIGNED)
        else:
            # SEC_CM: WEIGHTS.KEY_ATTESTED
            firmware = Firmware(self._nic)
            install(firmware, self._provisioning, keys, self._signers, self._replace, self._told)

    def _announce(self, bits: int, digest: bytes) -> None:
        """Raw to a blank device, and to the firmware of an operational one, which knows the whitelist."""
        state = self._nic.booted()
        if state is Lifecycle.BLANK:
            super()._announce(bits, digest)
        elif state is Lifecycle.TAMPERED:
            raise DeviceError(tampered(self._nic.alarms))
        elif state is not Lifecycle.OPERATIONAL:
            raise DeviceError(f"the device is {state.name.lower()}: it takes no weights")
        else:
            self._announce_listed(bits, digest)

    def _announce_listed(self, bits: int, digest: bytes) -> None:
        try:
            Firmware(self._nic).announce(digest)
        except FirmwareError as error:
            if error.status is Status.ABSENT:
                raise DeviceError(UNLISTED) from None
            raise
        if self._bits("UPLOAD_BITS") != bits:
            raise DeviceError(UNLISTED)


def open_governed_gateway(
    name: str,
    lanes: int = 1,
    provisioning: Provisioning | None = None,
    signers: Signers | None = None,
    replace: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> AbstractContextManager[Gateway]:
    """Open any gateway by name for the length of a block, as `custodes.device.opened` describes; `DeviceError` where there
    is a provisioning, and it has no control that could prove anything."""

    def gateway(link: Link) -> Gateway:
        found = Gateway(link)
        if found.registers.map is SNG:
            return GovernedGateway(Nic(link), provisioning, signers, replace, told)
        if provisioning is not None:
            raise DeviceError("the device is a gateway without control: it cannot prove who it is")
        return found

    return opened(gateway, name, lanes)
