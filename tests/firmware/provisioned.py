# SPDX-License-Identifier: Apache-2.0
"""A device on its way: items, governors, and orders of theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.deterministic import encode
from custodes.firmware import Identity, provisioning_digest
from custodes.keys import Association
from custodes.lifecycle import Lifecycle
from custodes.macsec import Side, Suite
from custodes.mailbox import IDENTITY_CONTEXT, MAX_PIECE_BYTES, Item, Request, Status
from custodes.orders import Orders, signed
from firmware import image
from sim.nic import SECRET as SIMULATED_SECRET
from tests.firmware.host import Device, Ended

GOVERNORS = [Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([number])).digest()) for number in range(3)]
THRESHOLD = 2
PEER, OUR_SCI, PEER_SCI = (
    bytes.fromhex("020000000002"),
    bytes.fromhex("0200000000010001"),
    bytes.fromhex("0200000000020001"),
)
CHANNEL, WINDOW = 3, 64
CHALLENGE = bytes(range(32))
SESSIONS = [
    [int(Side.ACCELERATOR), CHANNEL, PEER, OUR_SCI, 0],
    [int(Side.NETWORK), CHANNEL, PEER_SCI, PEER_SCI, WINDOW],
]
LISTED = hashlib.sha256(b"weights").digest()
ITEMS = {
    Item.IDENTITY: encode(["gp-ü", "SN 7"]),
    Item.GOVERNORS: encode([THRESHOLD, [key.public_key().public_bytes_raw() for key in GOVERNORS]]),
    Item.WHITELIST: encode([["model", 1 << 40, LISTED]] * 20),
    Item.POLICY: encode([hashlib.sha256(b"policy").digest(), [[0x7F0, 5], [0x7F1, 0xFFFF_FFFF]]]),
    Item.SESSIONS: encode(SESSIONS),
}


def digest_of(items: Mapping[Item, bytes]) -> bytes:
    """The provisioning digest of all items."""
    return provisioning_digest([hashlib.sha256(items[item]).digest() for item in Item])


DIGEST = digest_of(ITEMS)
XPN = Association.model_validate(
    {
        "an": 1,
        "suite": Suite.GCM_AES_XPN_256.title,
        "key": bytes(range(32)).hex(),
        "pn": 1 << 40,
        "salt": "5a" * 12,
        "ssci": 9,
    }
)
SHORT = Association.model_validate({"an": 2, "suite": Suite.GCM_AES_128.title, "key": bytes(range(16)).hex(), "pn": 7})


def store(device: Device, item: Item, data: bytes) -> None:
    """The pieces of an item."""
    for at in range(0, len(data), MAX_PIECE_BYTES):
        device.do(Request.STORE, item, at, data[at : at + MAX_PIECE_BYTES])


def keep(device: Device, item: Item, data: bytes) -> None:
    """Store an item and commit it."""
    store(device, item, data)
    device.do(Request.COMMIT, item, len(data), hashlib.sha256(data).digest())


def blank(device: Device | None = None) -> Device:
    """A device that has been booted for the first time."""
    device = device or Device()
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.BLANK
    return device


def filled(items: Mapping[Item, bytes] = ITEMS, device: Device | None = None) -> Device:
    """One that keeps every item."""
    device = blank(device)
    for item, data in items.items():
        keep(device, item, data)
    return device


def locked(items: Mapping[Item, bytes] = ITEMS, device: Device | None = None) -> Device:
    """One that is provisioned."""
    device = filled(items, device)
    device.do(Request.LOCK, digest_of(items))
    return device


def identity(device: Device, challenge: bytes = CHALLENGE) -> Identity:
    """Who a device is; its signature is verified."""
    key, agreement, signature = device.do(Request.IDENTIFY, challenge)
    digests = [device.register(name) for name in ("MAP_DIGEST", "BUILD_ID", "ROM_DIGEST")]
    state = device.state
    provisioning = kept_digest(device)
    claim = encode([IDENTITY_CONTEXT, challenge, key, agreement, int(state), *digests, provisioning])
    Ed25519PublicKey.from_public_bytes(key).verify(signature, claim)
    return Identity(key, agreement, state, provisioning)


def kept_digest(device: Device) -> bytes:
    """The provisioning digest, from the digests that the device gives."""
    answers = [device.ask(Request.DIGEST, item) for item in Item]
    whole = all(status is Status.OK for status, _ in answers)
    return provisioning_digest([results[1] for _, results in answers]) if whole else bytes(32)


def order(device: Device, payload: bytes, governors: tuple[int, ...] = (0, 2)) -> Status:
    """Give an order that these governors have signed."""
    status, _ = device.ask(Request.ORDER, payload, signatures(payload, governors))
    return status


def signatures(payload: bytes, governors: tuple[int, ...] = (0, 2)) -> list[Any]:
    """Signatures of an order, by their numbers."""
    return signed(payload, {number: GOVERNORS[number] for number in governors})


def operational(items: Mapping[Item, bytes] = ITEMS) -> tuple[Device, Orders]:
    """One that is operational, and who gives it orders."""
    device = locked(items)
    orders = Orders(identity(device), serial=1)
    assert order(device, orders.activate(digest_of(items))) is Status.OK
    assert device.state is Lifecycle.OPERATIONAL
    return device, orders


def operational_flash(items: Mapping[Item, bytes], signers: Mapping[int, Ed25519PrivateKey]) -> bytes:
    """The flash of a simulated device that is operational: what its firmware writes, compiled for the host."""
    device = locked(items, Device(SIMULATED_SECRET, image.build().data))
    payload = Orders(identity(device)).activate(digest_of(items))
    device.do(Request.ORDER, payload, signed(payload, signers))
    assert device.state is Lifecycle.OPERATIONAL
    return device.flash
