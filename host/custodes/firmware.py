# SPDX-License-Identifier: Apache-2.0
"""What the firmware of a device can be asked, with typed arguments and results."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from custodes.deterministic import encode
from custodes.errors import DeviceError
from custodes.lifecycle import Lifecycle
from custodes.mailbox import (
    CHALLENGE_BYTES,
    DIGEST_BYTES,
    IDENTITY_CONTEXT,
    KEY_BYTES,
    MAX_PIECE_BYTES,
    SIGNATURE_BYTES,
    Event,
    Item,
    Request,
    SelfTest,
    Status,
)
from custodes.nic import FirmwareError, Nic

UNPROVISIONED = bytes(DIGEST_BYTES)
"""The provisioning digest while not every item is kept."""


class Info(NamedTuple):
    """What the firmware says of itself."""

    version: str
    lifecycle: Lifecycle
    error: bool
    """A self-test has failed."""
    passed: frozenset[SelfTest]
    failed: frozenset[SelfTest]


class Kept(NamedTuple):
    """An item as the flash has it."""

    length: int
    sha256: bytes


@dataclass(frozen=True)
class Identity:
    """Who a device is: what its signature has proved."""

    identity_key: bytes
    agreement_key: bytes
    """Of this boot: session keys are wrapped for it."""
    lifecycle: Lifecycle
    provisioning_digest: bytes


class Entry(NamedTuple):
    """A line of the log. ``event``: None where this host does not know it."""

    number: int
    milliseconds: int
    event: Event | None
    detail: int


class Firmware:
    """The firmware of a device; every method raises `DeviceError` where it refuses, or answers what it should not."""

    def __init__(self, nic: Nic) -> None:
        self.nic = nic

    def _ask(self, request: Request, shape: Sequence[type], *arguments: Any) -> list[Any]:
        """Results that have these types."""
        results = self.nic.request(request, *arguments)
        if list(map(type, results)) != list(shape):
            raise _nonsense(request)
        return results

    def info(self) -> Info:
        """What it is, and which self-tests have run."""
        version, state, error, passed, failed = self._ask(Request.INFO, (str, int, bool, int, int))
        return Info(version, _lifecycle(Request.INFO, state), error, tests(passed), tests(failed))

    def identify(self, challenge: bytes | None = None) -> Identity:
        """Make the device prove who it is, by default with a random challenge.

        Raises:
            DeviceError: also where its signature is wrong.
        """
        challenge = secrets.token_bytes(CHALLENGE_BYTES) if challenge is None else challenge
        results = self._ask(Request.IDENTIFY, (bytes, bytes, bytes), challenge)
        key, agreement, signature = results
        if [len(key), len(agreement), len(signature)] != [KEY_BYTES, KEY_BYTES, SIGNATURE_BYTES]:
            raise _nonsense(Request.IDENTIFY)
        nic, digest, state = self.nic, self.provisioning_digest(), self.nic.lifecycle
        signed = [IDENTITY_CONTEXT, challenge, key, agreement, state]
        signed += [nic.registers.map.digest, nic.build_id, nic.rom_digest, digest]
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, encode(signed))
        except (InvalidSignature, ValueError):
            raise DeviceError("the device does not prove who it is: its signature is wrong") from None
        return Identity(key, agreement, state, digest)

    def kept(self, item: Item) -> Kept | None:
        """An item as the flash has it; None where it has none that is whole."""
        try:
            length, sha256 = self._ask(Request.DIGEST, (int, bytes), item)
        except FirmwareError as error:
            if error.status in (Status.ABSENT, Status.MISMATCH):
                return None
            raise
        return Kept(length, sha256)

    def provisioning_digest(self) -> bytes:
        """Of all items that are kept; `UNPROVISIONED` where one is not."""
        kept = [self.kept(item) for item in Item]
        digests = [one.sha256 for one in kept if one]
        return provisioning_digest(digests) if len(digests) == len(Item) else UNPROVISIONED

    def store(self, item: Item, data: bytes, progress: Callable[[int], None] = lambda done: None) -> None:
        """Keep an item, and read its digest back.

        Args:
            progress: called with how many bytes have been sent.
        """
        for at in range(0, len(data), MAX_PIECE_BYTES):
            piece = data[at : at + MAX_PIECE_BYTES]
            self._ask(Request.STORE, (), item, at, piece)
            progress(at + len(piece))
        wanted = Kept(len(data), hashlib.sha256(data).digest())
        self._ask(Request.COMMIT, (), item, wanted.length, wanted.sha256)
        if self.kept(item) != wanted:
            raise DeviceError(f"the device does not keep what was written: {item.name.lower()} reads back differently")

    def lock(self, digest: bytes) -> None:
        """From blank to provisioned, for good."""
        self._ask(Request.LOCK, (), digest)

    def order(self, payload: bytes, signatures: Sequence[Any]) -> None:
        """Carry out an order of the governors, as `custodes.orders` makes it."""
        self._ask(Request.ORDER, (), payload, list(signatures))

    def selftest(
        self, run: Collection[SelfTest], spoil: Collection[SelfTest] = ()
    ) -> tuple[frozenset[SelfTest], frozenset[SelfTest]]:
        """Run tests; those that passed since the reset, and those that failed. ``spoil``: these are to fail."""
        passed, failed = self._ask(Request.SELFTEST, (int, int), bits(run), bits(spoil))
        return tests(passed), tests(failed)

    def log(self, first: int = 0) -> list[Entry]:
        """The log from an entry on."""
        entries: list[Entry] = []
        while True:
            after, lines = self._ask(Request.LOG, (int, list), first)
            entries += [_entry(line) for line in lines]
            if not lines or after <= first:
                return entries
            first = after

    def announce(self, digest: bytes) -> None:
        """Let an operational gateway expect the weights with this SHA-256, which are on its whitelist."""
        self._ask(Request.ANNOUNCE, (), digest)

    def erase(self) -> None:
        """Forget every item, while blank."""
        self._ask(Request.ERASE, ())


def provisioning_digest(digests: Sequence[bytes]) -> bytes:
    """What `Request.LOCK` and `ACTIVATE` name: the SHA-256 of the items' SHA-256, in the order of `Item`."""
    return hashlib.sha256(encode(list(digests))).digest()


def bits(tests: Collection[SelfTest]) -> int:
    """Tests as `Request.SELFTEST` has them."""
    return sum(1 << test for test in set(tests))


def tests(bits: int) -> frozenset[SelfTest]:
    """The tests whose bits are set."""
    return frozenset(test for test in SelfTest if bits >> test & 1)


def _lifecycle(request: Request, value: int) -> Lifecycle:
    try:
        return Lifecycle(value)
    except ValueError:
        raise _nonsense(request) from None


def _entry(line: Any) -> Entry:
    if not isinstance(line, list) or list(map(type, line)) != [int] * 4:
        raise _nonsense(Request.LOG)
    number, milliseconds, event, detail = line
    return Entry(number, milliseconds, Event(event) if event in list(Event) else None, detail)


def _nonsense(request: Request) -> DeviceError:
    return DeviceError(f"the device's firmware answers to {request.name.lower()} what no such request has for results")
