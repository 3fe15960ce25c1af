# SPDX-License-Identifier: Apache-2.0
"""`custodes key`, and frames through a device that governors keep: wrapped keys, raw keys, and none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from custodes.accessors import Registers
from custodes.errors import DeviceError
from custodes.firmware import Firmware
from custodes.lifecycle import Alarm, Lifecycle
from custodes.mailbox import Request
from custodes.maps import NIC, SNG
from custodes.model import Sealer
from custodes.nic import Nic
from tests.host.fake import read_capture, write_capture
from tests.host.fake_nic import GOVERNORS, FakeNic, Flash, write_files
from tests.host.fake_processor import KEY_A, KEY_B, KEYS_TOML, PEER, keys, plain
from tests.host.test_provision_commands import Install, activate, custodes, fails, provision, signing


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make the device given be what every name opens."""

    def install(link: FakeNic) -> FakeNic:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    return install


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a provisioning file, what it names, keys, and a capture."""
    write_files(tmp_path)
    (tmp_path / "keys.toml").write_text(KEYS_TOML)
    write_capture(tmp_path / "in.pcap", [plain(60), plain(13), plain(1518)])
    return tmp_path


def install(folder: Path, *options: object) -> Result:
    named = ("--provisioning", folder / "nic.toml")
    return custodes("key", folder / "keys.toml", *named, *options)


def test_installs_wrapped_keys(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    activate(folder)
    found = json.loads(install(folder, "--json", *signing(folder)).stdout)
    suite = {"suite": "GCM-AES-256", "channel": 0, "an": 1}
    assert found == {
        "device": "sim:nic",
        "keys": str(folder / "keys.toml"),
        "installed": [
            {"direction": "transmit", "selected": True, **suite},
            {"direction": "receive", "selected": False, **suite},
        ],
    }
    assert link.processor.keys == [KEY_A, KEY_B]
    fails(install(folder, *signing(folder)), 4, "transmit channel 0, AN 1 has a key already; say --replace")
    result = install(folder, "--replace", *signing(folder))
    assert result.stdout == "2 keys installed\n"
    lines = result.stderr.splitlines()
    assert lines[0].startswith("no identity_key in the provisioning file: the keys go to whoever answers")
    assert lines[1:3] == [
        "transmit channel 0, AN 1: zeroised",
        "transmit channel 0, AN 1: installed",
    ]


def test_keys_for_no_channel_of_the_device_are_said(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    activate(folder)
    for old, new, message in (
        (f'peer = "{PEER.hex(":")}"', 'peer = "02:00:00:00:00:09"', "is not provisioned with it"),
        ("/1", "/2", "is provisioned with SCI"),
        ("window = 4", "window = 3", "is provisioned with window 4, not 3"),
    ):
        (folder / "keys.toml").write_text(KEYS_TOML.replace(old, new, 1))
        fails(install(folder, *signing(folder)), 4, message)
    fails(install(folder), 4, "0 of 2 governors that must sign")
    assert link.processor.keys == []


def test_a_device_that_is_not_operational_takes_no_keys(folder: Path, device: Install) -> None:
    device(FakeNic())
    fails(install(folder, *signing(folder)), 5, "the device is blank")
    provision(folder, "--yes")
    fails(install(folder, *signing(folder)), 5, "the device is provisioned")


class Lying(FakeNic):
    """Behind a link that says something else of a register until the device is made to prove who it is."""

    def __init__(self, flash: Flash, name: str, value: int) -> None:
        super().__init__(flash, before=self._proving)
        self._lies = {name: value}

    def _proving(self, request: Request) -> None:
        if request is Request.IDENTIFY:
            self._lies = {}

    def read(self, address: int) -> int:
        place = NIC.at(address)
        return self._lies.get(place[0].name, super().read(address)) if place else super().read(address)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LIFECYCLE", Lifecycle.OPERATIONAL, "the device proves that it is not operational"),
        ("BUILD_ID", 7, "its signature is wrong"),
        ("ROM_DIGEST", 7, "its signature is wrong"),
    ],
)
def test_what_is_said_of_a_device_must_be_what_it_proves(
    folder: Path, device: Install, name: str, value: int, message: str
) -> None:
    flash = Flash()
    device(FakeNic(flash))
    provision(folder, "--yes") if name == "LIFECYCLE" else activate(folder)
    link = device(Lying(flash, name, value))
    fails(install(folder, *signing(folder)), 5, message)
    assert link.processor.keys == [] and Request.ORDER not in link.requests


def test_a_network_card_cannot_prove_to_be_a_gateway() -> None:
    nic = Nic(FakeNic())
    nic.registers = Registers(nic.link, SNG)
    with pytest.raises(DeviceError, match="its signature is wrong"):
        Firmware(nic).identify()


def seal(folder: Path, *options: object) -> Result:
    return custodes(
        "seal", folder / "in.pcap", folder / "out.pcap", "--keys", folder / "keys.toml", "--check", *options
    )


def sealed_right(folder: Path) -> None:
    sealer = Sealer.of(keys())
    wanted = [sealer.seal(plain(size)).frame for size in (60, 1518)]
    assert [frame for _, frame in read_capture(folder / "out.pcap")] == wanted


def test_a_blank_device_seals_with_raw_keys(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    result = seal(folder, "--device", "sim:nic")
    assert result.exit_code == 0, result.stderr
    sealed_right(folder)
    assert Request.ORDER not in link.requests


def test_an_operational_device_seals_with_wrapped_keys(folder: Path, device: Install) -> None:
    link = device(FakeNic())
    activate(folder)
    link.requests.clear()
    governed = ("--provisioning", folder / "nic.toml", *signing(folder))
    result = seal(folder, "--device", "sim:nic", *governed)
    assert result.exit_code == 0, result.stderr
    sealed_right(folder)
    assert link.requests.count(Request.ORDER) == 2
    device(FakeNic(link.flash))
    fails(seal(folder, "--device", "sim:nic"), 2, "the device is operational: say --provisioning")
    fails(seal(folder, *signing(folder)), 2, "say --provisioning too")
    (folder / "keys.toml").write_text(KEYS_TOML.split("[[receive]]")[0])
    fails(seal(folder, "--device", "sim:nic", *governed), 4, "receive: the keys are for other channels")


def test_a_provisioned_device_seals_nothing(folder: Path, device: Install) -> None:
    link: Any = device(FakeNic())
    provision(folder, "--yes")
    fails(seal(folder, "--device", "sim:nic"), 5, "the device is provisioned: it takes no session keys")
    link.alarm(Alarm.TAMPER)
    fails(seal(folder, "--device", "sim:nic"), 5, "the tamper input")


def test_no_file_is_overwritten_by_a_capture(folder: Path, device: Install) -> None:
    device(FakeNic())
    before = (folder / "governor0.key").read_text()
    output = folder / "governor0.key"
    options = ("--keys", folder / "keys.toml", "--provisioning", folder / "nic.toml", *signing(folder))
    fails(custodes("seal", folder / "in.pcap", output, *options), 3, "needs a file of its own")
    assert output.read_text() == before


def test_nothing_shows_a_secret(folder: Path, device: Install) -> None:
    device(FakeNic())
    results = [provision(folder, "--yes", "-v", *signing(folder)), install(folder, "-v", *signing(folder))]
    said = "".join(result.stdout + result.stderr for result in results)
    secrets = [KEY_A, KEY_B, *(key.private_bytes_raw() for key in GOVERNORS)]
    assert all(result.exit_code == 0 for result in results)
    assert not any(secret.hex() in said for secret in secrets)
