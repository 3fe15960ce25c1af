# SPDX-License-Identifier: Apache-2.0
"""Of the firmware."""

from gateware.countermeasures.entry import Countermeasure

FIRMWARE = "firmware"
_TESTS = "tests/firmware"
_REMOVED = f"{_TESTS}/removed.py"
_ORDERS = f"{_TESTS}/test_orders.py"
_STORE = f"{_TESTS}/test_store.py"
_SELFTEST = f"{_TESTS}/test_selftest.py"
_REQUESTS = f"{_TESTS}/test_requests.py"

IN_FIRMWARE = (
    Countermeasure(
        "ORDER.SERIAL",
        "an order that is carried out twice",
        (f"{FIRMWARE}/orders.c",),
        (f"{_ORDERS}::test_order_is_carried_out_once_and_serials_rise",),
        (f"{_REMOVED}::ORDER.SERIAL",),
    ),
    Countermeasure(
        "ORDER.DEVICE_AND_BOOT",
        "an order for another device, or of an earlier boot",
        (f"{FIRMWARE}/orders.c",),
        (f"{_ORDERS}::test_order_for_another_device_or_boot_is_refused",),
        (
            f"{_REMOVED}::ORDER.DEVICE_AND_BOOT",
            f"{_ORDERS}::test_wrapped_key_of_an_earlier_boot_does_not_open",
        ),
    ),
    Countermeasure(
        "ORDER.THRESHOLD",
        "an order of too few governors",
        (f"{FIRMWARE}/orders.c",),
        (f"{_ORDERS}::test_any_enough_governors_may_order",),
        (
            f"{_REMOVED}::ORDER.THRESHOLD",
            f"{_ORDERS}::test_damaged_signature_is_not_taken",
        ),
    ),
    Countermeasure(
        "ORDER.SIGNED_ONCE_EACH",
        "a governor who signs for others",
        (f"{FIRMWARE}/orders.c",),
        (f"{_ORDERS}::test_too_few_wrong_repeated_and_foreign_signatures_are_not_enough",),
        (f"{_REMOVED}::ORDER.SIGNED_ONCE_EACH",),
    ),
    Countermeasure(
        "ORDER.STATE",
        "sessions before the governors have activated the device",
        (f"{FIRMWARE}/orders.c",),
        (f"{_ORDERS}::test_orders_wait_for_their_state",),
        (f"{_REMOVED}::ORDER.STATE",),
    ),
    Countermeasure(
        "KEY.WRAPPED",
        "a session key in another place than it was wrapped for, or in another boot",
        (f"{FIRMWARE}/orders.c",),
        (
            f"{_ORDERS}::test_wrapped_key_reaches_its_association_whole",
            f"{_ORDERS}::test_wrapped_key_opens_only_with_what_it_was_wrapped_for",
        ),
        (
            f"{_REMOVED}::KEY.WRAPPED",
            f"{_ORDERS}::test_wrapped_key_of_an_earlier_boot_does_not_open",
        ),
    ),
    Countermeasure(
        "STORE.AUTHENTICATED",
        "a flash that somebody else has written",
        (f"{FIRMWARE}/store.c",),
        (
            f"{_STORE}::test_damaged_state_stops_the_device",
            f"{_STORE}::test_state_of_another_device_or_place_stops_the_device",
        ),
        (
            f"{_REMOVED}::STORE.AUTHENTICATED",
            f"{_STORE}::test_random_damage_never_takes_a_locked_device_back_to_blank",
        ),
    ),
    Countermeasure(
        "STORE.LOCKED",
        "an earlier item that is put back into the flash of a locked device",
        (f"{FIRMWARE}/device.c",),
        (f"{_STORE}::test_earlier_item_put_back_stops_a_locked_device",),
        (
            f"{_REMOVED}::STORE.LOCKED",
            f"{_STORE}::test_damaged_item_stops_a_locked_device",
        ),
    ),
    Countermeasure(
        "SELFTEST.ERROR_STATE",
        "cryptography that does not work",
        (f"{FIRMWARE}/selftest.c",),
        (
            f"{_SELFTEST}::test_all_pass",
            f"{_SELFTEST}::test_each_runs_before_it_is_needed_and_not_earlier",
        ),
        (
            f"{_SELFTEST}::test_spoiled_test_leads_into_the_error_state",
            f"{_REMOVED}::SELFTEST.ERROR_STATE",
        ),
    ),
    Countermeasure(
        "SELFTEST.FORGETS",
        "secrets in a device that does not work",
        (f"{FIRMWARE}/selftest.c",),
        (f"{_SELFTEST}::test_error_state_wipes_the_secrets",),
        (f"{_REMOVED}::SELFTEST.FORGETS",),
    ),
    Countermeasure(
        "SECRET.MEASURED",
        "other firmware that gets at the identity",
        (f"{FIRMWARE}/identity.c",),
        (f"{_SELFTEST}::test_firmware_that_is_not_the_one_of_the_gateware_has_no_secret",),
        (f"{_REMOVED}::SECRET.MEASURED",),
    ),
    Countermeasure(
        "SECRET.LOCKED_BY_BOOT",
        "code that reads the device secret after boot",
        (f"{FIRMWARE}/identity.c",),
        (f"{_REQUESTS}::test_device_secret_is_read_once_and_locked",),
        (f"{_REMOVED}::SECRET.LOCKED_BY_BOOT",),
    ),
    Countermeasure(
        "MESSAGE.ONE_ENCODING",
        "a message that two readers take for different ones",
        (f"{FIRMWARE}/cbor.c",),
        (f"{_REQUESTS}::test_malformed_request_has_no_effect",),
        (
            f"{_REMOVED}::MESSAGE.ONE_ENCODING",
            f"{_REQUESTS}::test_only_one_encoding_of_a_request_is_taken",
        ),
    ),
)
