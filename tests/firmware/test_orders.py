# SPDX-License-Identifier: Apache-2.0
"""Orders of the governors, made by the host's own `custodes.orders`, which knows nothing of the firmware's C."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from custodes.deterministic import decode, encode
from custodes.keys import Association
from custodes.lifecycle import Lifecycle
from custodes.macsec import Side, Suite
from custodes.mailbox import ACTIVATE, Event, Request, Status
from custodes.orders import Orders, cose_sign1
from tests.firmware.host import Channel, Device, Ended, FirmwareEnded
from tests.firmware.provisioned import (
    CHANNEL,
    DIGEST,
    GOVERNORS,
    OUR_SCI,
    PEER,
    PEER_SCI,
    SHORT,
    WINDOW,
    XPN,
    identity,
    locked,
    operational,
    order,
    signatures,
)

NUMBER = 4 * CHANNEL
KEY_INFO = 13
"""Elements of an order for a key before the encapsulated one."""


def events(device: Device) -> list[list[int]]:
    """[event, detail] of the log."""
    found, first = [], 0
    while True:
        after, entries = device.do(Request.LOG, first)
        found += [entry[2:] for entry in entries]
        if not entries:
            return found
        first = after


def test_activation_sets_channels_and_policy():
    device, _ = operational()
    assert device.channel(Side.ACCELERATOR, CHANNEL) == Channel(PEER + bytes(2), OUR_SCI, 0, 0)
    assert device.channel(Side.NETWORK, CHANNEL) == Channel(PEER_SCI, PEER_SCI, WINDOW, 0)
    assert device.library.datapath_model_others() == 2
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.OPERATIONAL
    assert device.channel(Side.NETWORK, CHANNEL) == Channel(PEER_SCI, PEER_SCI, WINDOW, 0)
    assert device.library.datapath_model_others() == 2


def test_activation_needs_the_digest_of_what_is_kept():
    device = locked()
    orders = Orders(identity(device), serial=1)
    assert order(device, orders.activate(bytes(32))) is Status.MISMATCH
    assert device.state is Lifecycle.PROVISIONED
    assert order(device, orders.activate(DIGEST)) is Status.OK
    assert order(device, orders.activate(DIGEST)) is Status.FORBIDDEN


@pytest.mark.parametrize("association", [XPN, SHORT], ids=lambda association: association.suite.name)
@pytest.mark.parametrize("side", Side)
def test_wrapped_key_reaches_its_association_whole(side: Side, association: Association):
    device, orders = operational()
    assert order(device, orders.key(side, CHANNEL, association, selected=True, lifetime=77)) is Status.OK
    found = device.association(side, NUMBER + association.an)
    assert found is not None
    assert found.key == association.key.ljust(32, b"\0")
    assert (found.suite, found.pn, found.lifetime) == (association.suite, association.pn, 77)
    assert (found.salt, found.ssci) == (association.salt or bytes(12), association.ssci or 0)
    channel = device.channel(side, CHANNEL)
    assert channel is not None
    assert channel.selected == (association.an if side is Side.ACCELERATOR else 0)
    assert events(device)[-1] == [Event.KEY_INSTALLED, 64 * side + NUMBER + association.an]
    others = [(at, number) for at in Side for number in range(64) if device.association(at, number)]
    assert others == [(side, NUMBER + association.an)]


def test_key_is_not_put_over_another_and_zeroising_makes_room():
    device, orders = operational()
    place = Side.NETWORK, CHANNEL
    assert order(device, orders.key(*place, XPN, selected=False)) is Status.OK
    assert order(device, orders.key(*place, XPN, selected=False)) is Status.REFUSED
    assert order(device, orders.zeroise(*place, XPN.an)) is Status.OK
    assert device.association(Side.NETWORK, NUMBER + XPN.an) is None
    assert events(device)[-1] == [Event.ZEROISED, 64 + NUMBER + XPN.an]
    assert order(device, orders.key(*place, XPN, selected=False)) is Status.OK


def test_key_is_loaded_again_where_another_came_to_its_end_just_then():
    device, orders = operational()
    device.library.datapath_model_overwriting(2)
    assert order(device, orders.key(Side.NETWORK, CHANNEL, XPN, selected=False)) is Status.OK
    found = device.association(Side.NETWORK, NUMBER + XPN.an)
    assert found is not None
    assert (found.key, found.pn, found.salt) == (XPN.key, XPN.pn, XPN.salt)


def test_key_of_a_channel_that_is_not_provisioned_is_refused():
    device, orders = operational()
    assert order(device, orders.key(Side.NETWORK, CHANNEL + 1, XPN, selected=False)) is Status.ABSENT


def test_key_of_a_suite_of_128_bits_has_no_more():
    device, orders = operational()
    longer = SHORT.model_copy(update={"key": bytes(range(32))})
    assert order(device, orders.key(Side.NETWORK, CHANNEL, longer, selected=False)) is Status.UNSEALED


@pytest.mark.parametrize("at", range(4, KEY_INFO))
def test_wrapped_key_opens_only_with_what_it_was_wrapped_for(at: int):
    """Whoever can sign, but has not wrapped the key, cannot put it elsewhere."""
    device, orders = operational()
    fields = decode(orders.key(Side.ACCELERATOR, CHANNEL, XPN, selected=True))
    fields[at] = {
        4: int(Side.NETWORK),
        5: CHANNEL,
        6: 2,
        7: int(Suite.GCM_AES_XPN_128),
        8: 5,
        9: 1,
        10: bytes(12),
        11: 9,
        12: False,
    }[at]
    expected = Status.OK if at == 5 else Status.UNSEALED
    assert order(device, encode(fields)) is expected


def test_wrapped_key_of_an_earlier_boot_does_not_open():
    device, orders = operational()
    old = orders.key(Side.NETWORK, CHANNEL, XPN, selected=False)
    assert device.boot() is Ended.RUNNING
    assert order(device, old) is Status.REPLAYED
    renewed = identity(device)
    assert order(device, old) is Status.REPLAYED
    fields = decode(old)
    fields[2] = renewed.agreement_key
    assert order(device, encode(fields)) is Status.UNSEALED


def test_order_is_carried_out_once_and_serials_rise():
    device, orders = operational()
    zeroise = orders.zeroise(Side.NETWORK, CHANNEL, 0)
    assert order(device, zeroise) is Status.OK
    assert order(device, zeroise) is Status.REPLAYED
    later = Orders(orders.identity, serial=1000)
    assert order(device, later.zeroise(Side.NETWORK, CHANNEL, 0)) is Status.OK
    assert order(device, orders.zeroise(Side.NETWORK, CHANNEL, 0)) is Status.REPLAYED
    assert order(device, Orders(orders.identity, serial=0).zeroise(Side.NETWORK, CHANNEL, 0)) is Status.REPLAYED


def test_order_without_enough_signatures_does_not_use_up_its_serial():
    device, orders = operational()
    payload = Orders(orders.identity, serial=1 << 63).zeroise(Side.NETWORK, CHANNEL, 0)
    assert order(device, payload, (0,)) is Status.UNSIGNED
    assert order(device, orders.zeroise(Side.NETWORK, CHANNEL, 0)) is Status.OK


@pytest.mark.parametrize("field", [1, 2])
def test_order_for_another_device_or_boot_is_refused(field: int):
    device, orders = operational()
    fields = decode(orders.zeroise(Side.NETWORK, CHANNEL, 0))
    fields[field] = bytes(32)
    assert order(device, encode(fields)) is Status.REPLAYED


def test_order_before_anyone_has_asked_who_the_device_is_is_refused():
    device = locked()
    orders = Orders(dataclasses.replace(identity(device), agreement_key=bytes(32)), serial=1)
    assert device.boot() is Ended.RUNNING
    assert order(device, orders.activate(DIGEST)) is Status.REPLAYED


@pytest.mark.parametrize("governors", [(0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_any_enough_governors_may_order(governors: tuple[int, ...]):
    device, orders = operational()
    assert order(device, orders.zeroise(Side.NETWORK, CHANNEL, 0), governors) is Status.OK


def unsigned(change: Callable[[bytes], list[Any]]) -> Status:
    """What becomes of an order with these signatures."""
    device, orders = operational()
    payload = orders.zeroise(Side.NETWORK, CHANNEL, 0)
    return device.ask(Request.ORDER, payload, change(payload))[0]


def test_too_few_wrong_repeated_and_foreign_signatures_are_not_enough():
    assert unsigned(lambda payload: []) is Status.UNSIGNED
    assert unsigned(lambda payload: signatures(payload, (1,))) is Status.UNSIGNED
    assert unsigned(lambda payload: 2 * signatures(payload, (1,))) is Status.UNSIGNED
    assert unsigned(lambda payload: signatures(payload + b"\0")) is Status.UNSIGNED
    assert unsigned(lambda payload: [cose_sign1(at, payload, GOVERNORS[0]) for at in (0, 1)]) is Status.UNSIGNED
    assert unsigned(lambda payload: [cose_sign1(at, payload, GOVERNORS[0]) for at in (0, 3)]) is Status.UNSIGNED
    assert unsigned(lambda payload: [*signatures(payload), cose_sign1(1, payload, GOVERNORS[0])]) is Status.UNSIGNED


@pytest.mark.parametrize("bit", range(0, 512, 37))
def test_damaged_signature_is_not_taken(bit: int):
    def damaged(payload: bytes) -> list[Any]:
        first, second = signatures(payload)
        value = bytearray(first[3])
        value[bit // 8] ^= 1 << bit % 8
        return [[*first[:3], bytes(value)], second]

    assert unsigned(damaged) is Status.UNSIGNED


@pytest.mark.parametrize(
    "change",
    [
        lambda one: [one[0], {1: -8}, None, one[3]],
        lambda one: [one[0], {}, b"", one[3]],
        lambda one: [one[0], {}, None, one[3][:-1]],
        lambda one: [encode({1: -7, 4: b"\0"}), {}, None, one[3]],
        lambda one: [encode({1: -8}), {}, None, one[3]],
        lambda one: [encode({1: -8, 4: b"\0\0"}), {}, None, one[3]],
        lambda one: [encode({1: -8, 4: 0}), {}, None, one[3]],
        lambda one: one[:3],
        lambda one: [*one, 0],
        lambda one: b"",
    ],
)
def test_signature_of_another_form_is_malformed(change: Callable[[list[Any]], Any]):
    assert unsigned(lambda payload: [change(one) for one in signatures(payload)]) is Status.MALFORMED


def test_order_of_another_form_is_malformed_and_of_another_kind_unknown():
    device, orders = operational()
    begin = decode(orders.brick())
    key = decode(orders.key(Side.NETWORK, CHANNEL, XPN, selected=False))
    for fields, expected in (
        (begin[:3], Status.MALFORMED),
        ([*begin, 0], Status.MALFORMED),
        ([begin[0], bytes(31), *begin[2:]], Status.MALFORMED),
        (["custodes/dance/v1", *begin[1:]], Status.UNKNOWN),
        ([ACTIVATE, *begin[1:]], Status.MALFORMED),
        (key[:-1], Status.MALFORMED),
        ([*key[:10], bytes(11), *key[11:]], Status.MALFORMED),
        ([*key[:10], b"", *key[11:]], Status.MALFORMED),
        ([*key[:12], 1, *key[13:]], Status.MALFORMED),
        ([*key[:7], 4, *key[8:]], Status.MALFORMED),
        ([*key[:7], int(Suite.GCM_AES_256), *key[8:]], Status.MALFORMED),
        ([*key[:6], 4, *key[7:]], Status.MALFORMED),
        ([*key[:14], bytes(47)], Status.MALFORMED),
    ):
        payload = encode(fields)
        assert (fields, order(device, payload)) == (fields, expected)


def test_orders_wait_for_their_state():
    device = locked()
    orders = Orders(identity(device), serial=1)
    assert order(device, orders.zeroise(Side.NETWORK, CHANNEL, 0)) is Status.FORBIDDEN
    assert order(device, orders.key(Side.NETWORK, CHANNEL, XPN, selected=False)) is Status.FORBIDDEN


@pytest.mark.parametrize("make", [locked, lambda: operational()[0]])
def test_bricked_device_stays_so_and_still_replies(make: Callable[[], Device]):
    device = make()
    orders = Orders(identity(device), serial=500)
    assert order(device, orders.brick()) is Status.OK
    assert device.state is Lifecycle.BRICKED
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.BRICKED


def test_order_that_the_flash_does_not_keep_is_not_carried_out():
    device = locked()
    orders = Orders(identity(device), serial=1)
    device.library.flash_model_wear()
    assert order(device, orders.activate(DIGEST)) is Status.STORE_FAILED
    assert order(device, orders.brick()) is Status.STORE_FAILED
    assert device.state is Lifecycle.PROVISIONED


def test_policy_that_has_changed_in_flash_stops_the_device():
    """Between boot and activation: what is locked is what is written into the datapath."""
    device = locked()
    orders = Orders(identity(device), serial=1)
    flash = bytearray(device.flash)
    at = flash.index(encode([0x7F0, 5]))
    flash[at + 3] ^= 1
    device.flash = bytes(flash)
    with pytest.raises(FirmwareEnded) as ended:
        order(device, orders.activate(DIGEST))
    assert ended.value.how is Ended.RAISED
    assert device.library.datapath_model_others() == 0
