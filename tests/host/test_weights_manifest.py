# SPDX-License-Identifier: Apache-2.0
"""Manifests of weights: who must have signed one, and which file they fit."""

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.cose import sign1
from custodes.deterministic import encode
from custodes.errors import CaptureError, KeysError
from custodes.weights_manifest import MANIFEST as KIND
from custodes.weights_manifest import Manifest, digest_of, load_manifest, signed_manifest

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(4)]
GOVERNORS = [key.public_key().public_bytes_raw() for key in KEYS[:3]]
WEIGHTS = bytes(range(256)) * 5
MANIFEST = Manifest("small", 8 * len(WEIGHTS), hashlib.sha256(WEIGHTS).digest())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(WEIGHTS)
    return path


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "manifest"
    path.write_bytes(data)
    return path


def test_a_manifest_that_enough_governors_have_signed_is_taken(tmp_path: Path):
    path = written(tmp_path, signed_manifest(MANIFEST, KEYS[:2]))
    assert load_manifest(path, GOVERNORS, 2) == MANIFEST


@pytest.mark.parametrize("signers", [[], [0], [0, 0]])
def test_too_few_governors_are_refused(tmp_path: Path, signers: list[int]):
    path = written(tmp_path, signed_manifest(MANIFEST, [KEYS[number] for number in signers]))
    with pytest.raises(KeysError, match="of 2 governors"):
        load_manifest(path, GOVERNORS, 2)


@pytest.mark.parametrize("signers", [[3], [0, 1, 3]])
def test_a_signature_of_somebody_else_is_refused(tmp_path: Path, signers: list[int]):
    path = written(tmp_path, signed_manifest(MANIFEST, [KEYS[number] for number in signers]))
    with pytest.raises(KeysError, match="somebody else"):
        load_manifest(path, GOVERNORS, 1)


def test_signatures_of_different_manifests_are_refused(tmp_path: Path):
    other = Manifest("small", 8, MANIFEST.sha256)
    mixed = [sign1(manifest.encoded(), key) for manifest, key in zip((MANIFEST, other), KEYS, strict=False)]
    with pytest.raises(KeysError, match="different manifests"):
        load_manifest(written(tmp_path, encode(mixed)), GOVERNORS, 2)


@pytest.mark.parametrize("data", [b"", b"\0", b"\x80", b"nonsense", encode([7]), encode({}), bytes(1 << 17)])
def test_nonsense_is_refused_in_one_line(tmp_path: Path, data: bytes):
    path = written(tmp_path, data)
    with pytest.raises(KeysError) as refused:
        load_manifest(path, GOVERNORS, 1)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        [KIND, "small", 12, bytes(32)],
        [KIND, "custodes/other", "small", 8, bytes(32)],
        [KIND, "small", 0, bytes(32)],
        [KIND, "small", -8, bytes(32)],
        [KIND, "small", 8.0, bytes(32)],
        [KIND, "small", True, bytes(32)],
        [KIND, "small", 1 << 60, bytes(32)],
        [KIND, "small", 8, bytes(31)],
        [KIND, "", 8, bytes(32)],
        [KIND, "a\nb", 8, bytes(32)],
        [KIND, "a" * 129, 8, bytes(32)],
        [KIND, "small", 8],
    ],
)
def test_a_signed_manifest_must_make_sense(tmp_path: Path, content: list[object]):
    path = written(tmp_path, encode([sign1(encode(content), KEYS[0])]))
    with pytest.raises(KeysError, match="does not say"):
        load_manifest(path, GOVERNORS, 1)


def test_a_missing_manifest_is_said(tmp_path: Path):
    with pytest.raises(KeysError, match="No such file"):
        load_manifest(tmp_path / "none", GOVERNORS, 1)


def test_the_weights_of_a_manifest_pass(weights: Path):
    told: list[int] = []
    MANIFEST.check(weights, told.append)
    assert told == [len(WEIGHTS)]
    assert digest_of(weights) == (len(WEIGHTS), MANIFEST.sha256)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b"\1" + data[1:]])
def test_other_weights_are_refused(weights: Path, change):
    weights.write_bytes(change(WEIGHTS))
    with pytest.raises(KeysError, match="and the manifest says"):
        MANIFEST.check(weights)


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(CaptureError, match="No such file"):
        digest_of(tmp_path / "none")
