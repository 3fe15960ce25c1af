# SPDX-License-Identifier: Apache-2.0
"""A copy of the firmware from which countermeasures can be taken away, one at a time: the test of each must fail then."""

from __future__ import annotations

import ctypes
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from custodes.mailbox import SelfTest
from tests.firmware import host, test_orders, test_requests, test_selftest, test_store, test_weights

WHICH = "removed_countermeasure"
"""A variable of the copy: the number of the countermeasure that it goes without, counted from 1."""


@dataclass(frozen=True)
class Removed:
    """A countermeasure: ``file`` has ``new`` in the place of ``old``, in which ``REMOVED`` is 1 when it is taken away;
    ``notices`` is the test that fails then."""

    label: str
    file: str
    old: str
    new: str
    notices: Callable[[], Any]

    def goes_unnoticed(self) -> bool:
        """Whether the test passes without the countermeasure."""
        library = _library()
        which = ctypes.c_int.in_dll(library, WHICH)
        which.value = 1 + COPIES.index(self)
        try:
            with patch.object(host, "library", lambda: library):
                self.notices()
        except (AssertionError, host.FirmwareEnded, pytest.fail.Exception):
            return False
        finally:
            which.value = 0
        return True


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for path in host.HERE.iterdir():
            if path.is_file():
                shutil.copy(path, folder)
        for number, copy in enumerate(COPIES, 1):
            path = folder / copy.file
            source = path.read_text()
            if source.count(copy.old) != 1:
                raise ValueError(f"{copy.file} has {source.count(copy.old)} times {copy.old!r}")
            path.write_text(source.replace(copy.old, copy.new.replace("REMOVED", f"({WHICH} == {number})")))
        for name in {copy.file for copy in COPIES}:
            path = folder / name
            path.write_text(re.sub(r"(?m)^(#include .*\n)", rf"\1extern int {WHICH};\n", path.read_text(), count=1))
        (folder / "removed.c").write_text(f"int {WHICH};\n")
        with patch.object(host, "HERE", folder):
            return host.library.__wrapped__()


COPIES = (
    Removed(
        "ORDER.SERIAL",
        "orders.c",
        "order.serial <= last_serial",
        "(!REMOVED && order.serial <= last_serial)",
        test_orders.test_order_is_carried_out_once_and_serials_rise,
    ),
    Removed(
        "ORDER.DEVICE_AND_BOOT",
        "orders.c",
        "!identity_is(order.identity.at, order.agreement.at)",
        "(!REMOVED && !identity_is(order.identity.at, order.agreement.at))",
        lambda: test_orders.test_order_for_another_device_or_boot_is_refused(2),
    ),
    Removed(
        "ORDER.THRESHOLD",
        "orders.c",
        "count < governors->threshold || !governors->threshold",
        "!REMOVED && (count < governors->threshold || !governors->threshold)",
        test_orders.test_too_few_wrong_repeated_and_foreign_signatures_are_not_enough,
    ),
    Removed(
        "ORDER.SIGNED_ONCE_EACH",
        "orders.c",
        "seen >> one->governor & 1",
        "(!REMOVED && seen >> one->governor & 1)",
        test_orders.test_too_few_wrong_repeated_and_foreign_signatures_are_not_enough,
    ),
    Removed(
        "ORDER.STATE",
        "orders.c",
        "activates ? operational : !bricks && !operational",
        "!REMOVED && (activates ? operational : !bricks && !operational)",
        test_orders.test_orders_wait_for_their_state,
    ),
    Removed(
        "KEY.WRAPPED",
        "orders.c",
        "install->sealed.at, install->sealed.size)) {",
        "install->sealed.at, install->sealed.size) && !REMOVED) {",
        lambda: test_orders.test_wrapped_key_opens_only_with_what_it_was_wrapped_for(8),
    ),
    Removed(
        "STORE.AUTHENTICATED",
        "store.c",
        "same(wanted, record + TAG, SHA256_BYTES)",
        "(REMOVED || same(wanted, record + TAG, SHA256_BYTES))",
        lambda: test_store.test_damaged_state_stops_the_device(48),
    ),
    Removed(
        "STORE.LOCKED",
        "device.c",
        "!same(kept, provisioning, DIGEST_BYTES)",
        "(!REMOVED && !same(kept, provisioning, DIGEST_BYTES))",
        test_store.test_earlier_item_put_back_stops_a_locked_device,
    ),
    Removed(
        "WEIGHTS.WHITELISTED",
        "weights.c",
        "!bits",
        "!bits && !REMOVED",
        lambda: test_weights.test_weights_that_are_not_on_the_whitelist_are_not_expected(
            test_weights.listing(), test_weights.OTHER
        ),
    ),
    Removed(
        "SELFTEST.ERROR_STATE",
        "selftest.c",
        "failed |= bit;",
        "failed |= REMOVED ? 0 : bit;",
        lambda: test_selftest.test_spoiled_test_leads_into_the_error_state(SelfTest.SHA512),
    ),
    Removed(
        "SELFTEST.FORGETS",
        "selftest.c",
        "identity_forget();",
        "if (!REMOVED) identity_forget();",
        test_selftest.test_error_state_wipes_the_secrets,
    ),
    Removed(
        "SECRET.MEASURED",
        "main.c",
        "selftest_need(1 << SELF_TEST_ROM | 1 << SELF_TEST_FLASH)",
        "selftest_need((REMOVED ? 0 : 1 << SELF_TEST_ROM) | 1 << SELF_TEST_FLASH)",
        test_selftest.test_firmware_that_is_not_the_one_of_the_gateware_has_no_secret,
    ),
    Removed(
        "SECRET.LOCKED_BY_BOOT",
        "identity.c",
        "hal_write(REG_SECRET_LOCK, 1);",
        "if (!REMOVED) hal_write(REG_SECRET_LOCK, 1);",
        test_requests.test_device_secret_is_read_once_and_locked,
    ),
    Removed(
        "MESSAGE.ONE_ENCODING",
        "cbor.c",
        "r->bad |= size == 1 ?",
        "r->bad |= REMOVED ? 0 : size == 1 ?",
        lambda: test_requests.test_malformed_request_has_no_effect(b"\x81\x18\x01"),
    ),
)
