# SPDX-License-Identifier: Apache-2.0
"""`custodes status`, `selftest`, `log` and `info` on a device with control."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from custodes.control_commands import describe
from custodes.firmware import Entry
from custodes.lifecycle import Alarm, Lifecycle
from custodes.link import Link
from custodes.mailbox import Event, Item, Request, SelfTest, Status
from custodes.maps import NIC
from tests.host.fake import FakeLink
from tests.host.fake_nic import BUILD_ID, ROM_DIGEST, VERSION, FakeNic, Flash, encoded, write_files
from tests.host.fake_processor import KEYS_TOML, FakeProcessor
from tests.host.test_provision_commands import custodes, fails, signing

Install = Callable[[Link], Link]
CONTROL = {
    "clock_hz": 62_500_000,
    "map_digest": NIC.digest.hex(),
    "build_id": BUILD_ID.hex(),
    "rom_digest": ROM_DIGEST.hex(),
}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the link given be what every name opens."""

    def install(link: Link) -> Link:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    install(FakeNic())
    return install


def test_status_of_a_blank_device(device: Install) -> None:
    assert json.loads(custodes("status", "--json").stdout) == {
        "device": "sim:nic",
        "lifecycle": "BLANK",
        "alarms": [],
        **CONTROL,
        "noise": {"state": "READY", "repetition_failures": 1, "proportion_failures": 3},
        "mailbox": "DONE",
        "firmware": {"version": VERSION, "error": False, "selftests": {test.name: "not run" for test in SelfTest}},
        "sessions": {"tampered": False, "associations": []},
    }
    result = custodes("status")
    assert (result.exit_code, result.stderr) == (0, "")
    for line in (
        "lifecycle         blank",
        "ready, 1 repetition and 3 proportion tests failed",
        "0 associations in use",
    ):
        assert line in result.stdout


def test_status_of_an_operational_device_shows_its_sessions(device: Install, tmp_path: Path) -> None:
    link = FakeNic()
    device(link)
    write_files(tmp_path)
    (tmp_path / "keys.toml").write_text(KEYS_TOML)
    governors = signing(tmp_path)
    assert custodes("provision", tmp_path / "nic.toml", "--yes", *governors).exit_code == 0
    named = ("--provisioning", tmp_path / "nic.toml")
    assert custodes("key", tmp_path / "keys.toml", *named, *governors).exit_code == 0
    found = json.loads(custodes("status", "--json").stdout)
    same = {"channel": 0, "an": 1, "suite": "GCM-AES-256", "pn": 1}
    assert found["sessions"]["associations"] == [{"direction": "transmit", **same}, {"direction": "receive", **same}]
    text = custodes("status").stdout
    assert "operational" in text and "transmit 0 AN 1" in text and "GCM-AES-256, PN 1" in text


def test_status_of_a_tampered_device_says_why(device: Install) -> None:
    link = FakeNic()
    device(link)
    link.alarm(Alarm.WATCHDOG)
    found = json.loads(custodes("status", "--json").stdout)
    assert (found["lifecycle"], found["alarms"], found["firmware"]) == ("TAMPERED", ["WATCHDOG"], None)
    text = custodes("status").stdout
    assert "firmware did not come back in time" in text and "does not run" in text
    assert link.requests == []


@pytest.mark.parametrize("command", ["status", "selftest", "log"])
@pytest.mark.parametrize("link", [FakeLink(), FakeProcessor()])
def test_a_device_without_control_is_said(device: Install, command: str, link: Link) -> None:
    device(link)
    fails(custodes(command), 5, "the device has no control")


@pytest.mark.parametrize("command", ["status", "selftest", "log"])
def test_a_firmware_that_does_not_start_is_said(device: Install, command: str) -> None:
    link = FakeNic()
    device(link)
    link.lifecycle = Lifecycle.BOOT
    fails(custodes(command, "--timeout", "0.1"), 5, "firmware does not start")


def test_every_test_runs_by_default(device: Install) -> None:
    found = json.loads(custodes("selftest", "--json").stdout)
    assert found == {"device": "sim:nic", "selftests": {test.name: "passed" for test in SelfTest}, "passed": True}
    lines = custodes("selftest").stdout.splitlines()
    assert [line.split() for line in lines] == [[test.name.lower(), "passed"] for test in SelfTest]


def test_only_the_tests_that_are_named_run(device: Install) -> None:
    assert json.loads(custodes("selftest", "hpke", "ROM", "--json").stdout)["selftests"] == {
        "ROM": "passed",
        "HPKE": "passed",
    }
    fails(custodes("selftest", "hkpe"), 2, "hkpe: no such self-test; they are rom, sha256")


@pytest.mark.parametrize("test", SelfTest)
def test_a_failed_test_is_exit_6_and_nothing_more_runs(device: Install, test: SelfTest) -> None:
    link = FakeNic(failing=[test])
    device(link)
    result = custodes("selftest", "--json")
    assert result.exit_code == 6
    assert result.stderr == f"custodes: self-tests failed: {test.name.lower()}\n"
    outcomes = {other.name: "passed" if other < test else "not run" for other in SelfTest}
    assert json.loads(result.stdout) == {
        "device": "sim:nic",
        "selftests": outcomes | {test.name: "failed"},
        "passed": False,
    }
    found = json.loads(custodes("status", "--json").stdout)
    assert found["firmware"]["error"] and found["firmware"]["selftests"][test.name] == "failed"
    assert custodes("selftest", "rom").exit_code == 6


def test_a_test_can_be_made_to_fail_while_blank_only(device: Install) -> None:
    assert custodes("selftest", "rom", "--spoil", "rom").exit_code == 6
    device(FakeNic(Flash(lifecycle=Lifecycle.PROVISIONED)))
    result = custodes("selftest", "rom", "--spoil", "rom")
    assert (result.exit_code, result.stdout) == (5, "rom  not run\n")
    assert "not in this lifecycle state" in result.stderr


def test_a_firmware_that_runs_no_test_is_said(device: Install) -> None:
    device(FakeNic(spoil=lambda reply: b"\x83\x00\x00\x00"))
    result = custodes("selftest", "rom")
    assert result.exit_code == 5 and "says nothing of self-tests that it should have run: rom" in result.stderr


def test_a_test_that_cannot_run_is_said_after_those_that_have(device: Install) -> None:
    def no_random(reply: bytes) -> bytes:
        return encoded([Status.NO_RANDOM]) if cbor2.loads(reply)[1:2] == [0b111] else reply

    device(FakeNic(spoil=no_random))
    result = custodes("selftest", "rom", "sha256", "sha512")
    assert (result.exit_code, result.stdout.split()) == (
        5,
        ["rom", "passed", "sha256", "passed", "sha512", "not", "run"],
    )
    assert "its noise source gives no random numbers" in result.stderr


def test_log_has_names(device: Install) -> None:
    custodes("selftest", "rom", "--spoil", "rom")
    result = custodes("log")
    assert [line.split(maxsplit=2) for line in result.stdout.splitlines()] == [
        ["0", "0.000", "boot           blank"],
        ["1", "0.010", "test failed    rom"],
    ]
    (line,) = json.loads(custodes("log", "--first", "1", "--json").stdout)["entries"]
    assert line == {"number": 1, "milliseconds": 10, "event": "TEST_FAILED", "detail": 0, "text": "rom"}
    result = custodes("log", "--first", "9")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no entries\n")


def test_a_long_log_is_read_whole(device: Install) -> None:
    link = FakeNic()
    device(link)
    for _ in range(10):
        link.enter(Event.ERASED)
    assert len(json.loads(custodes("log", "--json").stdout)["entries"]) == 11
    assert link.requests.count(Request.LOG) > 3


@pytest.mark.parametrize(
    ("event", "detail", "text"),
    [
        (Event.BOOT, Lifecycle.OPERATIONAL, "operational"),
        (Event.BOOT, 1, "1"),
        (Event.STORED, Item.WHITELIST, "whitelist"),
        (Event.KEY_INSTALLED, 64 + 4 * 3 + 2, "receive channel 3, AN 2"),
        (Event.ZEROISED, 5, "transmit channel 1, AN 1"),
        (Event.ZEROISED, 128, "2 channel 0, AN 0"),
        (Event.REJECTED, 256 * 7 + 4, "order: unsigned"),
        (Event.REJECTED, 256 * 99 + 99, "99: 99"),
        (Event.LOCKED, 0, ""),
        (None, 12, "12"),
    ],
)
def test_details_are_in_words(event: Event | None, detail: int, text: str) -> None:
    assert describe(Entry(0, 0, event, detail)) == text


def test_info_says_what_the_device_is_and_proves_it(device: Install) -> None:
    device(FakeNic(Flash({Item.POLICY: b"\x80"})))
    found = json.loads(custodes("info", "--device", "sim:nic", "--json").stdout)
    proved = found.pop("proved")
    assert {name: len(value) for name, value in proved.items()} == {
        "identity_key": 64,
        "agreement_key": 64,
        "provisioning_digest": 64,
    }
    assert found["device"] == {"name": "sim:nic", "identity": "0x43555350", "lanes": 1}
    assert found["control"] == {"lifecycle": "BLANK", "alarms": [], **CONTROL}
    assert found["firmware"] == VERSION
    assert {name: item["bytes"] for name, item in found["items"].items()} == {"POLICY": 1}
    assert found["sessions"]["tampered"] == "no"
    text = custodes("info", "--device", "sim:nic").stdout
    assert proved["identity_key"] in text and BUILD_ID.hex() in text and "keeps policy" in text


def test_info_needs_no_proof_and_no_firmware(device: Install) -> None:
    link = FakeNic()
    device(link)
    assert json.loads(custodes("info", "--device", "x", "--no-prove", "--json").stdout)["proved"] is None
    assert Request.IDENTIFY not in link.requests
    link.alarm(Alarm.TRAP)
    found = json.loads(custodes("info", "--device", "x", "--json").stdout)
    assert (found["control"]["alarms"], found["firmware"], found["proved"]) == (["TRAP"], None, None)
    assert "does not run" in custodes("info", "--device", "x").stdout


def test_info_of_a_device_in_the_error_state(device: Install) -> None:
    custodes("selftest", "--spoil", "rom")
    found = json.loads(custodes("info", "--device", "x", "--json").stdout)
    assert (found["firmware"], found["items"], found["proved"]) == (VERSION, None, None)
