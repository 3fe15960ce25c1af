# SPDX-License-Identifier: Apache-2.0
"""The firmware in its ROM, run by the CPU of the simulated device, with the host's own library at the other end."""

import hashlib
from collections.abc import Iterator

import pytest

from custodes.control_registers import Mailbox
from custodes.deterministic import encode
from custodes.firmware import Firmware, Kept
from custodes.lifecycle import Alarm, Lifecycle
from custodes.mailbox import Item, Request, SelfTest, Status
from custodes.maps import NIC
from custodes.nic import FirmwareError, Nic
from custodes.simnic import SimNic
from firmware import build
from tests.firmware.provisioned import DIGEST, ITEMS

BOOT_CYCLES = 1_000_000
OLD, NEW = ITEMS[Item.IDENTITY], encode(["new name", "SN 8"])
CUTS = 6
"""Moments of a request at which the power is cut."""
STEP_CYCLES = 2000
"""From one look at the flash to the next."""


@pytest.fixture
def link() -> Iterator[SimNic]:
    with SimNic() as link:
        yield link


@pytest.fixture
def nic(link: SimNic) -> Nic:
    nic = Nic(link)
    nic.booted()
    return nic


def restarted(link: SimNic) -> Nic:
    """After a reset, once it has booted."""
    link.reset()
    nic = Nic(link)
    nic.booted()
    return nic


def send(nic: Nic, request: Request, *arguments: object) -> None:
    """Hand over a request, and do not wait."""
    message = encode([request, *arguments])
    words = [int.from_bytes(message[at : at + 4].ljust(4, b"\0"), "little") for at in range(0, len(message), 4)]
    nic.link.write_many(NIC.address("REQUEST"), words)
    nic.registers.write("MAILBOX_SEND", len(message))


def flashes(link: SimNic, nic: Nic, request: Request, *arguments: object) -> list[bytes]:
    """What a request leaves in the flash where the power is cut, at several moments, the last at its end; the same only
    once."""
    send(nic, request, *arguments)
    seen: list[bytes] = []
    while nic.mailbox is Mailbox.BUSY:
        link.step_control(STEP_CYCLES)
        seen.append(link.flash)
    return list(dict.fromkeys(seen[len(seen) * cut // CUTS - 1] for cut in range(1, CUTS + 1)))


def test_boots_and_says_what_it_is(link: SimNic):
    while link.read(NIC.address("LIFECYCLE")) == Lifecycle.BOOT:
        link.step_control(1000)
        assert link.control_cycles < BOOT_CYCLES
    nic = Nic(link)
    info = Firmware(nic).info()
    assert (info.lifecycle, info.error) == (Lifecycle.BLANK, False)
    assert info.passed == {SelfTest.ROM, SelfTest.SHA256, SelfTest.HKDF, SelfTest.FLASH}
    assert nic.rom_digest == build().digest
    assert nic.alarms == ()


def test_malformed_request_is_answered(nic: Nic):
    with pytest.raises(FirmwareError) as error:
        nic.request(Request.LOG, -1)
    assert error.value.status is Status.MALFORMED


@pytest.mark.parametrize(
    "test", [test for test in SelfTest if test.name in ("ROM", "SHA256", "SHA512", "HKDF", "AES_GCM")]
)
def test_spoiled_test_leads_into_the_error_state(nic: Nic, test: SelfTest):
    firmware = Firmware(nic)
    _, failed = firmware.selftest([test], [test])
    assert failed == {test}
    assert firmware.info().error
    with pytest.raises(FirmwareError) as error:
        firmware.kept(Item.IDENTITY)
    assert error.value.status is Status.ERROR_STATE
    assert nic.alarms == ()


def test_every_other_test_can_be_spoiled_too(link: SimNic, nic: Nic):
    slow = [
        SelfTest.X25519,
        SelfTest.ED25519_SIGN,
        SelfTest.ED25519_VERIFY,
        SelfTest.HPKE,
        SelfTest.RANDOM,
        SelfTest.FLASH,
    ]
    for test in slow:
        assert Firmware(nic).selftest([test], [test])[1] == {test}
        nic = restarted(link)


def test_power_cut_while_an_item_is_replaced_leaves_the_old_or_the_new(link: SimNic, nic: Nic):
    Firmware(nic).store(Item.IDENTITY, OLD)
    digest = hashlib.sha256(NEW).digest()
    nic.request(Request.STORE, Item.IDENTITY, 0, NEW)
    found = []
    for left in flashes(link, nic, Request.COMMIT, Item.IDENTITY, len(NEW), digest):
        link.flash = left
        found.append(Firmware(restarted(link)).kept(Item.IDENTITY))
    old, new = Kept(len(OLD), hashlib.sha256(OLD).digest()), Kept(len(NEW), digest)
    assert set(found) == {old, new}
    assert found == sorted(found, key=lambda kept: kept == new)


def test_power_cut_during_lock_leaves_blank_or_provisioned(link: SimNic, nic: Nic):
    for item, data in ITEMS.items():
        Firmware(nic).store(item, data)
    whole, begin = link.flash, link.control_cycles
    lefts = flashes(link, nic, Request.LOCK, DIGEST)
    cycles = link.control_cycles - begin
    found = []
    for left in lefts:
        link.flash = left
        found.append(restarted(link).lifecycle)
    assert set(found) == {Lifecycle.BLANK, Lifecycle.PROVISIONED}
    assert found == sorted(found, key=lambda state: state == Lifecycle.PROVISIONED)

    # A reset that comes while the CPU writes into the flash.
    link.flash = whole
    send(restarted(link), Request.LOCK, DIGEST)
    link.step_control(cycles // 2)
    assert restarted(link).lifecycle in found


def test_damaged_state_in_flash_zeroises_the_device(link: SimNic, nic: Nic):
    for item, data in ITEMS.items():
        Firmware(nic).store(item, data)
    Firmware(nic).lock(DIGEST)
    flash = bytearray(link.flash)
    flash[20] ^= 1
    link.flash = bytes(flash)
    link.reset()
    assert Nic(link).booted() is Lifecycle.TAMPERED
    assert Nic(link).alarms == (Alarm.FIRMWARE,)
