# SPDX-License-Identifier: Apache-2.0
"""What is in flash: a power cut leaves the old or the new, and nobody else can write there."""

import hashlib
import random
from collections.abc import Callable

import pytest

from custodes.deterministic import encode
from custodes.lifecycle import Lifecycle
from custodes.mailbox import Item, Request, SelfTest, Status
from custodes.orders import Orders
from tests.firmware.host import Device, Ended, FirmwareEnded
from tests.firmware.provisioned import DIGEST, ITEMS, blank, filled, identity, keep, locked, operational, order

SECTOR = 4096
STATE_SECTORS = 2
RECORD_BYTES = 80
OLD, NEW = ITEMS[Item.IDENTITY], encode(["new name", "SN 8"])


def kept(device: Device, item: Item) -> bytes | None:
    """The SHA-256 of an item."""
    status, results = device.ask(Request.DIGEST, item)
    return results[1] if status is Status.OK else None


def cut_everywhere(
    make: Callable[[], Device], act: Callable[[Device], object], judge: Callable[[Device], object]
) -> list[object]:
    """What ``judge`` finds after the next boot, for a power cut in every step of ``act``, and without one."""
    device = make()
    before = device.flash
    start = device.steps
    act(device)
    steps = device.steps - start
    found = []
    for step in range(1, steps + 1):
        device.flash = before
        assert device.boot() is Ended.RUNNING
        device.cut_power(step)
        with pytest.raises(FirmwareEnded) as ended:
            act(device)
        assert ended.value.how is Ended.POWER_CUT
        assert device.boot() is Ended.RUNNING, f"step {step} of {steps}"
        found.append(judge(device))
    device.flash = before
    assert device.boot() is Ended.RUNNING
    act(device)
    assert device.boot() is Ended.RUNNING
    return [*found, judge(device)]


def changes_once(found: list[object], old: object, new: object) -> bool:
    """Whether it is the old thing up to some step, and the new one from there on."""
    at = found.index(new) if new in found else len(found)
    return 0 < at < len(found) and found[:at] == [old] * at and found[at:] == [new] * (len(found) - at)


def test_power_cut_while_an_item_is_replaced_leaves_the_old_or_the_new():
    def begin() -> Device:
        device = blank()
        keep(device, Item.IDENTITY, OLD)
        return device

    found = cut_everywhere(
        begin, lambda device: keep(device, Item.IDENTITY, NEW), lambda device: kept(device, Item.IDENTITY)
    )
    assert len(found) > len(NEW) + RECORD_BYTES
    assert changes_once(found, hashlib.sha256(OLD).digest(), hashlib.sha256(NEW).digest())


def test_power_cut_while_a_first_item_is_kept_leaves_none_or_it():
    found = cut_everywhere(
        blank, lambda device: keep(device, Item.IDENTITY, NEW), lambda device: kept(device, Item.IDENTITY)
    )
    assert changes_once(found, None, hashlib.sha256(NEW).digest())


def test_power_cut_during_lock_leaves_blank_or_provisioned():
    found = cut_everywhere(filled, lambda device: device.do(Request.LOCK, DIGEST), lambda device: device.state)
    assert len(found) > RECORD_BYTES
    assert changes_once(found, Lifecycle.BLANK, Lifecycle.PROVISIONED)


def test_power_cut_during_activation_leaves_provisioned_or_operational():
    def activate(device: Device) -> None:
        status = order(device, Orders(identity(device), serial=1).activate(DIGEST))
        assert status is Status.OK

    found = cut_everywhere(locked, activate, lambda device: device.state)
    assert changes_once(found, Lifecycle.PROVISIONED, Lifecycle.OPERATIONAL)


def test_power_cut_during_erase_never_brings_an_older_item_back():
    def begin() -> Device:
        device = blank()
        for data in (OLD, NEW):
            keep(device, Item.SESSIONS, encode([]))
            keep(device, Item.IDENTITY, data)
        return device

    found = cut_everywhere(begin, lambda device: device.do(Request.ERASE), lambda device: kept(device, Item.IDENTITY))
    assert changes_once(found, hashlib.sha256(NEW).digest(), None)


def test_power_cuts_during_lock_again_and_again_leave_a_device_that_locks():
    device = filled()
    for attempt in range(40):
        device.cut_power(1 + 2 * attempt)
        with pytest.raises(FirmwareEnded):
            device.do(Request.LOCK, DIGEST)
        assert device.boot() is Ended.RUNNING
        assert device.state is Lifecycle.BLANK
    device.do(Request.LOCK, DIGEST)
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.PROVISIONED


def test_full_row_of_states_is_said_and_nothing_changes():
    device = filled()
    flash = bytearray(device.flash)
    flash[: STATE_SECTORS * SECTOR] = (b"\0" * 4 + b"\xff" * 124) * (STATE_SECTORS * SECTOR // 128)
    device.flash = bytes(flash)
    assert device.boot() is Ended.RUNNING
    assert device.ask(Request.LOCK, DIGEST) == (Status.STORE_FAILED, [])
    assert device.state is Lifecycle.BLANK


def test_only_the_end_of_the_flash_is_written():
    device, _ = operational()
    assert not device.library.flash_model_strayed()


@pytest.mark.parametrize("byte", range(0, RECORD_BYTES, 3))
def test_damaged_state_stops_the_device(byte: int):
    device = locked()
    flash = bytearray(device.flash)
    flash[byte] ^= 0x10
    device.flash = bytes(flash)
    assert device.boot() is Ended.RAISED
    assert device.state is Lifecycle.TAMPERED


def test_state_of_another_device_or_place_stops_the_device():
    first = locked().flash
    other = Device(bytes(32))
    other.flash = first
    assert other.boot() is Ended.RAISED
    device = locked()
    device.flash = b"\xff" * 84 + bytes(44) + device.flash[:128] + device.flash[256:]
    assert device.boot() is Ended.RAISED


def test_damaged_item_stops_a_locked_device():
    device = locked()
    whole, rng = device.flash, random.Random(3)
    for item, data in ITEMS.items():
        flash = bytearray(whole)
        flash[whole.index(data) + rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        device.flash = bytes(flash)
        assert device.boot() is Ended.RAISED, item.name


def test_earlier_item_put_back_stops_a_locked_device():
    device = blank()
    keep(device, Item.GOVERNORS, ITEMS[Item.GOVERNORS].replace(b"\x82\x02", b"\x82\x01", 1))
    earlier = device.flash
    for item, data in ITEMS.items():
        keep(device, item, data)
    device.do(Request.LOCK, DIGEST)
    flash = bytearray(device.flash)
    place = slice(2 * SECTOR * Item.GOVERNORS, 2 * SECTOR * (Item.GOVERNORS + 1))
    flash[place] = earlier[place]
    device.flash = bytes(flash)
    assert device.boot() is Ended.RAISED


def test_damaged_item_of_a_blank_device_is_told_from_a_good_one():
    device = filled()
    flash = bytearray(device.flash)
    flash[flash.index(ITEMS[Item.POLICY])] ^= 1
    device.flash = bytes(flash)
    assert device.boot() is Ended.RUNNING
    assert device.ask(Request.DIGEST, Item.POLICY) == (Status.MISMATCH, [])
    assert device.ask(Request.LOCK, DIGEST) == (Status.MISMATCH, [])


def test_random_damage_never_takes_a_locked_device_back_to_blank():
    device, rng = locked(), random.Random(4)
    whole = device.flash
    for _ in range(300):
        flash = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            flash[rng.randrange(96 if rng.random() < 0.5 else len(flash))] ^= 1 << rng.randrange(8)
        device.flash = bytes(flash)
        device.boot()
        assert device.state in (Lifecycle.PROVISIONED, Lifecycle.TAMPERED)


def test_flash_that_wears_out_is_noticed():
    device = filled()
    device.library.flash_model_wear()
    assert device.ask(Request.STORE, Item.IDENTITY, 0, b"0") == (Status.STORE_FAILED, [])
    assert device.ask(Request.ERASE) == (Status.STORE_FAILED, [])
    assert device.ask(Request.LOCK, DIGEST) == (Status.STORE_FAILED, [])
    assert device.state is Lifecycle.BLANK


def test_device_without_flash_is_in_no_state():
    device = locked()
    device.library.flash_model_remove()
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.BOOT
    _, state, error, _, failed = device.do(Request.INFO)
    assert (state, error, failed) == (Lifecycle.BOOT, True, 1 << SelfTest.FLASH)
    assert device.ask(Request.DIGEST, Item.IDENTITY) == (Status.ERROR_STATE, [])
