# SPDX-License-Identifier: Apache-2.0
"""Orders of governors: their bytes, who has signed them, and what a device makes of wrong, old and foreign ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from custodes.firmware import Firmware, Identity
from custodes.keys import Association
from custodes.lifecycle import Lifecycle
from custodes.macsec import Side, Suite
from custodes.mailbox import SEALED_KEY_BYTES, Status
from custodes.nic import FirmwareError, Nic
from custodes.orders import HPKE, Orders, cose_sign1, signed
from custodes.processor import Processor
from custodes.provisioner import Provisioner
from custodes.provisioning import load_provisioning
from tests.host.fake_nic import CIPHER, GOVERNORS, FakeNic, encoded, write_files
from tests.host.fake_processor import KEY_A

RECIPIENT = X25519PrivateKey.from_private_bytes(bytes(range(32)))
IDENTITY = Identity(bytes(32), RECIPIENT.public_key().public_bytes_raw(), Lifecycle.OPERATIONAL, bytes(32))
ALL = dict(enumerate(GOVERNORS))
ASSOCIATION = Association.model_validate({"an": 1, "suite": "GCM-AES-256", "key": KEY_A.hex(), "pn": 7})
EXTENDED = Association.model_validate(
    {"an": 2, "suite": "GCM-AES-XPN-128", "key": "ab" * 16, "salt": "cd" * 12, "ssci": 9, "pn": 1 << 40}
)


def test_a_signature_is_a_cose_sign1() -> None:
    """Byte for byte as RFC 9052, 4.2 to 4.4 have it."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    protected = bytes.fromhex("a2012704") + b"\x41\x05"
    message = b"\x84\x6aSignature1\x46" + protected + b"\x40\x43abc"
    assert encoded(cose_sign1(5, b"abc", key)) == b"\x84\x46" + protected + b"\xa0\xf6\x58\x40" + key.sign(message)


def test_serials_rise_from_now() -> None:
    before = time.time_ns() // 1_000_000
    orders = Orders(IDENTITY)
    serials = [cbor2.loads(order)[3] for order in (orders.brick(), orders.activate(bytes(32)), orders.brick())]
    assert serials == [serials[0], serials[0] + 1, serials[0] + 2]
    assert before <= serials[0] <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(("association", "padded"), [(ASSOCIATION, KEY_A), (EXTENDED, b"\xab" * 16 + bytes(16))])
def test_a_key_is_wrapped_for_the_device_and_for_its_place(association: Association, padded: bytes) -> None:
    order = cbor2.loads(Orders(IDENTITY, 5).key(Side.NETWORK, 3, association, False, 77))
    *info, encapsulated, sealed = order
    salt, ssci = association.salt, association.ssci or 0
    place = [1, 3, association.an, association.suite, association.pn, ssci, salt, 77, False]
    assert info == ["custodes/key/v1", IDENTITY.identity_key, IDENTITY.agreement_key, 5, *place]
    assert (len(encapsulated), len(sealed)) == (32, SEALED_KEY_BYTES)
    assert CIPHER.decrypt(encapsulated + sealed, RECIPIENT, info=encoded(info)) == padded
    for at in range(3, len(info)):
        moved = [*info]
        moved[at] = 6 if info[at] != 6 else 5
        with pytest.raises(InvalidTag):
            HPKE.decrypt(encapsulated + sealed, RECIPIENT, info=encoded(moved))


def test_two_wrappings_of_a_key_differ() -> None:
    one, two = (Orders(IDENTITY, 5).key(Side.NETWORK, 0, ASSOCIATION, False) for _ in range(2))
    assert one != two


@pytest.fixture
def active(tmp_path: Path) -> tuple[Firmware, FakeNic, Identity]:
    """A device in operation, with three governors of whom two must sign."""
    link = FakeNic()
    firmware = Firmware(Nic(link))
    provisioner = Provisioner(firmware, load_provisioning(write_files(tmp_path)))
    provisioner.store()
    provisioner.lock()
    provisioner.activate(ALL)
    return firmware, link, firmware.identify()


Active = tuple[Firmware, FakeNic, Identity]


def rejected(firmware: Firmware, status: Status, payload: bytes, signatures: list[Any]) -> None:
    with pytest.raises(FirmwareError) as caught:
        firmware.order(payload, signatures)
    assert caught.value.status is status


def key_order(identity: Identity, serial: int | None = None) -> bytes:
    return Orders(identity, serial).key(Side.ACCELERATOR, 0, ASSOCIATION, True)


def test_enough_governors_of_any_order_suffice(active: Active) -> None:
    firmware, link, identity = active
    payload = key_order(identity, 1 << 50)
    signatures = [cose_sign1(number, payload, GOVERNORS[number]) for number in (2, 0)]
    firmware.order(payload, signatures)
    assert link.processor.keys == [KEY_A]
    assert Processor(link).association(Side.ACCELERATOR, 1) == (Suite.GCM_AES_256, 7)
    payload = Orders(identity, 1 << 51).zeroise(Side.ACCELERATOR, 0, 1)
    firmware.order(payload, signed(payload, ALL))
    assert Processor(link).association(Side.ACCELERATOR, 1) is None


UNSIGNED: list[Callable[[bytes], list[Any]]] = [
    lambda payload: [],
    lambda payload: [cose_sign1(0, payload, GOVERNORS[0])],
    lambda payload: [cose_sign1(0, payload, GOVERNORS[0])] * 2,
    lambda payload: [cose_sign1(0, payload, GOVERNORS[0]), cose_sign1(1, payload, GOVERNORS[0])],
    lambda payload: [cose_sign1(0, payload, GOVERNORS[0]), cose_sign1(1, payload + b"\0", GOVERNORS[1])],
    lambda payload: [cose_sign1(0, payload, GOVERNORS[0]), cose_sign1(7, payload, GOVERNORS[1])],
]


@pytest.mark.parametrize("sign", UNSIGNED)
def test_too_few_good_signatures_change_nothing(active: Active, sign: Callable[[bytes], list[Any]]) -> None:
    firmware, link, identity = active
    payload = key_order(identity)
    rejected(firmware, Status.UNSIGNED, payload, sign(payload))
    assert link.processor.keys == []


def test_an_order_is_carried_out_once(active: Active) -> None:
    firmware, _, identity = active
    payload = Orders(identity).zeroise(Side.ACCELERATOR, 0, 1)
    firmware.order(payload, signed(payload, ALL))
    rejected(firmware, Status.REPLAYED, payload, signed(payload, ALL))


def test_an_order_is_for_one_device_and_one_boot(active: Active) -> None:
    _, link, identity = active
    payload = key_order(identity)
    for other in (FakeNic(link.flash), FakeNic(link.flash, secret=b"other")):
        rejected(Firmware(Nic(other)), Status.REPLAYED, payload, signed(payload, ALL))
        assert other.processor.keys == []


def test_a_key_wrapped_for_another_place_does_not_open(active: Active) -> None:
    firmware, link, identity = active
    moved = cbor2.loads(key_order(identity))
    moved[6] = 2
    payload = encoded(moved)
    rejected(firmware, Status.UNSEALED, payload, signed(payload, ALL))
    assert link.processor.keys == []


def test_a_bricked_device_takes_no_orders(active: Active) -> None:
    firmware, _, identity = active
    orders = Orders(identity)
    payload = orders.brick()
    firmware.order(payload, signed(payload, ALL))
    assert firmware.nic.lifecycle is Lifecycle.BRICKED
    payload = orders.key(Side.ACCELERATOR, 0, ASSOCIATION, True)
    with pytest.raises(FirmwareError):
        firmware.order(payload, signed(payload, ALL))
