# SPDX-License-Identifier: Apache-2.0
"""The firmware in its ROM, run by the CPU of the simulated device, with the host's own library at the other end."""

import hashlib
from collections.abc import Iterator

import pytest

from custodes.control_registers import Mailbox
from custodes.deterministic import encode
from custodes.firmware import Firmware, Kept
from custodes.lifecycle import Alarm, Lifecycle
from custodes.macsec import Side
from custodes.mailbox import Item, Request, SelfTest, Status
from custodes.maps import NIC
from custodes.nic import FirmwareError, Nic
from custodes.orders import Orders, signed
from custodes.processor_registers import ASSOCIATION_STATE, IN_USE, PN_STATE, association_register
from custodes.simnic import SimNic
from firmware import build
from tests.firmware.provisioned import CHANNEL, DIGEST, GOVERNORS, ITEMS, SESSIONS, XPN

BOOT_CYCLES = 1_000_000
NUMBER = 4 * CHANNEL + XPN.an
OLD, NEW = ITEMS[Item.IDENTITY], encode(["new name", "SN 8"])
CUTS = 6
"""Moments of a request at which the power is cut."""
ONE_GOVERNOR = {
    **ITEMS,
    Item.GOVERNORS: encode([1, [GOVERNORS[0].public_key().public_bytes_raw()]]),
    Item.POLICY: encode([hashlib.sha256(b"policy").digest(), []]),
}


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


def cycles_of(link: SimNic, nic: Nic, request: Request, *arguments: object) -> int:
    """How many cycles of the control a request takes."""
    send(nic, request, *arguments)
    begin = link.control_cycles
    while nic.mailbox is Mailbox.BUSY:
        link.step_control(500)
    return link.control_cycles - begin


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
    whole = link.flash
    commit = Request.COMMIT, Item.IDENTITY, len(NEW), digest
    cycles = cycles_of(link, nic, *commit)
    found = []
    for cut in range(1, CUTS + 1):
        link.flash = whole
        nic = restarted(link)
        nic.request(Request.STORE, Item.IDENTITY, 0, NEW)
        send(nic, *commit)
        link.step_control(cycles * cut // CUTS)
        nic = restarted(link)
        found.append(Firmware(nic).kept(Item.IDENTITY))
    old, new = Kept(len(OLD), hashlib.sha256(OLD).digest()), Kept(len(NEW), digest)
    assert set(found) == {old, new}
    assert found == sorted(found, key=lambda kept: kept == new)


def test_power_cut_during_lock_leaves_blank_or_provisioned(link: SimNic, nic: Nic):
    for item, data in ITEMS.items():
        Firmware(nic).store(item, data)
    whole = link.flash
    cycles = cycles_of(link, nic, Request.LOCK, DIGEST)
    found = []
    for cut in range(1, CUTS + 1):
        link.flash = whole
        nic = restarted(link)
        send(nic, Request.LOCK, DIGEST)
        link.step_control(cycles * cut // CUTS)
        found.append(restarted(link).lifecycle)
    assert set(found) == {Lifecycle.BLANK, Lifecycle.PROVISIONED}
    assert found == sorted(found, key=lambda state: state == Lifecycle.PROVISIONED)


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


def test_wrapped_key_opens_in_the_device_and_reaches_its_datapath(link: SimNic, nic: Nic):
    firmware = Firmware(nic)
    for item, data in ONE_GOVERNOR.items():
        firmware.store(item, data)
    firmware.lock(firmware.provisioning_digest())
    identity = firmware.identify()
    assert identity.lifecycle is Lifecycle.PROVISIONED
    orders = Orders(identity, serial=1)

    def give(payload: bytes) -> Status:
        try:
            firmware.order(payload, signed(payload, {0: GOVERNORS[0]}))
        except FirmwareError as error:
            return error.status
        return Status.OK

    activate = orders.activate(identity.provisioning_digest)
    assert give(activate) is Status.OK
    assert nic.lifecycle is Lifecycle.OPERATIONAL
    key = orders.key(Side.ACCELERATOR, CHANNEL, XPN, selected=True)
    assert give(key) is Status.OK
    state = link.read(association_register(ASSOCIATION_STATE, Side.ACCELERATOR, NUMBER))
    assert state == IN_USE | XPN.suite
    lower = association_register(PN_STATE, Side.ACCELERATOR, NUMBER)
    assert link.read(lower) | link.read(lower + 1) << 32 == XPN.pn
    assert give(key) is Status.REPLAYED
    assert give(orders.key(Side.NETWORK, SESSIONS[1][1] + 1, XPN, selected=False)) is Status.ABSENT

    nic = restarted(link)
    assert nic.lifecycle is Lifecycle.OPERATIONAL
    firmware = Firmware(nic)
    assert give(key) is Status.REPLAYED
    assert not link.read(association_register(ASSOCIATION_STATE, Side.ACCELERATOR, NUMBER)) & IN_USE
