# SPDX-License-Identifier: Apache-2.0
"""Which weights a gateway is told to expect: those that are on its whitelist, and no others."""

import hashlib

import pytest

from custodes.deterministic import encode
from custodes.mailbox import Event, Item, Request, Status
from tests.firmware.host import Device, Ended, FirmwareEnded
from tests.firmware.provisioned import ITEMS, LISTED, blank, locked, operational

NOTHING = (0, bytes(32))
LONGEST = (1 << 61) - 1
"""In bytes, whose bits a register can say."""
SMALL, LONG, EMPTY, OTHER = (hashlib.sha256(name).digest() for name in (b"small", b"long", b"empty", b"other"))
WHITELIST = [["small", 1000, SMALL], ["long", LONGEST, LONG], ["empty", 0, EMPTY]]


def listing() -> Device:
    """An operational device, with that whitelist."""
    return operational(ITEMS | {Item.WHITELIST: encode(WHITELIST)})[0]


@pytest.fixture
def device() -> Device:
    return listing()


@pytest.mark.parametrize(("digest", "size"), [(SMALL, 1000), (LONG, LONGEST)])
def test_weights_that_are_on_the_whitelist_are_expected_as_long_as_it_says_and_logged(
    device: Device, digest: bytes, size: int
):
    assert device.do(Request.ANNOUNCE, digest) == []
    assert device.weights == (8 * size, digest)
    word = int.from_bytes(digest[:4], "little")
    assert device.do(Request.LOG, 0)[1][-1][2:] == [Event.ANNOUNCED, word]
    assert device.boot() is Ended.RUNNING and device.weights == NOTHING


@pytest.mark.parametrize("digest", [OTHER, EMPTY, bytes(32)])
def test_weights_that_are_not_on_the_whitelist_are_not_expected(device: Device, digest: bytes):
    assert device.ask(Request.ANNOUNCE, digest) == (Status.ABSENT, [])
    assert device.weights == NOTHING


def test_every_bit_of_the_digest_counts(device: Device):
    for bit in range(256):
        other = (int.from_bytes(SMALL) ^ 1 << bit).to_bytes(32)
        assert device.ask(Request.ANNOUNCE, other) == (Status.ABSENT, [])


def test_while_the_server_has_power_nothing_is_expected(device: Device):
    device.library.upload_model_off(False)
    assert device.ask(Request.ANNOUNCE, SMALL) == (Status.REFUSED, [])
    assert Event.ANNOUNCED not in [event for _, _, event, _ in device.do(Request.LOG, 0)[1]]


def test_a_device_that_is_not_operational_expects_nothing():
    for device in (blank(), locked()):
        assert device.ask(Request.ANNOUNCE, LISTED) == (Status.FORBIDDEN, [])
    device, _ = operational()
    device.do(Request.ANNOUNCE, LISTED)


def test_a_network_card_knows_no_weights(device: Device):
    device.library.upload_model_there(False)
    assert device.ask(Request.ANNOUNCE, SMALL) == (Status.UNKNOWN, [])


def test_a_whitelist_that_is_not_what_was_locked_ends_the_device(device: Device):
    device.flash = device.flash.replace(SMALL, OTHER)
    with pytest.raises(FirmwareEnded, match=Ended.RAISED.name):
        device.ask(Request.ANNOUNCE, OTHER)
    assert device.weights == NOTHING


@pytest.mark.parametrize("arguments", [[], [bytes(31)], [bytes(33)], ["small"], [1000, SMALL]])
def test_malformed_announcements_are_not_taken(device: Device, arguments: list[object]):
    assert device.ask(Request.ANNOUNCE, *arguments) == (Status.MALFORMED, [])
    assert device.weights == NOTHING
