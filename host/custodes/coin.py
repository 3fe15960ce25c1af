# SPDX-License-Identifier: Apache-2.0
"""The coin flip's messages: what prover, verifier and warden sign, and what is an offence among them.

A message is a COSE_Sign1 (RFC 9052, 4.2) whose payload is deterministic CBOR:

    [context, kind, session, epoch, speaker, body]

The session is the SHA-256 of the payload of SESSION, which has the greetings of both parties in it, and these have a nonce
each: nobody takes for new what was said in another session. In a session each speaker says each kind once per epoch.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.coin_registers import Party
from custodes.deterministic import decode, encode
from custodes.errors import CustodesError
from custodes.orders import protected, to_be_signed

CONTEXT = "custodes/coin/v1"
NONCE_BYTES = 32
MAX_MESSAGE_BYTES = 1 << 14
NO_SESSION = b""


class Speaker(enum.IntEnum):
    """Who signs; the parties have the numbers of `Party`."""

    PROVER = Party.PROVER
    VERIFIER = Party.VERIFIER
    WARDEN = 2

    @property
    def title(self) -> str:
        return self.name.lower()


class Kind(enum.Enum):
    """What is said, and what its body has: bytes of that many, bytes of any number, or numbers."""

    body: tuple[int | type, ...]

    def __new__(cls, name: str, *body: int | type) -> Kind:
        kind = object.__new__(cls)
        kind._value_ = name
        kind.body = body
        return kind

    CHALLENGE = "challenge", NONCE_BYTES
    """Warden to whom has connected: a nonce."""
    HELLO = "hello", NONCE_BYTES, NONCE_BYTES
    """Party to warden: its own nonce, and the warden's."""
    SESSION = "session", bytes, bytes
    """Warden: the greetings of prover and verifier."""
    BEGIN = "begin", 32, int, int, int
    """Warden: an epoch begins. Its X25519 key for shares; ms for each step, and for the epoch; words per direction."""
    COMMIT = "commit", 32
    """Party: its commitment."""
    LATCHED = "latched", bytes, bytes, 32, 32
    """Warden: both messages COMMIT, and the commitments as the device has them."""
    VIEW = "view", 32
    """Party: the SHA-256 of the payload of LATCHED."""
    VIEWS = "views", bytes, bytes
    """Warden: both messages VIEW."""
    REVEAL = "reveal", bytes
    """Party: its message OPEN, sealed for the warden."""
    OPEN = "open", 32, 32
    """Party: its share and its salt. In REVEAL, and again when the epoch is over."""
    DRAWN = ("drawn",)
    """Warden: the device has words."""
    ENDED = "ended", int, int
    """Warden: the epoch is over, and so many words have been used in each direction."""
    OPENED = "opened", bytes, bytes
    """Warden: both messages OPEN."""
    DONE = ("done",)
    """Warden: no other epoch follows."""
    FAULT = "fault", str, int, str, list
    """An offence, whose it is, why, and messages that show it. The epoch is void."""


class Offence(enum.Enum):
    """What voids an epoch."""

    REPLAYED = "replayed message"
    EQUIVOCATION = "equivocation"
    COPIED = "copied commitment"
    EARLY = "early reveal"
    LATE = "late message"
    NO_COMMITMENT = "no commitment"
    NO_REVEAL = "no reveal"
    SILENT = "silence"
    MISMATCH = "mismatching share"
    FORGED = "bad message"
    MISPLACED = "message out of place"
    LOST = "lost connection"
    DEVICE = "device fault"


class CoinError(CustodesError):
    """An epoch of a coin flip is void, and is not tried again.

    Args:
        offence, by: what was done, and who did it, or on whose connection.
        detail: more of it.
        evidence: messages that show it.
    """

    exit_code = 7

    def __init__(self, offence: Offence, by: Speaker, detail: str, evidence: Sequence[bytes] = ()) -> None:
        super().__init__(f"{offence.value} ({by.title}): {detail}")
        self.offence = offence
        self.by = by
        self.detail = detail
        self.evidence = list(evidence)


class Message(NamedTuple):
    """What was said; ``data`` is the whole, as it was signed."""

    kind: Kind
    session: bytes
    epoch: int
    speaker: Speaker
    body: list[Any]
    data: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the payload."""
        return hashlib.sha256(decode(self.data)[2]).digest()


class Voice:
    """Signs for a speaker."""

    def __init__(self, speaker: Speaker, key: Ed25519PrivateKey) -> None:
        self.speaker = speaker
        self._key = key

    def say(self, kind: Kind, session: bytes, epoch: int, *body: Any) -> Message:
        payload = encode([CONTEXT, kind.value, session, epoch, int(self.speaker), list(body)])
        signature = self._key.sign(to_be_signed(self.speaker, payload))
        data = encode([protected(self.speaker), {}, payload, signature])
        return Message(kind, session, epoch, self.speaker, list(body), data)


def heard(data: bytes, keys: Mapping[Speaker, bytes], by: Speaker) -> Message:
    """A message and who signed it.

    Args:
        keys: the public keys of the speakers.
        by: whom it came from, if it is none.

    Raises:
        CoinError: it is none, or not signed by who it says.
    """
    try:
        header, unprotected, payload, signature = decode(data)
        context, name, session, epoch, number, body = decode(payload)
        kind, speaker = Kind(name), Speaker(number)
        good = context == CONTEXT and header == protected(speaker) and unprotected == {} and _fits(kind, body)
        if not good or not isinstance(session, bytes) or not _number(epoch):
            raise ValueError("is not made as it must be")
    except (ValueError, TypeError) as error:
        raise CoinError(Offence.FORGED, by, f"what came is no message: {error}", [data]) from None
    try:
        Ed25519PublicKey.from_public_bytes(keys[speaker]).verify(signature, to_be_signed(speaker, payload))
    except (KeyError, InvalidSignature, TypeError):
        raise CoinError(Offence.FORGED, by, f"{name} is not signed by the {speaker.title}", [data]) from None
    return Message(kind, session, epoch, speaker, body, data)


def _number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def _fits(kind: Kind, body: Any) -> bool:
    if not isinstance(body, list) or len(body) != len(kind.body):
        return False
    for value, wanted in zip(body, kind.body, strict=True):
        if wanted is int:
            good = _number(value)
        elif isinstance(wanted, int):
            good = isinstance(value, bytes) and len(value) == wanted
        else:
            good = isinstance(value, wanted)
        if not good:
            return False
    return kind is not Kind.FAULT or all(isinstance(one, bytes) for one in body[3])


class Ledger:
    """What has been said in a session, so that nothing is said twice.

    Args:
        keys: the public keys of the speakers.
        session: what `Message.session` must be.
    """

    def __init__(self, keys: Mapping[Speaker, bytes], session: bytes) -> None:
        self.keys = keys
        self.session = session
        self._said: set[tuple[int, Kind, Speaker]] = set()
        self._known: dict[tuple[int, Kind, Speaker], bytes] = {}

    def take(self, data: bytes, speaker: Speaker, epoch: int) -> Message:
        """What this speaker says in this epoch, for the first time.

        Raises:
            CoinError: somebody else says it, or it was said before, elsewhere, or otherwise.
        """
        message = heard(data, self.keys, speaker)
        what = message.kind.value
        if message.speaker is not speaker:
            raise CoinError(Offence.REPLAYED, speaker, f"{what} is by the {message.speaker.title}", [data])
        if message.session != self.session:
            raise CoinError(Offence.REPLAYED, speaker, f"{what} is of another session", [data])
        if message.epoch < epoch:
            raise CoinError(Offence.REPLAYED, speaker, f"{what} is of epoch {message.epoch}, not {epoch}", [data])
        if message.epoch > epoch and message.kind is not Kind.BEGIN:
            raise CoinError(Offence.MISPLACED, speaker, f"{what} is of epoch {message.epoch}, not {epoch}", [data])
        self._compare(message)
        key = (message.epoch, message.kind, speaker)
        if key in self._said:
            raise CoinError(Offence.REPLAYED, speaker, f"{what} comes a second time", [data])
        self._said.add(key)
        return message

    def _compare(self, message: Message) -> None:
        """Nobody says a thing in two ways."""
        before = self._known.setdefault((message.epoch, message.kind, message.speaker), message.data)
        if before != message.data:
            detail = f"two different messages {message.kind.value}"
            raise CoinError(Offence.EQUIVOCATION, message.speaker, detail, [before, message.data])

    def quoted(self, data: bytes, kind: Kind, speaker: Speaker, epoch: int, by: Speaker) -> Message:
        """What somebody else says that a speaker has said in this epoch.

        Raises:
            CoinError: it is not that, or not what that speaker said before.
        """
        message = heard(data, self.keys, by)
        if (message.kind, message.session, message.epoch, message.speaker) != (kind, self.session, epoch, speaker):
            raise CoinError(Offence.REPLAYED, by, f"shows what is not the {speaker.title}'s {kind.value}", [data])
        self._compare(message)
        return message

    def note(self, message: Message) -> None:
        """What has been said by whoever keeps this ledger."""
        self._compare(message)


def sealing_info(session: bytes, epoch: int, speaker: Speaker) -> bytes:
    """What a sealed share is bound to: HPKE's ``info``."""
    return encode([CONTEXT, Kind.REVEAL.value, session, epoch, int(speaker)])


def fault_of(message: Message) -> CoinError:
    """What a message FAULT reports."""
    name, number, detail, evidence = message.body
    try:
        offence, by = Offence(name), Speaker(number)
    except ValueError:
        return CoinError(Offence.FORGED, message.speaker, "reports an offence that is none", [message.data])
    return CoinError(offence, by, f"{detail}; so says the {message.speaker.title}", [message.data, *evidence])
