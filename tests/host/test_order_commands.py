# SPDX-License-Identifier: Apache-2.0
"""`custodes order`: made in one place, read and signed in others, and given to the device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from custodes.lifecycle import Lifecycle
from custodes.provisioning import load_provisioning
from tests.host.fake_nic import GOVERNORS, FakeNic, encoded, write_files
from tests.host.fake_processor import KEYS_TOML
from tests.host.test_provision_commands import custodes, fails, signing

Install = Callable[[FakeNic], FakeNic]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeNic:
    """A device that is provisioned, and what every name opens; its files are in ``tmp_path``."""
    link = FakeNic()
    monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
    write_files(tmp_path)
    assert custodes("provision", tmp_path / "nic.toml", "--yes").exit_code == 0
    return link


def make(folder: Path, *arguments: object) -> Path:
    """An order in a file."""
    result = custodes("order", "make", *arguments, "--provisioning", folder / "nic.toml")
    assert result.exit_code == 0, result.stderr
    (folder / "order").write_text(result.stdout)
    return folder / "order"


def sign(folder: Path, governor: int) -> Path:
    key = ("--governor-key", folder / f"governor{governor}.key", "--yes", "--provisioning", folder / "nic.toml")
    result = custodes("order", "sign", folder / "order", *key)
    assert result.exit_code == 0, result.stderr
    path = folder / f"signature{governor}"
    path.write_text(result.stdout)
    return path


def test_governors_in_different_places_activate_a_device(device: FakeNic, tmp_path: Path) -> None:
    order = make(tmp_path, "activate")
    shown = json.loads(custodes("order", "show", order, "--json").stdout)
    assert shown["order"] == "custodes/activate/v1"
    assert shown["provisioning_digest"] == load_provisioning(tmp_path / "nic.toml").digest.hex()
    assert "provisioning digest" in custodes("order", "show", order).stdout
    one, two = sign(tmp_path, 2), sign(tmp_path, 0)
    fails(custodes("order", "give", order, "--signature", one), 5, "too few governors have signed")
    found = json.loads(custodes("order", "give", order, "--signature", one, "--signature", two, "--json").stdout)
    assert (found["lifecycle"], device.lifecycle) == ("OPERATIONAL", Lifecycle.OPERATIONAL)
    fails(custodes("order", "give", order, "--signature", one, "--signature", two), 5, "was given before")


def test_the_order_that_provision_prints_can_be_signed(device: FakeNic, tmp_path: Path) -> None:
    order = custodes("provision", tmp_path / "nic.toml").stdout.splitlines()[-1]
    (tmp_path / "order").write_text(order)
    signatures = [word for governor in (0, 1) for word in ("--signature", sign(tmp_path, governor))]
    assert custodes("order", "give", tmp_path / "order", *signatures).exit_code == 0
    assert device.lifecycle is Lifecycle.OPERATIONAL


def operational(folder: Path) -> None:
    assert custodes("provision", folder / "nic.toml", *signing(folder)).exit_code == 0


def test_keys_are_zeroised_and_devices_ended(device: FakeNic, tmp_path: Path) -> None:
    operational(tmp_path)
    (tmp_path / "keys.toml").write_text(KEYS_TOML)
    named = ("--provisioning", tmp_path / "nic.toml")
    assert custodes("key", tmp_path / "keys.toml", *named, *signing(tmp_path)).exit_code == 0
    order = make(tmp_path, "zeroise", "--direction", "receive", "--channel", 0, "--an", 1)
    assert json.loads(custodes("order", "show", order, "--json").stdout)["direction"] == "receive"
    signatures = [word for governor in (0, 1) for word in ("--signature", sign(tmp_path, governor))]
    assert "carried out" in custodes("order", "give", order, *signatures).stdout
    associations = json.loads(custodes("status", "--json").stdout)["sessions"]["associations"]
    assert [one["direction"] for one in associations] == ["transmit"]
    order = make(tmp_path, "brick")
    signatures = [word for governor in (1, 2) for word in ("--signature", sign(tmp_path, governor))]
    assert "the device is bricked" in custodes("order", "give", order, *signatures).stdout


NO_ORDERS = [
    b"",
    b"12 3",
    b"zz",
    b"\xff",
    encoded(7).hex().encode(),
    *(
        encoded(order).hex().encode()
        for order in (
            ["custodes/brick/v1"],
            ["custodes/activate/v1", b"", b"", 1, 7],
            ["custodes/zeroise/v1", b"", b"", 1, 2, 0, 0],
            ["custodes/other/v1", b"", b"", 1],
        )
    ),
]


@pytest.mark.parametrize("data", NO_ORDERS)
def test_what_is_no_order_is_not_signed_and_not_given(device: FakeNic, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "order").write_bytes(data)
    order = tmp_path / "order"
    asked = len(device.requests)
    key = ("--governor-key", tmp_path / "governor0.key", "--yes", "--provisioning", tmp_path / "nic.toml")
    for arguments in (("show", order), ("sign", order, *key), ("give", order, "--signature", order)):
        result = custodes("order", *arguments)
        assert (result.exit_code, result.stdout) == (4, "")
        assert "no order" in result.stderr or "hexadecimal" in result.stderr
    assert len(device.requests) == asked


def test_what_is_no_signature_is_said(device: FakeNic, tmp_path: Path) -> None:
    order = make(tmp_path, "activate")
    (tmp_path / "signature").write_text("00")
    fails(custodes("order", "give", order, "--signature", tmp_path / "signature"), 4, "no signature of an order")
    fails(custodes("order", "give", order, "--signature", tmp_path / "none"), 4, "No such file")
    fails(custodes("order", "give", "-", "--signature", "-"), 2, "only one of these files")


def test_signing_asks_and_is_for_governors(device: FakeNic, tmp_path: Path) -> None:
    order = make(tmp_path, "activate")
    named = ("--provisioning", tmp_path / "nic.toml", "--governor-key")
    fails(custodes("order", "sign", order, *named, tmp_path / "governor0.key"), 2, "nobody is there to ask")
    (tmp_path / "other").write_text("77" * 32)
    fails(custodes("order", "sign", order, "--yes", *named, tmp_path / "other"), 4, "is the key of no governor")
    secret = GOVERNORS[0].private_bytes_raw().hex()
    result = custodes("order", "sign", order, "--yes", *named, tmp_path / "governor0.key")
    assert secret not in result.stdout + result.stderr


def test_a_direction_that_is_none_is_said(device: FakeNic, tmp_path: Path) -> None:
    options = ("--provisioning", tmp_path / "nic.toml", "--direction", "up")
    fails(custodes("order", "make", "zeroise", *options), 2, "up: no direction; say transmit or receive")
