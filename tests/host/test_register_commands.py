# SPDX-License-Identifier: Apache-2.0
"""`custodes reg`: registers by name and address, their fields in words, and what is refused, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from custodes.lifecycle import Lifecycle
from custodes.link import Link
from custodes.maps import NIC, PROCESSOR, WARDEN
from custodes.registers import IDENTITY_VALUE
from tests.host.fake import FakeLink
from tests.host.fake_nic import FakeNic, Flash
from tests.host.fake_processor import FakeProcessor
from tests.host.test_provision_commands import custodes, fails

Install = Callable[[Link], Link]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the link given be what every name opens."""

    def install(link: Link) -> Link:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    install(FakeNic())
    return install


@pytest.mark.parametrize("name", ["LIFECYCLE", "lifecycle", "0x1002", "4098", "0b1000000000010"])
def test_reads_by_name_and_by_address(device: Install, name: str) -> None:
    assert custodes("reg", "read", name).stdout == "0x1002  LIFECYCLE            0x00000007  STATE=BLANK\n"
    assert json.loads(custodes("reg", "read", name, "--json").stdout) == {
        "device": "sim:nic",
        "registers": [{"name": "LIFECYCLE", "title": "", "address": 0x1002, "value": 7, "fields": {"STATE": "BLANK"}}],
    }


def test_a_value_that_has_no_name_is_a_number(device: Install) -> None:
    device(FakeNic(registers={"LIFECYCLE": 0x3F}))
    assert "STATE=63" in custodes("reg", "read", "LIFECYCLE").stdout


def test_lets_the_device_boot_but_looks_at_one_that_does_not(device: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    class Booting(FakeNic):
        boots = True

        def wait(self, seconds: float) -> None:
            if self.boots:
                self.lifecycle = Lifecycle.BLANK

    for boots, state in ((True, "BLANK"), (False, "BOOT")):
        link = Booting()
        link.boots, link.lifecycle = boots, Lifecycle.BOOT
        device(link)
        monkeypatch.setattr("custodes.nic.ROUSE_S", 0.05)
        assert f"STATE={state}" in custodes("reg", "read", "LIFECYCLE").stdout


def test_reads_several_in_a_row_or_one_of_them(device: Install) -> None:
    lines = json.loads(custodes("reg", "read", "MAP_DIGEST", "--json").stdout)["registers"]
    assert b"".join(line["value"].to_bytes(4, "little") for line in lines) == NIC.digest
    assert [line["name"] for line in lines] == [f"MAP_DIGEST[{word}]" for word in range(8)]
    assert json.loads(custodes("reg", "read", "MAP_DIGEST[3]", "--json").stdout)["registers"] == [lines[3]]


def test_writes_what_it_is_told(device: Install) -> None:
    assert custodes("reg", "write", "SCRATCH", "0xdead_beef").stdout.split() == [
        "0x1004",
        "SCRATCH",
        "0xdeadbeef",
        "written",
    ]
    assert json.loads(custodes("reg", "read", "SCRATCH", "--json").stdout)["registers"][0]["value"] == 0xDEADBEEF
    found = json.loads(custodes("reg", "write", "0x1004", "7", "--json").stdout)
    assert found == {
        "device": "sim:nic",
        "written": {"name": "SCRATCH", "address": 0x1004, "value": 7, "fields": {}},
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("read", "LIVECYCLE"), 2, "LIVECYCLE: no register of a nic"),
        (("read", "0x2000"), 2, "0x2000: no register of a nic, and no address up to 0x1fff"),
        (("read", "-1"), 2, ""),
        (("read", "MAP_DIGEST[8]"), 2, "MAP_DIGEST has 8, counted from 0"),
        (("read", "MAP_DIGEST[a]"), 2, "no register of a nic"),
        (("read", "ZEROISE"), 2, "ZEROISE: is written only"),
        (("read", "0x1fff"), 5, "0x1fff: the device refuses: its map has no register there"),
        (("write", "0x1fff", "1"), 5, "0x1fff: the device refuses: its map has no register there"),
        (("write", "LIFECYCLE", "7"), 2, "LIFECYCLE: is read only"),
        (("write", "SCRATCH", "0x100000000"), 2, "is no number of 32 bits"),
        (("write", "SCRATCH", "seven"), 2, "is no number of 32 bits"),
        (("write", "REQUEST", "1"), 2, "REQUEST: there are 256; say which: REQUEST[0]"),
        (("write", "KEY[0]", "1"), 2, "KEY[0]: holds a secret, and others see the command line"),
    ],
)
def test_what_cannot_be_done_is_said(device: Install, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = custodes("reg", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr.splitlines()[-1]


def test_a_refused_write_is_explained(device: Install) -> None:
    assert custodes("reg", "write", "WINDOW", "1").exit_code == 0
    device(FakeNic(Flash(lifecycle=Lifecycle.PROVISIONED)))
    message = "WINDOW: the device refuses: it is provisioned, and this is for blank devices only"
    fails(custodes("reg", "write", "WINDOW", "1"), 5, message)


def test_another_refusal_is_the_devices_own(device: Install) -> None:
    class Refusing(FakeNic):
        def read(self, address: int) -> int:
            return super().read(0x1FFF if address == NIC.address("SCRATCH") else address)

    device(Refusing())
    fails(custodes("reg", "read", "SCRATCH"), 5, "SCRATCH: the device refuses register 0x1fff")


def test_lists_the_map_of_the_device(device: Install) -> None:
    found = json.loads(custodes("reg", "list", "--json").stdout)
    assert (found["map"], found["digest"]) == ("nic", NIC.digest.hex())
    assert found["registers"] == [register for block in NIC.to_json()["blocks"] for register in block["registers"]]
    lines = custodes("reg", "list", "digest").stdout.splitlines()
    assert [line.split()[3] for line in lines] == ["MAP_DIGEST[8]", "ROM_DIGEST[8]"]
    result = custodes("reg", "list", "nothing")
    assert (result.exit_code, result.stdout) == (0, "") and "no register has nothing" in result.stderr


@pytest.mark.parametrize(("link", "registers"), [(FakeLink(), WARDEN), (FakeProcessor(), PROCESSOR)])
def test_knows_devices_without_control(device: Install, link: Link, registers: object) -> None:
    device(link)
    assert json.loads(custodes("reg", "list", "--json").stdout)["map"] == registers.name  # pyright: ignore


def test_reads_a_warden(device: Install) -> None:
    device(FakeLink())
    assert json.loads(custodes("reg", "read", "IDENTITY", "--json").stdout)["registers"][0]["value"] == IDENTITY_VALUE


def test_without_a_command_it_says_what_there_is() -> None:
    result = custodes("reg")
    assert result.exit_code == 2
    assert all(name in result.output for name in ("read", "write", "list"))
