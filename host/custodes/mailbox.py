# SPDX-License-Identifier: Apache-2.0
"""What host and firmware say to each other through the mailbox.

A request is a CBOR array of a `Request` and its arguments, a reply one of a `Status` and, where that is `Status.OK`,
the results; both in the deterministic encoding of RFC 8949, 4.2.1, and at most `MAILBOX_BYTES` long. Whatever else
comes is `Status.MALFORMED`, and has no effect.
"""

from __future__ import annotations

import enum

MAX_PIECE_BYTES = 512
"""Of an item, in one request."""
MAX_ITEM_BYTES = 3072
MAX_GOVERNORS = 8
CHALLENGE_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64
DIGEST_BYTES = 32
ENCAPSULATED_BYTES = 32
SEALED_KEY_BYTES = 48
"""A session key of 32 bytes, the second half zero where the suite has 128 bits, and its tag."""
LOG_ENTRIES = 64

IDENTITY_CONTEXT = "custodes/identity/v1"
ACTIVATE = "custodes/activate/v1"
KEY = "custodes/key/v1"
ZEROISE = "custodes/zeroise/v1"
BRICK = "custodes/brick/v1"


class Request(enum.IntEnum):
    """What the host asks for. Arguments -> results."""

    INFO = 1
    """-> version of the firmware (text), `Lifecycle`, whether it is in the error state (bool), `SelfTest` bits that
    passed, that failed."""
    IDENTIFY = 2
    """Challenge (32 bytes) -> identity key (Ed25519, 32 bytes), agreement key of this boot (X25519, 32 bytes), signature
    (64 bytes) by the identity key of the CBOR array [`IDENTITY_CONTEXT`, challenge, identity key, agreement key,
    `Lifecycle`, map digest, build id, ROM digest, provisioning digest]. The last is 32 zero bytes while an item is not
    kept. The agreement key is made at the first such request of a boot, and orders are taken only after it."""
    STORE = 3
    """`Item`, offset, bytes (at most `MAX_PIECE_BYTES`) -> nothing. While blank. Offset 0 begins the item anew, any other
    must be where the piece before has ended."""
    COMMIT = 4
    """`Item`, length, SHA-256 -> nothing. While blank: the item is complete, well formed, and is kept."""
    DIGEST = 5
    """`Item` -> length, SHA-256 of what is kept, read back from the flash."""
    LOCK = 6
    """Provisioning digest -> nothing. From blank to provisioned, where all items are kept and the digest is right: the
    SHA-256 of the CBOR array of the items' SHA-256, in the order of `Item`. Every session key is zeroised."""
    ORDER = 7
    """Payload (bytes), array of signatures -> nothing. Carries out an order of the governors, at least as many of which
    as their threshold must have signed: each signature is a COSE_Sign1 (RFC 9052, 4.2) with detached payload,
    protected header {1: -8, 4: kid}, kid one byte, the number of the governor, none twice, and nothing unprotected.
    A wrong signature is one too many.

    The payload is a CBOR array [kind (text), identity key of the device, its agreement key, serial, ...]. Serials rise
    within a boot, from 1. By kind: `ACTIVATE`: provisioning digest. `KEY`: side, channel, AN, suite, PN, SSCI, salt
    (12 bytes, or none where the suite has none), lifetime in ticks, whether it is selected (bool; to receive that means
    nothing), encapsulated key, sealed key: HPKE (RFC 9180) base mode with X25519, HKDF-SHA256 and AES-256-GCM, without
    additional data, and as info the CBOR array of all that stands before the encapsulated key. `ZEROISE`: side, channel,
    AN. `BRICK`: nothing more."""
    SELFTEST = 8
    """`SelfTest` bits to run, `SelfTest` bits to spoil (while blank only) -> bits that passed, that failed."""
    LOG = 9
    """Number of the first entry -> number after the last, array of [number, milliseconds since reset, `Event`, detail]."""
    ERASE = 10
    """-> nothing. While blank: no item is kept any more."""
    ANNOUNCE = 11
    """SHA-256 -> nothing. While operational, of a gateway: the next weights of its server must be these, as long as the
    whitelist says."""


class Status(enum.IntEnum):
    """How a request went."""

    OK = 0
    MALFORMED = 1
    """Not deterministic CBOR of the form that the request has."""
    UNKNOWN = 2
    """No such request, item, test or kind of order, or none for this device."""
    FORBIDDEN = 3
    """Not in this lifecycle state."""
    UNSIGNED = 4
    """Too few good signatures."""
    REPLAYED = 5
    """Not for this device and boot, or the serial does not rise."""
    ABSENT = 6
    """The item is not kept, the channel not provisioned, or the weights are not on the whitelist."""
    MISMATCH = 7
    """A digest is not that of what is there, or a piece not the next."""
    REFUSED = 8
    """The datapath refuses."""
    ERROR_STATE = 9
    """A self-test has failed: until a reset only `Request.INFO`, `Request.SELFTEST` without anything to run and
    `Request.LOG` are answered."""
    NO_RANDOM = 10
    """The TRNG gives nothing."""
    STORE_FAILED = 11
    """The flash does not answer, or does not keep what is written."""
    UNSEALED = 12
    """The wrapped key does not open."""


class Item(enum.IntEnum):
    """What is provisioned; all of it before `Request.LOCK`. Deterministic CBOR."""

    IDENTITY = 1
    """[name (text), serial number (text)]"""
    GOVERNORS = 2
    """[threshold, [Ed25519 key, ...]]"""
    WHITELIST = 3
    """[[model (text), bytes, SHA-256], ...]"""
    POLICY = 4
    """[SHA-256 of the policy, [[register address, value], ...]]: written into the datapath once operational."""
    SESSIONS = 5
    """[[side, channel, address, SCI, window], ...]: the channels. ``address`` as in
    `custodes.processor_registers.ADDRESS`: the peer's MAC address (6 bytes) of a transmit channel, its SCI (8 bytes)
    of a receive channel."""


class SelfTest(enum.IntEnum):
    """Known-answer tests: the number is the bit's. Each runs before what it tests is used first."""

    ROM = 0
    """SHA-256 of the firmware, against the gateware's."""
    SHA256 = 1
    SHA512 = 2
    HKDF = 3
    AES_GCM = 4
    X25519 = 5
    ED25519_SIGN = 6
    ED25519_VERIFY = 7
    HPKE = 8
    RANDOM = 9
    """The DRBG gives words, and not the same twice."""
    FLASH = 10
    """It answers with its identity."""


class Event(enum.IntEnum):
    """What the log tells. ``detail`` is a number."""

    BOOT = 1
    """The lifecycle state."""
    TEST_FAILED = 2
    """The `SelfTest`."""
    STORED = 3
    """The `Item`."""
    LOCKED = 4
    ACTIVATED = 5
    KEY_INSTALLED = 6
    """64 * side + 4 * channel + AN."""
    ZEROISED = 7
    """As `KEY_INSTALLED`."""
    BRICKED = 8
    REJECTED = 9
    """256 * `Request` + `Status`."""
    NOISE_ALARM = 10
    ERASED = 11
    ANNOUNCED = 12
    """The first word of the weights' SHA-256, as UPLOAD_DIGEST has it."""
