# SPDX-License-Identifier: Apache-2.0
"""`custodes manifest` and `custodes upload`: from weights and keys in files to a gateway that serves, or one clear line."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.gateway_leg import GATEWAY, RECOMPUTER, server_policy, session_keys
from custodes.gateway_registers import Mode
from custodes.keys import load_keys
from custodes.maps import GATEWAY as GATEWAY_MAP
from custodes.model.session import Opener
from tests.host.fake_gateway import FakeGateway
from tests.host.fake_nic import write_files
from tests.host.test_provision_commands import custodes

WEIGHTS = bytes(range(256)) * 20


def ran(*words: object) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    result = custodes(*words)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    gateway = FakeGateway(server_policy(), session_keys()[0])
    monkeypatch.setattr("custodes.device.open_link", lambda *_: gateway)
    return gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    for number in range(3):
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        (tmp_path / f"{number}.key").write_text(key.private_bytes_raw().hex())
        (tmp_path / f"{number}.pub").write_text(key.public_key().public_bytes_raw().hex())
    return tmp_path


def signed(folder: Path, *governors: int, model: str = "small") -> Path:
    path = folder / "manifest"
    keys = [word for number in governors for word in ("--governor-key", folder / f"{number}.key")]
    assert ran("manifest", folder / "weights.bin", "--out", path, "--model", model, *keys)[0] == 0
    return path


def governors(folder: Path) -> list[object]:
    return [word for number in range(2) for word in ("--governor", folder / f"{number}.pub")]


def test_a_manifest_says_what_the_weights_are(folder: Path):
    path = folder / "manifest"
    code, output, _ = ran(
        "manifest",
        folder / "weights.bin",
        "--out",
        path,
        "--model",
        "small",
        "--governor-key",
        folder / "0.key",
        "--json",
    )
    assert code == 0
    found = json.loads(output)
    assert found["bits"] == 8 * len(WEIGHTS) and found["model"] == "small" and path.exists()


def test_weights_that_governors_have_signed_are_served(folder: Path, link: FakeGateway):
    path = signed(folder, 0, 1)
    code, output, errors = ran(
        "upload", folder / "weights.bin", "--manifest", path, *governors(folder), "--threshold", 2
    )
    assert code == 0, errors
    assert "serves small" in output and link.upload.mode is Mode.SERVING


def test_policy_and_session_are_set_with_the_upload(folder: Path, link: FakeGateway):
    path = signed(folder, 0, 1)
    (folder / "policy.toml").write_text('[[cluster]]\nmac = "02:00:00:00:00:01"\nip = ["192.0.2.1"]\n')
    key = "5a" * 32
    (folder / "keys.toml").write_text(
        '[[transmit]]\npeer = "02:00:00:00:00:03"\nsci = "02:00:00:00:00:04/1"\n'
        f'[[transmit.association]]\nan = 0\nsuite = "GCM-AES-256"\nkey = "{key}"\n'
    )
    files = ["--policy", folder / "policy.toml", "--keys", folder / "keys.toml"]
    words = ["upload", folder / "weights.bin", "--manifest", path, *governors(folder), *files]
    code, _, errors = ran(*words)
    assert code == 2 and "--own-mac" in errors
    code, _, errors = ran(*words, "--own-mac", "nonsense")
    assert code == 2 and "nonsense: is not the MAC address" in errors
    code, _, errors = ran(*words, "--own-mac", "02:00:00:00:00:04")
    assert code == 0, errors
    assert [gateway_mac(link, name) for name in ("RECOMPUTER_MAC", "SAMPLER_MAC")] == [RECOMPUTER, GATEWAY]


def gateway_mac(link: FakeGateway, name: str) -> bytes:
    return link._mac(name)


def receiving(folder: Path) -> Path:
    """Keys for sealed weights."""
    path = folder / "keys.toml"
    path.write_text(
        '[[receive]]\nsci = "02:00:00:00:00:09/1"\n'
        f'[[receive.association]]\nan = 2\nsuite = "GCM-AES-256"\nkey = "{"5a" * 32}"\npn = 7\n'
    )
    return path


def test_weights_leave_sealed_where_there_is_a_receive_channel(folder: Path, monkeypatch: pytest.MonkeyPatch):
    path, keys = signed(folder, 0), receiving(folder)
    opener = Opener.of(load_keys(keys))
    gateway = FakeGateway(server_policy(), session_keys()[0], lambda frame: opener.open(frame).frame or b"")
    monkeypatch.setattr("custodes.device.open_link", lambda *_: gateway)
    words = ["upload", folder / "weights.bin", "--manifest", path, "--governor", folder / "0.pub"]
    code, output, errors = ran(*words, "--keys", keys, "--json")
    assert code == 0, errors
    assert json.loads(output)["sealed"] is True and gateway.read(GATEWAY_MAP.address("GATEWAY_MAP"))
    assert gateway._written[GATEWAY_MAP.address("SEALED")] == 1
    assert gateway.upload.mode is Mode.SERVING


def test_only_a_device_that_can_prove_who_it_is_gets_keys_with_a_provisioning(folder: Path, link: FakeGateway):
    path = signed(folder, 0)
    keys = receiving(folder)
    write_files(folder)
    (folder / "weights.bin").write_bytes(WEIGHTS)
    words = ["upload", folder / "weights.bin", "--manifest", path, "--governor", folder / "0.pub"]
    provisioned = ["--provisioning", folder / "nic.toml"]
    for options, said in (
        (["--keys", keys, "--governor-key", folder / "governor0.key"], "say --provisioning too"),
        (["--keys", keys, "--replace"], "say --provisioning too"),
        (provisioned, "say --keys too"),
        (["--keys", keys, "--own-mac", "02:00:00:00:00:04"], "--own-mac"),
    ):
        code, _, errors = ran(*words, *options)
        assert code == 2 and said in errors, options
    code, _, errors = ran(*words, "--keys", keys, *provisioned)
    assert code == 5 and "without control: it cannot prove who it is" in errors
    assert link.upload.mode is Mode.OFF and link.unsent == 0 and link._written == {}


def test_too_few_signatures_begin_nothing(folder: Path, link: FakeGateway):
    path = signed(folder, 0)
    code, _, errors = ran("upload", folder / "weights.bin", "--manifest", path, *governors(folder), "--threshold", 2)
    assert code == 4 and "1 of 2 governors" in errors and errors.count("\n") == 1
    assert link.upload.mode is Mode.OFF


def test_other_weights_are_refused_before_anything_is_sent(folder: Path, link: FakeGateway):
    path = signed(folder, 0, 1)
    (folder / "weights.bin").write_bytes(WEIGHTS[:-1] + b"x")
    code, _, errors = ran("upload", folder / "weights.bin", "--manifest", path, *governors(folder))
    assert code == 4 and "the manifest says" in errors
    assert link.upload.mode is Mode.OFF and link.upload.fault == 0


def test_a_gateway_that_finds_other_weights_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch):
    gateway = FakeGateway(server_policy(), session_keys()[0], lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]))
    monkeypatch.setattr("custodes.device.open_link", lambda *_: gateway)
    path = signed(folder, 0, 1)
    code, _, errors = ran("upload", folder / "weights.bin", "--manifest", path, *governors(folder))
    assert code == 5 and "not those that were announced" in errors
    assert not gateway.power


def test_a_simulated_gateway_has_no_cable(folder: Path, link: FakeGateway):
    path = signed(folder, 0)
    code, _, errors = ran(
        "upload", folder / "weights.bin", "--manifest", path, *governors(folder), "--interface", "eth0"
    )
    assert code == 2 and "leave out --interface" in errors


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(100)])
def test_nonsense_is_no_manifest(folder: Path, content: bytes):
    (folder / "manifest").write_bytes(content)
    code, _, errors = ran("upload", folder / "weights.bin", "--manifest", folder / "manifest", *governors(folder))
    assert code == 4 and errors.startswith("custodes: ") and errors.count("\n") == 1


def test_a_name_that_cannot_be_is_refused(folder: Path):
    code, _, errors = ran(
        "manifest", folder / "weights.bin", "--out", folder / "m", "--model", "a\nb", "--governor-key", folder / "0.key"
    )
    assert code == 2 and errors.count("\n") == 1 and not (folder / "m").exists()


def test_weights_that_are_not_there_are_said(folder: Path):
    code, _, errors = ran(
        "manifest", folder / "none", "--out", folder / "m", "--model", "a", "--governor-key", folder / "0.key"
    )
    assert code == 3 and "No such file" in errors
