# SPDX-License-Identifier: Apache-2.0
"""What the firmware answers, and what it does not take."""

import hashlib
import random
from typing import Any

import cbor2
import pytest

from custodes.control_registers import MAILBOX_BYTES
from custodes.deterministic import decode, encode
from custodes.lifecycle import Lifecycle
from custodes.mailbox import LOG_ENTRIES, MAX_ITEM_BYTES, MAX_PIECE_BYTES, Event, Item, Request, SelfTest, Status
from tests.firmware.host import Device, Ended, Noise
from tests.firmware.provisioned import (
    CHALLENGE,
    DIGEST,
    ITEMS,
    blank,
    filled,
    identity,
    keep,
    locked,
    operational,
    store,
)

BOOT_TESTS = {SelfTest.ROM, SelfTest.SHA256, SelfTest.HKDF, SelfTest.FLASH}
MALFORMED = (
    b"",
    b"\x01",  # no array
    b"\x80",  # an empty one
    b"\x81\x18\x01",  # not the shortest number
    b"\x81\x19\x00\x01",
    b"\x98\x01\x01",  # not the shortest length
    b"\x9f\x01\xff",  # of indefinite length
    b"\x81\x01\x00",  # something behind it
    b"\x82\x01",  # something missing
    b"\x82\x01\x00",  # one argument too many
    b"\x81\x02",  # none of one
    b"\x81\x20",  # a negative number
    b"\x81\xf6",
    b"\x81\xc2\x41\x01",  # a tag
    encode([Request.IDENTIFY, bytes(31)]),
    encode([Request.IDENTIFY, bytes(33)]),
    encode([Request.IDENTIFY, "0" * 32]),
    encode([Request.LOG, -1]),
    encode([Request.LOG, 1.0]),
    encode([Request.DIGEST, True]),
    encode([Request.STORE, Item.POLICY, 0, b""]),
    encode([Request.STORE, Item.POLICY, 0, bytes(MAX_PIECE_BYTES + 1)]),
    encode([Request.STORE, Item.POLICY, MAX_ITEM_BYTES + 1, b"0"]),
    b"\x82\x02\x5f\x58\x20" + bytes(32) + b"\xff",
)


def test_info_tells_version_state_and_tests():
    version, state, error, passed, failed = blank().do(Request.INFO)
    assert (version, state, error, failed) == ("custodes 0.1.0", Lifecycle.BLANK, False, 0)
    assert {test for test in SelfTest if passed >> test & 1} == BOOT_TESTS


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_request_has_no_effect(message: bytes):
    device = blank()
    before = device.flash
    assert decode(device.send(message)) == [Status.MALFORMED]
    assert device.flash == before
    assert device.do(Request.LOG, 1)[1][0][2:] == [Event.REJECTED, device.do(Request.LOG, 1)[1][0][3]]
    assert device.do(Request.LOG, 1)[1][0][3] & 0xFF == Status.MALFORMED


def test_only_one_encoding_of_a_request_is_taken():
    """Whatever other bytes a lenient reader would take for the same message."""
    device, rng = blank(), random.Random(1)
    message = encode([Request.STORE, Item.POLICY, 300, bytes(40)])
    for _ in range(2000):
        other = bytearray(message)
        for _ in range(rng.randint(1, 3)):
            other[rng.randrange(len(other))] = rng.randrange(256)
        status = decode(device.send(bytes(other)))[0]
        try:
            well_formed = cbor2.dumps(cbor2.loads(bytes(other)), canonical=True) == other
        except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError):
            well_formed = False
        assert well_formed or status in (Status.MALFORMED, Status.UNKNOWN, Status.FORBIDDEN)


def test_longest_request_is_read_whole():
    device = blank()
    message = encode([Request.ORDER, bytes(MAILBOX_BYTES - 6), []])
    assert len(message) == MAILBOX_BYTES
    assert decode(device.send(message)) == [Status.FORBIDDEN]
    assert decode(device.send(message + b"0")) == [Status.MALFORMED]


def test_unknown_requests_items_and_tests_are_named_so():
    device = blank()
    questions: tuple[tuple[Any, ...], ...] = (
        (0,),
        (99,),
        (Request.DIGEST, 0),
        (Request.DIGEST, 6),
        (Request.STORE, 6, 0, b"0"),
        (Request.COMMIT, 0, 1, bytes(32)),
        (Request.SELFTEST, 1 << len(SelfTest), 0),
        (Request.SELFTEST, 0, 1 << len(SelfTest)),
    )
    for question in questions:
        assert device.ask(*question) == (Status.UNKNOWN, [])


def test_identity_is_the_same_in_every_boot_and_agreement_key_is_not():
    device = filled()
    first = identity(device)
    assert first.provisioning_digest == DIGEST
    assert identity(device, bytes(32)) == first
    assert device.boot() is Ended.RUNNING
    second = identity(device)
    assert second.identity_key == first.identity_key
    assert second.agreement_key != first.agreement_key


def test_identity_hangs_on_secret():
    one, other = blank(), Device(bytes(32))
    first = identity(one)
    assert other.boot() is Ended.RUNNING
    assert identity(other).identity_key != first.identity_key


def test_identity_tells_the_state():
    device = blank()
    assert identity(device).provisioning_digest == bytes(32)
    assert identity(locked()).lifecycle is Lifecycle.PROVISIONED
    assert identity(operational()[0]).lifecycle is Lifecycle.OPERATIONAL


def test_device_secret_is_read_once_and_locked():
    device = blank()
    assert device.library.secret_model_words() == 0xFF
    assert device.library.secret_model_locked()


@pytest.mark.parametrize("noise", [Noise.ALARM, Noise.SILENT])
def test_without_random_numbers_there_is_no_agreement_key(noise: Noise):
    device = blank()
    device.library.model_set_noise(noise)
    assert device.ask(Request.IDENTIFY, CHALLENGE) == (Status.NO_RANDOM, [])
    assert device.ask(Request.SELFTEST, 1 << SelfTest.RANDOM, 0) == (Status.NO_RANDOM, [])
    events = [event for _, _, event, _ in device.do(Request.LOG, 0)[1]]
    assert events.count(Event.NOISE_ALARM) == (noise is Noise.ALARM)
    device.library.model_set_noise(Noise.GOOD)
    identity(device)


def test_items_are_read_back_and_replaced():
    device = blank()
    assert device.ask(Request.DIGEST, Item.IDENTITY) == (Status.ABSENT, [])
    for data in (ITEMS[Item.IDENTITY], encode(["other", "1"]), encode(["third", "2"])):
        keep(device, Item.IDENTITY, data)
        assert device.do(Request.DIGEST, Item.IDENTITY) == [len(data), hashlib.sha256(data).digest()]
        assert device.boot() is Ended.RUNNING


def test_longest_item_is_kept():
    device = blank()
    empty = len(encode(["", ""]))
    data = encode(["x" * (MAX_ITEM_BYTES - empty - 2), ""])
    assert len(data) == MAX_ITEM_BYTES
    keep(device, Item.IDENTITY, data)
    assert device.do(Request.DIGEST, Item.IDENTITY)[0] == MAX_ITEM_BYTES
    store(device, Item.IDENTITY, data)
    assert device.ask(Request.STORE, Item.IDENTITY, MAX_ITEM_BYTES, b"0") == (Status.MISMATCH, [])


def test_pieces_come_in_order_and_of_one_item():
    device = blank()
    device.do(Request.STORE, Item.IDENTITY, 0, bytes(10))
    for item, offset in ((Item.IDENTITY, 9), (Item.IDENTITY, 11), (Item.POLICY, 10)):
        assert device.ask(Request.STORE, item, offset, b"0") == (Status.MISMATCH, [])
    device.do(Request.STORE, Item.IDENTITY, 10, b"0")


def test_commit_needs_the_right_length_digest_and_item():
    device, data = blank(), ITEMS[Item.IDENTITY]
    digest = hashlib.sha256(data).digest()
    store(device, Item.IDENTITY, data)
    for item, length, wanted in (
        (Item.IDENTITY, len(data) - 1, digest),
        (Item.IDENTITY, len(data), bytes(32)),
        (Item.POLICY, len(data), digest),
    ):
        assert device.ask(Request.COMMIT, item, length, wanted) == (Status.MISMATCH, [])
    device.do(Request.COMMIT, Item.IDENTITY, len(data), digest)
    assert device.ask(Request.COMMIT, Item.IDENTITY, len(data), digest) == (Status.MISMATCH, [])


KEYS = [bytes([number]) * 32 for number in range(9)]
FORMLESS = {
    Item.IDENTITY: [[], ["a"], ["a", "b", "c"], [b"a", "b"], ["a", 1], {"a": "b"}],
    Item.GOVERNORS: [
        [0, KEYS[:1]],
        [2, KEYS[:1]],
        [1, []],
        [1, KEYS],
        [1, [KEYS[0], KEYS[0]]],
        [1, [bytes(31)]],
        [1],
        [1, KEYS[0]],
    ],
    Item.WHITELIST: [
        [["a", 1]],
        [["a", -1, bytes(32)]],
        [["a", 1, bytes(31)]],
        ["a", 1, bytes(32)],
        [["a", 1 << 61, bytes(32)]],
    ],
    Item.POLICY: [
        [bytes(32)],
        [bytes(32), [[0x1000, 0]]],
        [bytes(32), [[0x10, 0]]],
        [bytes(32), [[0x20, 0]]],
        [bytes(32), [[0x25, 0]]],
        [bytes(32), [[0x7F0, 1 << 32]]],
        [bytes(32), [[0x7F0]]],
    ],
    Item.SESSIONS: [
        [[0, 0, bytes(8), bytes(8), 0]],
        [[1, 0, bytes(6), bytes(8), 0]],
        [[2, 0, bytes(6), bytes(8), 0]],
        [[0, 16, bytes(6), bytes(8), 0]],
        [[0, 0, bytes(6), bytes(8), (1 << 20) + 1]],
        [[0, 0, bytes(6), bytes(8), 0], [0, 0, bytes(6), bytes(8), 0]],
        [[0, 0, bytes(6), bytes(8)]],
    ],
}


@pytest.mark.parametrize(("item", "value"), [(item, value) for item, values in FORMLESS.items() for value in values])
def test_item_without_its_form_is_not_kept(item: Item, value: object):
    device, data = blank(), encode(value)
    store(device, item, data)
    assert device.ask(Request.COMMIT, item, len(data), hashlib.sha256(data).digest()) == (Status.MALFORMED, [])
    assert device.ask(Request.DIGEST, item) == (Status.ABSENT, [])


@pytest.mark.parametrize(
    "text", [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82", b"\xf0\x80\x80\x80"]
)
def test_text_that_is_not_utf8_is_not_kept(text: bytes):
    device = blank()
    data = b"\x82" + bytes([0x60 + len(text)]) + text + b"\x60"
    store(device, Item.IDENTITY, data)
    digest = hashlib.sha256(data).digest()
    assert device.ask(Request.COMMIT, Item.IDENTITY, len(data), digest) == (Status.MALFORMED, [])


def test_erase_forgets_every_item():
    device = filled()
    device.do(Request.ERASE)
    assert all(device.ask(Request.DIGEST, item)[0] is Status.ABSENT for item in Item)
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.BLANK
    assert all(device.ask(Request.DIGEST, item)[0] is Status.ABSENT for item in Item)


def test_lock_needs_every_item_and_the_right_digest():
    device = blank()
    assert device.ask(Request.LOCK, DIGEST) == (Status.ABSENT, [])
    device = filled()
    assert device.ask(Request.LOCK, bytes(32)) == (Status.MISMATCH, [])
    assert device.state is Lifecycle.BLANK
    device.do(Request.LOCK, DIGEST)
    assert device.state is Lifecycle.PROVISIONED
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.PROVISIONED


@pytest.mark.parametrize("make", [locked, lambda: operational()[0]])
def test_locked_device_takes_nothing_that_a_blank_one_takes(make):
    device = make()
    before = device.flash
    questions: tuple[tuple[Any, ...], ...] = (
        (Request.STORE, Item.IDENTITY, 0, b"0"),
        (Request.COMMIT, Item.IDENTITY, 1, bytes(32)),
        (Request.LOCK, DIGEST),
        (Request.ERASE,),
        (Request.SELFTEST, 1, 1),
    )
    for question in questions:
        assert device.ask(*question) == (Status.FORBIDDEN, [])
    assert device.flash == before


def test_log_gives_the_last_entries_in_pieces():
    device = blank()
    for number in range(LOG_ENTRIES + 40):
        assert device.ask(200 + number % 2)[0] is Status.UNKNOWN
    entries, first = [], 0
    while True:
        after, some = device.do(Request.LOG, first)
        entries += some
        if not some:
            break
        first = after
    assert [entry[0] for entry in entries] == list(range(41, LOG_ENTRIES + 41))
    assert all(entry[2:] == [Event.REJECTED, Status.UNKNOWN] for entry in entries)
    assert [entry[1] for entry in entries] == sorted(entry[1] for entry in entries)
    assert device.do(Request.LOG, 1 << 60) == [LOG_ENTRIES + 41, []]
