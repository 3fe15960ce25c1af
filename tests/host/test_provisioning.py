# SPDX-License-Identifier: Apache-2.0
"""Provisioning files, and the keys of governors in files: what they mean, and what is said of bad ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from custodes.errors import CustodesError, KeysError, PolicyError
from custodes.governors import private_key, public_key, signers
from custodes.mailbox import Item
from custodes.provisioning import load_provisioning
from tests.host.fake_nic import GOVERNORS, PROVISIONING_TOML, encoded, write_files
from tests.host.fake_processor import OWN, PEER, SCI_OWN, SCI_PEER

PUBLIC = [key.public_key().public_bytes_raw() for key in GOVERNORS]


def test_items_are_what_the_file_says(tmp_path: Path) -> None:
    found = load_provisioning(write_files(tmp_path))
    weights, other = hashlib.sha256(bytes(5000)).digest(), hashlib.sha256(b"other").digest()
    wanted = {
        Item.IDENTITY: ["nic-7", "2026-0001"],
        Item.GOVERNORS: [2, PUBLIC],
        Item.WHITELIST: [["llama", 5000, weights], ["other", 1234, other]],
        Item.POLICY: [hashlib.sha256(b"ttl = 64\n").digest(), []],
        Item.SESSIONS: [[0, 0, PEER, SCI_OWN, 0], [1, 0, SCI_PEER, SCI_PEER, 4]],
    }
    assert {item: cbor2.loads(data) for item, data in found.items.items()} == wanted
    assert all(encoded(wanted[item]) == data for item, data in found.items.items())
    digests = [hashlib.sha256(encoded(wanted[item])).digest() for item in sorted(Item)]
    assert found.digest == hashlib.sha256(encoded(digests)).digest()


def test_every_table_but_three_may_be_left_out(tmp_path: Path) -> None:
    text = PROVISIONING_TOML[: PROVISIONING_TOML.index("[[whitelist]]")]
    found = load_provisioning(write_files(tmp_path, text))
    assert found.items[Item.WHITELIST] == found.items[Item.SESSIONS] == b"\x80"


BAD = [
    ("name = ", "nam = ", "device.name: is missing"),
    ('"nic-7"', '""', "device.name: should have 1 to 64 bytes"),
    ('"nic-7"', f'"{"é" * 33}"', "device.name: should have 1 to 64 bytes"),
    ('"nic-7"', '"a\\u0007"', "device.name: should have printable characters only"),
    ('"nic-7"', "7", "device.name: "),
    ("[device]", '[device]\nidentity_key = "12"', "device.identity_key: is not 64 hexadecimal digits"),
    ("[device]", "[device]\ncolour = 1", "device.colour: no such key"),
    ("threshold = 2", "threshold = 0", "governors.threshold: "),
    ("threshold = 2", "threshold = 4", "4 of 3 governors can never sign"),
    ("threshold = 2", "threshold = true", "governors.threshold: should be a whole number"),
    ('"governor1.pub"', '"governor0.pub"', "governors.keys: .* is listed twice"),
    ('"governor1.pub"', '"governor9.pub"', "governor9.pub: No such file"),
    ('"governor1.pub"', '"policy.toml"', "neither a public key in PEM nor 64 hexadecimal digits"),
    ('"governor1.pub"', '"a\\u0000b"', "is no name of a file"),
    ('file = "policy.toml"', 'file = "none.toml"', "none.toml: No such file"),
    ('file = "policy.toml"', 'file = "policy.toml"\nregisters = { KEY = 1 }', "KEY is not for a policy to set"),
    ('file = "policy.toml"', 'file = "policy.toml"\nregisters = { STATUS = 1 }', "STATUS is not for a policy to set"),
    ('file = "policy.toml"', 'file = "policy.toml"\nregisters = { SCRATCH = 1 }', "SCRATCH is not for a policy to set"),
    ('file = "policy.toml"', 'file = "policy.toml"\nregisters = { NONE = 1 }', "no register NONE"),
    ('file = "weights.bin"', "bytes = 3", "should have either a file, or bytes and sha256"),
    ('file = "weights.bin"', 'file = "."', "Is a directory"),
    ('model = "other"', 'model = "llama"', "whitelist: llama is listed twice"),
    ("bytes = 1234", "bytes = -1", "whitelist.1.bytes: "),
    (f'peer = "{PEER.hex(":")}"', 'peer = "x"', "transmit.0.peer: is not a MAC address"),
    ("window = 4", "window = 99999999", "receive.0.window: "),
    ("[[receive]]", f'[[receive]]\nsci = "{SCI_PEER.hex()}"\n[[receive]]', "receive: SCI .* is listed twice"),
    (
        "[[receive]]",
        f'[[transmit]]\npeer = "{PEER.hex(":")}"\nsci = "{OWN.hex(":")}/2"\n[[receive]]',
        "is listed twice",
    ),
    ("[device]", "[device", "not TOML"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_file_is_one_clear_line_and_exit_4(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PROVISIONING_TOML
    with pytest.raises(CustodesError, match=message) as caught:
        load_provisioning(write_files(tmp_path, PROVISIONING_TOML.replace(old, new, 1)))
    assert caught.value.exit_code == 4 and "\n" not in str(caught.value)


def test_an_empty_model_is_none(tmp_path: Path) -> None:
    path = write_files(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(PolicyError, match=r"weights.bin: is empty"):
        load_provisioning(path)


def test_an_item_that_the_device_cannot_hold_is_said(tmp_path: Path) -> None:
    models = "".join(
        f'\n[[whitelist]]\nmodel = "{number:064}"\nbytes = 1\nsha256 = "{bytes(32).hex()}"' for number in range(31)
    )
    with pytest.raises(PolicyError, match=r"whitelist: \d+ bytes; the device takes 3072"):
        load_provisioning(write_files(tmp_path, PROVISIONING_TOML + models))


@pytest.mark.parametrize("data", [None, b"\xff\xfe", b" " * ((1 << 20) + 1)])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "nic.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(PolicyError, match=r"nic\.toml: "):
        load_provisioning(path)


def test_keys_are_taken_as_pem_and_as_hexadecimal_digits(tmp_path: Path) -> None:
    write_files(tmp_path)
    key = GOVERNORS[0]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pub.pem").write_bytes(public)
    for name in ("key.pem", "governor0.key"):
        assert private_key(tmp_path / name).private_bytes_raw() == key.private_bytes_raw()
    for name in ("pub.pem", "governor0.pub"):
        assert public_key(tmp_path / name) == PUBLIC[0]


def test_a_bad_key_is_said_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    secret = GOVERNORS[0].private_bytes_raw().hex()
    elliptic = generate_private_key(SECP256R1())
    bad = {
        "is encrypted": GOVERNORS[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "not an Ed25519 key": elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "neither a private key in PEM nor 64": secret[:-1].encode(),
        "larger than": b"0" * (1 << 15),
    }
    for message, data in bad.items():
        path.write_bytes(data)
        with pytest.raises(KeysError, match=message) as caught:
            private_key(path)
        assert secret[:16] not in str(caught.value)
    path.write_bytes(elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeysError, match="not an Ed25519 key"):
        public_key(path)
    with pytest.raises(KeysError, match="No such file"):
        private_key(tmp_path / "none")


def test_signers_are_governors_by_number(tmp_path: Path) -> None:
    write_files(tmp_path)
    paths = [tmp_path / f"governor{number}.key" for number in range(3)]
    assert list(signers([paths[2], paths[0]], PUBLIC, 2)) == [2, 0]
    with pytest.raises(KeysError, match="1 of 2 governors that must sign"):
        signers(paths[:1], PUBLIC, 2)
    with pytest.raises(KeysError, match="the key of governor 1 is given twice"):
        signers([paths[1], paths[1]], PUBLIC, 2)
    with pytest.raises(KeysError, match="is the key of no governor"):
        signers(paths, PUBLIC[:2], 2)
