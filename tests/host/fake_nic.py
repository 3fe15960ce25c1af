# SPDX-License-Identifier: Apache-2.0
"""A whole processor in memory: its register map, and a firmware that does what `custodes.mailbox` says; files for it.

Written from the vocabulary alone, with none of the host's code for orders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from custodes import macsec, mailbox
from custodes.control_registers import CONTROL_BASE, CONTROL_IDENTITY_VALUE, ZEROISE_VALUE, Mailbox, Noise
from custodes.errors import RefusedError
from custodes.lifecycle import Alarm, Lifecycle
from custodes.link import Ingress, Link, Outcome
from custodes.mailbox import Event, Item, Request, SelfTest, Status
from custodes.maps import NIC
from custodes.processor_registers import Command, channel_writes, command, load_writes
from custodes.register_map import Access, Guard
from tests.host.fake_processor import OWN, PEER, SCI_PEER, FakeProcessor

BUILD_ID = hashlib.sha256(b"design").digest()
ROM_DIGEST = hashlib.sha256(b"firmware").digest()
VERSION = "1.0"
GOVERNORS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3)]
PROVISIONING_TOML = f"""
[device]
name = "nic-7"
serial = "2026-0001"

[governors]
threshold = 2
keys = ["governor0.pub", "governor1.pub", "governor2.pub"]

[policy]
file = "policy.toml"

[[whitelist]]
model = "llama"
file = "weights.bin"

[[whitelist]]
model = "other"
bytes = 1234
sha256 = "{hashlib.sha256(b"other").hexdigest()}"

[[transmit]]
peer = "{PEER.hex(":")}"
sci = "{OWN.hex(":")}/1"

[[receive]]
sci = "{SCI_PEER.hex()}"
window = 4
"""
LOG_LINES = 3
"""Of the log, in a reply."""
CIPHER = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def write_files(folder: Path, text: str = PROVISIONING_TOML) -> Path:
    """The provisioning file and all that it names; the governors' private keys are in ``governorN.key``."""
    for number, key in enumerate(GOVERNORS):
        (folder / f"governor{number}.key").write_text(key.private_bytes_raw().hex() + "\n")
        (folder / f"governor{number}.pub").write_text(key.public_key().public_bytes_raw().hex())
    (folder / "policy.toml").write_text("ttl = 64\n")
    (folder / "weights.bin").write_bytes(bytes(5000))
    (folder / "nic.toml").write_text(text)
    return folder / "nic.toml"


def encoded(value: Any) -> bytes:
    return cbor2.dumps(value, canonical=True)


@dataclass
class Flash:
    """What stays when power goes."""

    items: dict[Item, bytes] = field(default_factory=dict)
    lifecycle: Lifecycle = Lifecycle.BLANK


class Refusal(Exception):
    """A status that is not OK."""


class FakeNic(Link):
    """A device, from reset.

    Args:
        flash: what the device was told before.
        registers: by name, answered before anything else.
        busy_reads: how often the mailbox is seen busy before the reply is there.
        before: called with every request that the firmware takes, before it is carried out.
        spoil: makes the reply that is given of the honest one.
        failing: self-tests that fail.
        secret: of the device.
    """

    def __init__(
        self,
        flash: Flash | None = None,
        registers: dict[str, int] | None = None,
        busy_reads: int = 2,
        before: Callable[[Request], None] = lambda request: None,
        spoil: Callable[[bytes], bytes] = lambda reply: reply,
        failing: Sequence[SelfTest] = (),
        secret: bytes = b"device",
    ) -> None:
        self.lanes = 1
        self.closed = False
        self.flash = flash or Flash()
        self.processor = FakeProcessor()
        self.lifecycle = self.flash.lifecycle
        self.requests: list[Request] = []
        self.waited = 0.0
        self.before, self.spoil = before, spoil
        self.busy_reads = busy_reads
        self._registers = registers or {}
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret).digest())
        self._agreement = X25519PrivateKey.generate()
        self._alarms = 0
        self._scratch: dict[int, int] = {}
        self._message = bytearray(1024)
        self._answer = b""
        self._mailbox, self._busy = Mailbox.IDLE, 0
        self._pieces: dict[Item, bytes] = {}
        self._serial = -1
        self._failing = set(failing)
        self._passed: set[SelfTest] = set()
        self._failed: set[SelfTest] = set()
        self._entries: list[list[int]] = []
        self.enter(Event.BOOT, self.lifecycle)
        if self.lifecycle is Lifecycle.OPERATIONAL:
            self._set_channels()

    # Registers

    def read(self, address: int) -> int:
        name, index = self._place(address, Access.WRITE)
        if name in self._registers:
            return self._registers[name]
        if address < CONTROL_BASE:
            return self.processor.read(address)
        return self._control(name, index)

    def write(self, address: int, value: int) -> None:
        name, index = self._place(address, Access.READ)
        if name == "ZEROISE":
            if value == ZEROISE_VALUE:
                self.alarm(Alarm.COMMAND)
        elif name == "REQUEST" and self._mailbox is not Mailbox.BUSY:
            self._message[4 * index : 4 * index + 4] = value.to_bytes(4, "little")
        elif name == "MAILBOX_SEND" and self._mailbox is not Mailbox.BUSY:
            self._mailbox, self._busy = Mailbox.BUSY, self.busy_reads
            self._answer = self.spoil(self._reply(bytes(self._message[:value])))
        elif address < CONTROL_BASE:
            self.processor.write(address, value)
        else:
            self._scratch[address] = value

    def _place(self, address: int, never: Access) -> tuple[str, int]:
        """The register at an address, where it may be reached; ``never``: what it may not be for."""
        place = NIC.at(address)
        if place is None or place[0].access is never:
            raise RefusedError(f"the device refuses register {address:#x}")
        register, index = place
        if register.guard is Guard.FIRMWARE or (
            register.guard is Guard.BLANK and self.lifecycle is not Lifecycle.BLANK
        ):
            raise RefusedError(f"the device refuses {register.name}")
        return register.name, index

    def _control(self, name: str, index: int) -> int:
        digests = {"MAP_DIGEST": NIC.digest, "BUILD_ID": BUILD_ID, "ROM_DIGEST": ROM_DIGEST}
        if name in digests:
            return int.from_bytes(digests[name][4 * index : 4 * index + 4], "little")
        if name == "REPLY":
            return int.from_bytes(self._answer[4 * index : 4 * index + 4], "little")
        if name == "MAILBOX_STATUS":
            if self._mailbox is Mailbox.BUSY:
                self._busy -= 1
                self._mailbox = Mailbox.DONE if self._busy < 0 else Mailbox.BUSY
            return self._mailbox | len(self._answer) << 16
        values = {
            "CONTROL_IDENTITY": CONTROL_IDENTITY_VALUE,
            "CLOCK_HZ": 62_500_000,
            "LIFECYCLE": self.lifecycle,
            "ALARMS": self._alarms,
            "NOISE_STATUS": Noise.READY,
            "NOISE_FAILURES": 3 << 16 | 1,
        }
        return values[name] if name in values else self._scratch.get(NIC.address(name, index), 0)

    def wait(self, seconds: float) -> None:
        self.waited += seconds

    def exchange(self, frames: Sequence[Ingress[Any]]) -> list[Outcome[Any]]:
        return self.processor.exchange(frames)

    def close(self) -> None:
        self.closed = True

    def alarm(self, alarm: Alarm) -> None:
        """Something goes wrong: everything is zeroised."""
        self._alarms |= 1 << alarm
        self.lifecycle = Lifecycle.TAMPERED

    # Firmware

    def _reply(self, message: bytes) -> bytes:
        try:
            request, *arguments = cbor2.loads(message)
            if encoded([request, *arguments]) != message:
                raise Refusal(Status.MALFORMED)
            self.requests.append(Request(request))
            self.before(Request(request))
            return encoded([Status.OK, *(self._carry_out(Request(request), arguments) or [])])
        except Refusal as refusal:
            self.enter(Event.REJECTED, 256 * self.requests[-1] + refusal.args[0])
            return encoded([refusal.args[0]])
        except (ValueError, TypeError):
            return encoded([Status.MALFORMED])

    def enter(self, event: Event, detail: int = 0) -> None:
        """A line of the log."""
        self._entries.append([len(self._entries), 10 * len(self._entries), int(event), int(detail)])

    def _carry_out(self, request: Request, arguments: list[Any]) -> list[Any] | None:
        error = bool(self._failed)
        harmless = request in (Request.INFO, Request.LOG) or (request is Request.SELFTEST and not arguments[0])
        if error and not harmless:
            raise Refusal(Status.ERROR_STATE)
        blank = self.lifecycle is Lifecycle.BLANK
        if request in (Request.STORE, Request.COMMIT, Request.LOCK, Request.ERASE) and not blank:
            raise Refusal(Status.FORBIDDEN)
        return getattr(self, f"_{request.name.lower()}")(*arguments)

    def _info(self) -> list[Any]:
        return [VERSION, int(self.lifecycle), bool(self._failed), _bits(self._passed), _bits(self._failed)]

    def _identify(self, challenge: bytes) -> list[Any]:
        self._selftest(1 << SelfTest.X25519 | 1 << SelfTest.ED25519_SIGN, 0)
        key = self._key.public_key().public_bytes_raw()
        agreement = self._agreement.public_key().public_bytes_raw()
        signed = [mailbox.IDENTITY_CONTEXT, challenge, key, agreement, int(self.lifecycle)]
        signed += [NIC.digest, BUILD_ID, ROM_DIGEST, self._provisioning_digest() or bytes(32)]
        return [key, agreement, self._key.sign(encoded(signed))]

    def _provisioning_digest(self) -> bytes | None:
        if len(self.flash.items) < len(Item):
            return None
        digests = [hashlib.sha256(self.flash.items[item]).digest() for item in Item]
        return hashlib.sha256(encoded(digests)).digest()

    def _store(self, item: int, offset: int, piece: bytes) -> None:
        begun = b"" if offset == 0 else self._pieces.get(Item(item), b"")
        if len(begun) != offset or not 0 < len(piece) <= mailbox.MAX_PIECE_BYTES:
            raise Refusal(Status.MALFORMED)
        self._pieces[Item(item)] = begun + piece

    def _commit(self, item: int, length: int, sha256: bytes) -> None:
        data = self._pieces.get(Item(item), b"")
        if len(data) != length or hashlib.sha256(data).digest() != sha256:
            raise Refusal(Status.MISMATCH)
        if encoded(cbor2.loads(data)) != data:
            raise Refusal(Status.MALFORMED)
        self.flash.items[Item(item)] = data
        self.enter(Event.STORED, item)

    def _digest(self, item: int) -> list[Any]:
        data = self.flash.items.get(Item(item))
        if data is None:
            raise Refusal(Status.ABSENT)
        return [len(data), hashlib.sha256(data).digest()]

    def _erase(self) -> None:
        self.flash.items.clear()
        self.enter(Event.ERASED)

    def _become(self, lifecycle: Lifecycle, event: Event) -> None:
        self.lifecycle = self.flash.lifecycle = lifecycle
        self.enter(event)

    def _lock(self, digest: bytes) -> None:
        if self._provisioning_digest() is None:
            raise Refusal(Status.ABSENT)
        if digest != self._provisioning_digest():
            raise Refusal(Status.MISMATCH)
        self.processor = FakeProcessor()
        self._become(Lifecycle.PROVISIONED, Event.LOCKED)

    def _selftest(self, run: int, spoil: int) -> list[Any]:
        if spoil and self.lifecycle is not Lifecycle.BLANK:
            raise Refusal(Status.FORBIDDEN)
        for test in SelfTest:
            if run >> test & 1:
                bad = spoil >> test & 1 or test in self._failing
                (self._failed if bad else self._passed).add(test)
                if bad:
                    self.enter(Event.TEST_FAILED, test)
        self._passed -= self._failed
        return [_bits(self._passed), _bits(self._failed)]

    def _log(self, first: int) -> list[Any]:
        lines = self._entries[first : first + LOG_LINES]
        return [first + len(lines), lines]

    def _order(self, payload: bytes, signatures: list[Any]) -> None:
        threshold, keys = cbor2.loads(self.flash.items[Item.GOVERNORS])
        good = {self._signer(payload, keys, signature) for signature in signatures} - {None}
        if len(good) < threshold or len(good) < len(signatures):
            raise Refusal(Status.UNSIGNED)
        kind, key, agreement, serial, *rest = order = cbor2.loads(payload)
        own = [self._key.public_key().public_bytes_raw(), self._agreement.public_key().public_bytes_raw()]
        if [key, agreement] != own or serial <= self._serial:
            raise Refusal(Status.REPLAYED)
        needed = Lifecycle.PROVISIONED if kind == mailbox.ACTIVATE else Lifecycle.OPERATIONAL
        if self.lifecycle is not needed:
            raise Refusal(Status.FORBIDDEN)
        self._serial = serial
        if kind == mailbox.ACTIVATE:
            if rest != [self._provisioning_digest()]:
                raise Refusal(Status.MISMATCH)
            self._become(Lifecycle.OPERATIONAL, Event.ACTIVATED)
            self._set_channels()
        elif kind == mailbox.KEY:
            self._take_key(order[:-2], *rest)
        elif kind == mailbox.ZEROISE:
            side, channel, an = rest
            self._command(command(Command.ZEROISE, 4 * channel + an, macsec.Side(side)))
            self.enter(Event.ZEROISED, 64 * side + 4 * channel + an)
        else:
            self._become(Lifecycle.BRICKED, Event.BRICKED)

    def _signer(self, payload: bytes, keys: list[bytes], signature: list[Any]) -> int | None:
        """The governor whose good signature this is."""
        protected, unprotected, detached, value = signature
        header = cbor2.loads(protected)
        if list(header) != [1, 4] or header[1] != -8 or unprotected != {} or detached is not None:
            raise Refusal(Status.MALFORMED)
        (number,) = header[4]
        try:
            Ed25519PublicKey.from_public_bytes(keys[number]).verify(
                value, encoded(["Signature1", protected, b"", payload])
            )
        except (InvalidSignature, IndexError):
            return None
        return number

    def _take_key(
        self,
        info: list[Any],
        side: int,
        channel: int,
        an: int,
        suite: int,
        pn: int,
        ssci: int,
        salt: bytes,
        lifetime: int,
        selected: bool,
        encapsulated: bytes,
        sealed: bytes,
    ) -> None:
        try:
            key = CIPHER.decrypt(encapsulated + sealed, self._agreement, info=encoded(info))
        except InvalidTag:
            raise Refusal(Status.UNSEALED) from None
        number, where = 4 * channel + an, macsec.Side(side)
        self._writes(load_writes(where, number, macsec.Suite(suite), key, pn, salt.ljust(12, b"\0"), ssci, lifetime))
        if selected:
            self._command(command(Command.SELECT, number, where))
        self.enter(Event.KEY_INSTALLED, 64 * side + number)

    def _set_channels(self) -> None:
        for side, channel, address, sci, window in cbor2.loads(self.flash.items[Item.SESSIONS]):
            self._writes(channel_writes(macsec.Side(side), channel, address, sci, window))

    def _writes(self, writes: Any) -> None:
        for address, value in writes:
            if address == NIC.address("COMMAND"):
                self._command(value)
            else:
                self.processor.write(address, value)

    def _command(self, value: int) -> None:
        self.processor.write(NIC.address("COMMAND"), value)
        while (status := self.processor.read(NIC.address("STATUS"))) & 1:
            pass
        if status & 2:
            raise Refusal(Status.REFUSED)


def _bits(tests: set[SelfTest]) -> int:
    return sum(1 << test for test in tests)
