# SPDX-License-Identifier: Apache-2.0
"""The firmware's cryptography against other implementations."""

import ctypes
import hashlib
import hmac
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.firmware.host import Device

RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465"
        "5141438e7a100b",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc0"
        "27beceea1ec40a",
    ),
)
"""7.1: tests 1 and 3; the self-test has test 2."""
LENGTHS = (0, 1, 3, 55, 56, 63, 64, 111, 112, 119, 120, 127, 128, 129, 300)


class Span(ctypes.Structure):
    """``struct span``."""

    _fields_ = [("at", ctypes.c_char_p), ("size", ctypes.c_size_t)]


def spans(*parts: bytes) -> ctypes.Array[Span]:
    return (Span * len(parts))(*(Span(part, len(part)) for part in parts))


@pytest.fixture
def library() -> ctypes.CDLL:
    return Device().library


@pytest.fixture
def rng() -> random.Random:
    return random.Random(5)


def verified(library: ctypes.CDLL, signature: bytes, key: bytes, *parts: bytes) -> bool:
    library.ed25519_verify.restype = ctypes.c_bool
    return library.ed25519_verify(signature, key, spans(*parts), ctypes.c_size_t(len(parts)))


@pytest.mark.parametrize("length", LENGTHS)
def test_hash_functions_agree_with_hashlib(library: ctypes.CDLL, rng: random.Random, length: int):
    message = rng.randbytes(length)
    short, long, context = (ctypes.create_string_buffer(size) for size in (32, 64, 256))
    library.sha256(short, message, ctypes.c_size_t(length))
    library.sha512_begin(context)
    split = length // 3
    library.sha512_update(context, message[:split], ctypes.c_size_t(split))
    library.sha512_update(context, message[split:], ctypes.c_size_t(length - split))
    library.sha512_end(context, long)
    assert short.raw == hashlib.sha256(message).digest()
    assert long.raw == hashlib.sha512(message).digest()
    assert context.raw[:200] == bytes(200)


def test_hmac_agrees_with_hashlib_however_it_is_split(library: ctypes.CDLL, rng: random.Random):
    for length in range(0, 64, 7):
        key, message, tag = rng.randbytes(length), rng.randbytes(3 * length), ctypes.create_string_buffer(32)
        library.hmac_begin(key, ctypes.c_size_t(length))
        for part in (message[:length], message[length:]):
            library.sha256_update(part, ctypes.c_size_t(len(part)))
        library.hmac_end(tag, key, ctypes.c_size_t(length))
        assert tag.raw == hmac.digest(key, message, "sha256")


def test_hkdf_agrees_with_cryptography(library: ctypes.CDLL, rng: random.Random):
    for length in (0, 13, 32, 64):
        secret, salt, info = rng.randbytes(40), rng.randbytes(length), rng.randbytes(length + 1)
        key, output = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
        library.hkdf_extract(key, salt, ctypes.c_size_t(length), spans(secret[:9], secret[9:]), ctypes.c_size_t(2))
        library.hkdf_expand(output, key, spans(info), ctypes.c_size_t(1))
        assert output.raw == HKDF(SHA256(), 32, salt, info).derive(secret)


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_ed25519_gives_what_rfc_8032_gives(library: ctypes.CDLL, seed: str, public: str, message: str, signature: str):
    key, made, text = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64), bytes.fromhex(message)
    library.ed25519_public_key(key, bytes.fromhex(seed))
    library.ed25519_sign(made, bytes.fromhex(seed), key, text, ctypes.c_size_t(len(text)))
    assert (key.raw.hex(), made.raw.hex()) == (public, signature)
    assert verified(library, made.raw, key.raw, text)


@pytest.mark.parametrize("length", LENGTHS)
def test_ed25519_agrees_with_cryptography_and_takes_no_damaged_signature(
    library: ctypes.CDLL, rng: random.Random, length: int
):
    private = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    key, message, made = private.public_key().public_bytes_raw(), rng.randbytes(length), ctypes.create_string_buffer(64)
    library.ed25519_sign(made, private.private_bytes_raw(), key, message, ctypes.c_size_t(length))
    assert made.raw == private.sign(message)
    assert verified(library, made.raw, key, message[: length // 2], message[length // 2 :])
    for _ in range(8):
        damaged = bytearray(made.raw)
        damaged[rng.randrange(64)] ^= 1 << rng.randrange(8)
        assert not verified(library, bytes(damaged), key, message)
    assert not verified(library, made.raw, key, message + b"\0")


def test_ed25519_takes_no_scalar_that_is_not_reduced(library: ctypes.CDLL):
    """RFC 8032, 5.1.7: or else each signature would have a second one."""
    order = (1 << 252) + 27742317777372353535851937790883648493
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"x")
    scalar = int.from_bytes(signature[32:], "little") + order
    assert not verified(library, signature[:32] + scalar.to_bytes(32, "little"), key, b"x")


@pytest.mark.parametrize("length", LENGTHS)
def test_gcm_opens_what_cryptography_seals_and_nothing_else(library: ctypes.CDLL, rng: random.Random, length: int):
    library.gcm_open.restype = ctypes.c_bool
    key, nonce, plain = rng.randbytes(32), rng.randbytes(12), rng.randbytes(length)
    sealed = AESGCM(key).encrypt(nonce, plain, None)
    output = ctypes.create_string_buffer(length + 1)
    assert library.gcm_open(output, key, nonce, sealed, ctypes.c_size_t(len(sealed)))
    assert output.raw[:length] == plain
    for at in (0, len(sealed) - 1):
        damaged = bytearray(sealed)
        damaged[at] ^= 0x80
        output = ctypes.create_string_buffer(b"\xff" * length, length + 1)
        assert not library.gcm_open(output, key, nonce, bytes(damaged), ctypes.c_size_t(len(sealed)))
        assert output.raw[:length] == bytes(length)


def test_gcm_takes_nothing_that_is_shorter_than_a_tag(library: ctypes.CDLL):
    library.gcm_open.restype = ctypes.c_bool
    assert not library.gcm_open(ctypes.create_string_buffer(1), bytes(32), bytes(12), bytes(15), ctypes.c_size_t(15))


def test_hpke_opens_what_cryptography_seals_and_nothing_else(library: ctypes.CDLL, rng: random.Random):
    library.hpke_open.restype = ctypes.c_bool
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    for length in (1, 32, 48):
        private = X25519PrivateKey.from_private_bytes(rng.randbytes(32))
        plain, info = rng.randbytes(length), rng.randbytes(70)
        whole = suite.encrypt(plain, private.public_key(), info=info)

        def opened(
            encapsulated: bytes, sealed: bytes, info: bytes, private: X25519PrivateKey = private, length: int = length
        ) -> bytes | None:
            output = ctypes.create_string_buffer(length)
            keys = private.private_bytes_raw(), private.public_key().public_bytes_raw()
            parts, sizes = spans(info[:9], info[9:]), (ctypes.c_size_t(2), ctypes.c_size_t(len(sealed)))
            good = library.hpke_open(output, *keys, encapsulated, parts, sizes[0], sealed, sizes[1])
            assert good or output.raw == bytes(length)
            return output.raw if good else None

        assert opened(whole[:32], whole[32:], info) == plain
        assert opened(whole[:32], whole[32:], info + b"\0") is None
        assert opened(whole[:32], whole[32:-1] + bytes([whole[-1] ^ 1]), info) is None
        assert opened(bytes([whole[0] ^ 1]) + whole[1:32], whole[32:], info) is None
        assert opened(bytes(32), whole[32:], info) is None
