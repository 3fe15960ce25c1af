# SPDX-License-Identifier: Apache-2.0
"""Copies of the firmware, each without one countermeasure: the test of that must fail."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from custodes.mailbox import SelfTest
from tests.firmware import host, test_orders, test_requests, test_selftest, test_store


@dataclass(frozen=True)
class Removed:
    """Firmware whose ``file`` has ``new`` in the place of ``old``, and so lacks countermeasure ``label``; ``notices`` is the
    test that fails then."""

    label: str
    file: str
    old: str
    new: str
    notices: Callable[[], Any]

    def goes_unnoticed(self) -> bool:
        """Whether the test passes without the countermeasure."""
        source = (host.HERE / self.file).read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"{self.file} has {source.count(self.old)} times {self.old!r}")
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            for path in host.HERE.iterdir():
                if path.is_file():
                    shutil.copy(path, folder)
            (folder / self.file).write_text(source.replace(self.old, self.new))
            with patch.object(host, "HERE", folder):
                library = host.library.__wrapped__()
        with patch.object(host, "library", lambda: library):
            try:
                self.notices()
            except (AssertionError, host.FirmwareEnded, pytest.fail.Exception):
                return False
        return True


COPIES = (
    Removed(
        "ORDER.SERIAL",
        "orders.c",
        "|| order.serial <= last_serial",
        "",
        test_orders.test_order_is_carried_out_once_and_serials_rise,
    ),
    Removed(
        "ORDER.DEVICE_AND_BOOT",
        "orders.c",
        "!identity_is(order.identity.at, order.agreement.at) || ",
        "",
        lambda: test_orders.test_order_for_another_device_or_boot_is_refused(2),
    ),
    Removed(
        "ORDER.THRESHOLD",
        "orders.c",
        "count < governors->threshold || !governors->threshold",
        "false",
        test_orders.test_too_few_wrong_repeated_and_foreign_signatures_are_not_enough,
    ),
    Removed(
        "ORDER.SIGNED_ONCE_EACH",
        "orders.c",
        "seen >> one->governor & 1",
        "false",
        test_orders.test_too_few_wrong_repeated_and_foreign_signatures_are_not_enough,
    ),
    Removed(
        "ORDER.STATE",
        "orders.c",
        "activates ? operational : !bricks && !operational",
        "false",
        test_orders.test_orders_wait_for_their_state,
    ),
    Removed(
        "KEY.WRAPPED",
        "orders.c",
        "install->sealed.at, install->sealed.size)) {",
        "install->sealed.at, install->sealed.size) && false) {",
        lambda: test_orders.test_wrapped_key_opens_only_with_what_it_was_wrapped_for(8),
    ),
    Removed(
        "STORE.AUTHENTICATED",
        "store.c",
        "same(wanted, record + TAG, SHA256_BYTES)",
        "true",
        lambda: test_store.test_damaged_state_stops_the_device(48),
    ),
    Removed(
        "STORE.LOCKED",
        "device.c",
        "store_provisioning(kept) != STATUS_OK || !same(kept, provisioning, DIGEST_BYTES)",
        "store_provisioning(kept) != STATUS_OK",
        test_store.test_earlier_item_put_back_stops_a_locked_device,
    ),
    Removed(
        "SELFTEST.ERROR_STATE",
        "selftest.c",
        "failed |= bit;",
        "failed |= 0;",
        lambda: test_selftest.test_spoiled_test_leads_into_the_error_state(SelfTest.SHA512),
    ),
    Removed(
        "SELFTEST.FORGETS",
        "selftest.c",
        "identity_forget();",
        "",
        test_selftest.test_error_state_wipes_the_secrets,
    ),
    Removed(
        "SECRET.MEASURED",
        "main.c",
        "selftest_need(1 << SELF_TEST_ROM | 1 << SELF_TEST_FLASH) != STATUS_OK",
        "selftest_need(1 << SELF_TEST_FLASH) != STATUS_OK",
        test_selftest.test_firmware_that_is_not_the_one_of_the_gateware_has_no_secret,
    ),
    Removed(
        "SECRET.LOCKED_BY_BOOT",
        "identity.c",
        "hal_write(REG_SECRET_LOCK, 1);",
        "",
        test_requests.test_device_secret_is_read_once_and_locked,
    ),
    Removed(
        "MESSAGE.ONE_ENCODING",
        "cbor.c",
        "r->bad |= size == 1 ? low < ONE_BYTE : size == 2 ? low < 0x100 : size == 4 ? low < 0x10000 : !high;",
        "(void)high, (void)low;",
        test_requests.test_only_one_encoding_of_a_request_is_taken,
    ),
)
