# SPDX-License-Identifier: Apache-2.0
"""Self-tests run before what they test is used, and one that fails is the end until the reset."""

from typing import Any

import pytest

from custodes.lifecycle import Lifecycle
from custodes.mailbox import Event, Item, Request, SelfTest, Status
from tests.firmware.host import Ended, Noise
from tests.firmware.provisioned import CHALLENGE, blank, locked

ALL = (1 << len(SelfTest)) - 1
STOPPED: tuple[tuple[Any, ...], ...] = (
    (Request.IDENTIFY, CHALLENGE),
    (Request.STORE, Item.IDENTITY, 0, b"0"),
    (Request.COMMIT, Item.IDENTITY, 1, bytes(32)),
    (Request.DIGEST, Item.IDENTITY),
    (Request.LOCK, bytes(32)),
    (Request.ORDER, b"", []),
    (Request.SELFTEST, 1, 0),
    (Request.ERASE,),
)


def test_all_pass():
    assert blank().do(Request.SELFTEST, ALL, 0) == [ALL, 0]


def test_each_runs_before_it_is_needed_and_not_earlier():
    device = blank()
    needed = 1 << SelfTest.SHA512 | 1 << SelfTest.ED25519_SIGN | 1 << SelfTest.X25519 | 1 << SelfTest.RANDOM
    assert not device.do(Request.SELFTEST, 0, 0)[0] & needed
    device.do(Request.IDENTIFY, CHALLENGE)
    assert device.do(Request.SELFTEST, 0, 0)[0] & needed == needed


@pytest.mark.parametrize("test", SelfTest)
def test_spoiled_test_leads_into_the_error_state(test: SelfTest):
    device = blank()
    passed, failed = device.do(Request.SELFTEST, ALL, 1 << test)
    assert failed == 1 << test
    assert not passed & failed
    _, _, error, _, told = device.do(Request.INFO)
    assert (error, told) == (True, failed)
    assert device.library.datapath_model_tampered()
    before = device.flash
    for question in STOPPED:
        assert device.ask(*question) == (Status.ERROR_STATE, []), question
    assert device.flash == before
    assert device.do(Request.SELFTEST, 0, 0) == [passed, failed]
    assert [Event.TEST_FAILED, test] in [entry[2:] for entry in device.do(Request.LOG, 0)[1]]
    assert device.boot() is Ended.RUNNING
    assert device.do(Request.SELFTEST, ALL, 0) == [ALL, 0]


def test_error_state_wipes_the_secrets():
    device = blank()
    device.do(Request.IDENTIFY, CHALLENGE)
    seed, agreement = device.secrets()
    assert any(seed)
    assert any(agreement)
    device.do(Request.SELFTEST, 1 << SelfTest.HKDF, 1 << SelfTest.HKDF)
    assert device.secrets() == (bytes(32), bytes(32))


def test_noise_that_repeats_itself_fails_its_test():
    device = blank()
    device.library.model_set_noise(Noise.STUCK)
    assert device.ask(Request.IDENTIFY, CHALLENGE) == (Status.ERROR_STATE, [])
    assert device.do(Request.SELFTEST, 0, 0)[1] == 1 << SelfTest.RANDOM


def test_firmware_that_is_not_the_one_of_the_gateware_has_no_secret():
    device = locked()
    device.library.model_spoil_rom_digest()
    assert device.boot() is Ended.RUNNING
    assert device.state is Lifecycle.BOOT
    assert device.library.secret_model_words() == 0
    assert device.library.secret_model_locked()
    assert device.do(Request.SELFTEST, 0, 0)[1] == 1 << SelfTest.ROM
    assert device.ask(Request.IDENTIFY, CHALLENGE) == (Status.ERROR_STATE, [])


def test_locked_device_spoils_nothing():
    device = locked()
    assert device.ask(Request.SELFTEST, 1, 1) == (Status.FORBIDDEN, [])
    assert device.do(Request.SELFTEST, ALL, 0) == [ALL, 0]
