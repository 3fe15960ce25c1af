# SPDX-License-Identifier: Apache-2.0
"""Putting a `Provisioning` into a device, from whatever point it has got to, and session keys into one that is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.errors import DeviceError, KeysError
from custodes.firmware import Firmware, Identity, Kept
from custodes.gateway import Gateway
from custodes.keys import Association, Keys
from custodes.lifecycle import Lifecycle
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, Side
from custodes.mailbox import Item
from custodes.maps import SNG
from custodes.nic import Nic, tampered
from custodes.orders import Orders, signed
from custodes.processor import Processor
from custodes.provisioning import Provisioning

Signers = Mapping[int, Ed25519PrivateKey]
"""Private keys of governors, by number."""


@dataclass
class Provisioned:
    """What `Provisioner` found and did."""

    identity: Identity | None = None
    """The last that the device has proved."""
    written: list[Item] = field(default_factory=list)
    locked: bool = False
    activated: bool = False


class Provisioner:
    """Provisions one device.

    Args:
        told: called with a line whenever something has been done.

    Raises:
        DeviceError: it is not the device that the file means, is in no state to be provisioned, or was provisioned
            with something else.
    """

    def __init__(
        self, firmware: Firmware, provisioning: Provisioning, told: Callable[[str], None] = lambda line: None
    ) -> None:
        self._firmware = firmware
        self._nic: Nic = firmware.nic
        self._provisioning = provisioning
        self._told = told
        state = self._nic.booted()
        if state is Lifecycle.TAMPERED:
            raise DeviceError(tampered(self._nic.alarms))
        if state is Lifecycle.BRICKED:
            raise DeviceError("the device is bricked: its governors have ended its life")
        self._fits("build_id", self._nic.build_id, provisioning.device.build_id)
        self._fits("rom_digest", self._nic.rom_digest, provisioning.device.rom_digest)
        gateway = self._nic.registers.map is SNG
        for name, channels in (("transmit", provisioning.transmit), ("receive", provisioning.receive)):
            if gateway and len(channels) > Gateway.channels:
                raise DeviceError(f"{name}: {len(channels)} channels; a gateway takes {Gateway.channels}")
        self.done = Provisioned()
        if provisioning.device.identity_key is not None:
            self.prove()
        self.state = state
        if state is not Lifecycle.BLANK and (differing := list(self.missing())):
            names = ", ".join(item.name.lower() for item in differing)
            raise DeviceError(f"the device is {state.name.lower()} already, from another file: it differs in {names}")

    def prove(self) -> Identity:
        """Make the device prove who it is, and in what state; it must be the same as before, and the one that is meant."""
        identity = self._firmware.identify()
        if self.done.identity:
            self._fits("identity_key", identity.identity_key, self.done.identity.identity_key)
        self._fits("identity_key", identity.identity_key, self._provisioning.device.identity_key)
        self.done.identity = identity
        return identity

    def _fits(self, name: str, value: bytes, wanted: bytes | None) -> None:
        if wanted is not None and value != wanted:
            raise DeviceError(f"not the device that is meant: its {name} is {value.hex()}, not {wanted.hex()}")

    def missing(self) -> Iterator[Item]:
        """Items that the device does not keep, or keeps differently."""
        for item, data in self._provisioning.items.items():
            if self._firmware.kept(item) != Kept(len(data), hashlib.sha256(data).digest()):
                yield item

    def store(self, progress: Callable[[int], None] = lambda done: None) -> None:
        """Write the items that are missing, each read back; ``progress``: bytes of all items that are kept."""
        items = self._provisioning.items
        missing = set(self.missing()) if self.state is Lifecycle.BLANK else set()
        before = 0
        for item, data in items.items():
            name = item.name.lower()
            if item in missing:
                self._firmware.store(item, data, lambda sent, before=before: progress(before + sent))
                self.done.written.append(item)
                self._told(f"{name}: {len(data)} bytes written and read back")
            else:
                self._told(f"{name}: kept already")
            before += len(data)
            progress(before)

    def lock(self) -> None:
        """Make what has been stored final. Nothing where it is."""
        if self.state is Lifecycle.BLANK:
            self._firmware.lock(self._provisioning.digest)
            self._arrive(Lifecycle.PROVISIONED)
            self.done.locked = True
            if self.prove().provisioning_digest != self._provisioning.digest:
                raise DeviceError("the device proves that it is provisioned with something else")
            self._told("locked")

    def activate(self, signers: Signers) -> None:
        """Make it operational, on the order of these governors. Nothing where it is."""
        if self.state is Lifecycle.PROVISIONED:
            payload = Orders(self.done.identity or self.prove()).activate(self._provisioning.digest)
            self._firmware.order(payload, signed(payload, signers))
            self._arrive(Lifecycle.OPERATIONAL)
            self.done.activated = True
            self._told("activated")

    def _arrive(self, wanted: Lifecycle) -> None:
        self.state = self._nic.lifecycle
        if self.state is not wanted:
            raise DeviceError(
                f"the device says that it has done so, and is {self.state.name.lower()}, not {wanted.name.lower()}"
            )


class Place(NamedTuple):
    """An association of a device, and what a keys file has for it."""

    side: Side
    channel: int
    association: Association
    selected: bool

    @property
    def name(self) -> str:
        direction = "transmit" if self.side is Side.ACCELERATOR else "receive"
        return f"{direction} channel {self.channel}, AN {self.association.an}"

    @property
    def number(self) -> int:
        """Of the association, in its direction."""
        return self.channel * ASSOCIATIONS_PER_CHANNEL + self.association.an


def places(keys: Keys, provisioning: Provisioning) -> list[Place]:
    """Where in a provisioned device the associations of a keys file belong.

    Raises:
        KeysError: the device has no such channel.
    """
    found = []
    sealing = {channel.peer: (number, channel) for number, channel in enumerate(provisioning.transmit)}
    opening = {channel.sci: (number, channel) for number, channel in enumerate(provisioning.receive)}
    for channel in keys.transmit:
        name = f"the transmit channel to {channel.peer.hex(':')}"
        if channel.peer not in sealing:
            raise KeysError(f"{name}: the device is not provisioned with it")
        number, transmit = sealing[channel.peer]
        if channel.sci != transmit.sci:
            raise KeysError(f"{name}: is provisioned with SCI {transmit.sci.hex()}, not {channel.sci.hex()}")
        selected = channel.an
        for association in sorted(channel.association, key=lambda association: association.an == selected):
            found.append(Place(Side.ACCELERATOR, number, association, association.an == selected))
    for channel in keys.receive:
        name = f"the receive channel of SCI {channel.sci.hex()}"
        if channel.sci not in opening:
            raise KeysError(f"{name}: the device is not provisioned with it")
        number, receive = opening[channel.sci]
        if channel.window != receive.window:
            raise KeysError(f"{name}: is provisioned with window {receive.window}, not {channel.window}")
        found += [Place(Side.NETWORK, number, association, False) for association in channel.association]
    return found


def install(
    firmware: Firmware,
    provisioning: Provisioning,
    keys: Keys,
    signers: Signers,
    replace: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> list[Place]:
    """Put session keys into an operational device, each wrapped for it and ordered by these governors.

    Args:
        replace: have a key that is there already zeroised first.

    Raises:
        KeysError: a key has no place in the device, or there is a key already.
        DeviceError: it is not operational, or does not take a key.
    """
    wanted = places(keys, provisioning)
    provisioner = Provisioner(firmware, provisioning)
    if provisioner.state is not Lifecycle.OPERATIONAL:
        state = provisioner.state.name.lower()
        raise DeviceError(f"the device is {state}: session keys of governors are for an operational one")
    processor = Processor(firmware.nic.link)
    taken = [place for place in wanted if processor.association(place.side, place.number) is not None]
    if taken and not replace:
        raise KeysError(f"{taken[0].name} has a key already; say --replace to zeroise it first")
    identity = provisioner.done.identity or provisioner.prove()
    if identity.lifecycle is not Lifecycle.OPERATIONAL or identity.provisioning_digest != provisioning.digest:
        raise DeviceError("the device proves that it is not operational, or provisioned with something else")
    if provisioning.device.identity_key is None:
        told(f"no identity_key in the provisioning file: the keys go to whoever answers, {identity.identity_key.hex()}")
    orders = Orders(identity)
    for place in wanted:
        if place in taken:
            payload = orders.zeroise(place.side, place.channel, place.association.an)
            firmware.order(payload, signed(payload, signers))
            told(f"{place.name}: zeroised")
        payload = orders.key(place.side, place.channel, place.association, place.selected)
        firmware.order(payload, signed(payload, signers))
        told(f"{place.name}: installed")
    for place in wanted:
        if processor.association(place.side, place.number) is None:
            raise DeviceError(f"the device says that it has taken the key of {place.name}, and has none there")
    return wanted
