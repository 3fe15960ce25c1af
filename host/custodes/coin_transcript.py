# SPDX-License-Identifier: Apache-2.0
"""Transcripts: what was said in an epoch, a JSON object on each line, and what it shows to whoever reads it later.

A line has ``time`` (UTC) and ``epoch``, and either a message (``message`` in hexadecimal digits, ``kind``, ``speaker``,
and ``way``: sent or received), a fault (``fault``, ``by``, ``detail``, ``evidence``) or a result (``seed``, ``used``). There
is a file per epoch and speaker, and no file is written twice: an epoch that has one is never played again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from custodes.coin import CoinError, Kind, Ledger, Message, Offence, Speaker, heard
from custodes.coin_registers import Party
from custodes.errors import CaptureError, UsageError
from custodes.model import entropy

PARTIES = tuple(Speaker(party) for party in Party)


class Opened(NamedTuple):
    """What an epoch was made of: shares and salts of prover and verifier, and the words that the warden says were used."""

    epoch: int
    commitments: tuple[bytes, bytes]
    shares: tuple[bytes, bytes]
    salts: tuple[bytes, bytes]
    seed: bytes
    limit: int
    used: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Bytes as hexadecimal digits, pairs as lists."""
        return {
            "epoch": self.epoch,
            "seed": self.seed.hex(),
            "commitments": [one.hex() for one in self.commitments],
            "shares": [one.hex() for one in self.shares],
            "salts": [one.hex() for one in self.salts],
            "limit": self.limit,
            "used": list(self.used),
        }


class Transcript:
    """Writes down an epoch as it goes; every line is on its way to the disk before anything else happens."""

    def __init__(self, path: Path, epoch: int) -> None:
        self.path = path
        self.epoch = epoch
        self._file: TextIO | None = None

    def message(self, message: Message, sent: bool) -> None:
        way = "sent" if sent else "received"
        kind, speaker = message.kind.value, message.speaker.title
        self._line({"way": way, "speaker": speaker, "kind": kind, "message": message.data.hex()})

    def fault(self, fault: CoinError) -> None:
        evidence = [one.hex() for one in fault.evidence]
        self._line({"fault": fault.offence.value, "by": fault.by.title, "detail": fault.detail, "evidence": evidence})

    def result(self, opened: Opened) -> None:
        self._line({"seed": opened.seed.hex(), "used": list(opened.used)})

    def _line(self, entry: dict[str, Any]) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            if self._file is None:
                self._file = self.path.open("x", encoding="ascii")
            self._file.write(json.dumps({"time": stamp, "epoch": self.epoch} | entry) + "\n")
            self._file.flush()
        except FileExistsError:
            raise UsageError(f"{self.path}: epoch {self.epoch} has been played; no epoch is tried again") from None
        except OSError as error:
            raise CaptureError(f"{self.path}: {error.strerror}") from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Transcripts:
    """The transcripts of a speaker in a directory."""

    def __init__(self, directory: Path, speaker: Speaker) -> None:
        self.directory = directory
        self.speaker = speaker

    def last(self) -> int:
        """The latest epoch that there is one of; 0 if there is none."""
        pattern = re.compile(rf"{self.speaker.title}-([0-9]+)\.jsonl")
        try:
            found = [pattern.fullmatch(path.name) for path in self.directory.iterdir()]
        except OSError as error:
            raise CaptureError(f"{self.directory}: {error.strerror}") from None
        return max((int(match[1]) for match in found if match), default=0)

    def begin(self, epoch: int) -> Transcript:
        return Transcript(self.directory / f"{self.speaker.title}-{epoch}.jsonl", epoch)


def messages(path: Path, keys: Mapping[Speaker, bytes]) -> list[Message]:
    """Every message of a transcript, its signature verified.

    Raises:
        CaptureError: the file is no transcript.
        CoinError: a message is not signed by who it says.
    """
    found: list[Message] = []
    try:
        for line in path.read_text("ascii").splitlines():
            entry = json.loads(line)
            if "message" in entry:
                found.append(heard(bytes.fromhex(entry["message"]), keys, Speaker[entry["speaker"].upper()]))
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CaptureError(f"{path}: is no transcript of a coin flip") from None
    return found


def opened(path: Path, keys: Mapping[Speaker, bytes]) -> Opened:
    """What a transcript shows, everything in it checked again.

    Raises:
        CaptureError: the file is no transcript of an epoch that came to its end.
        CoinError: what it shows is no fair coin flip.
    """
    said = {message.kind: message for message in messages(path, keys) if message.speaker is Speaker.WARDEN}
    wanted = (Kind.SESSION, Kind.BEGIN, Kind.LATCHED, Kind.VIEWS, Kind.ENDED, Kind.OPENED)
    missing = [kind.value for kind in wanted if kind not in said]
    if missing:
        raise CaptureError(f"{path}: the epoch did not come to its end: there is no {', '.join(missing)}")
    session, begin, latched, views, ended, opening = (said[kind] for kind in wanted)
    ledger = Ledger(keys, session.digest)
    for message in (begin, latched, views, ended, opening):
        if (message.session, message.epoch) != (ledger.session, begin.epoch):
            raise CoinError(
                Offence.REPLAYED, Speaker.WARDEN, f"{message.kind.value} is of another epoch", [message.data]
            )
    commitments = agreed_commitments(ledger, latched)
    agreed_views(ledger, views, latched)
    return shares_of(ledger, begin, commitments, ended, opening)


def agreed_commitments(ledger: Ledger, latched: Message) -> tuple[bytes, bytes]:
    """Those of both parties, if they are what the warden has latched and not the same."""
    prover, verifier = (
        ledger.quoted(data, Kind.COMMIT, speaker, latched.epoch, Speaker.WARDEN).body[0]
        for data, speaker in zip(latched.body[:2], PARTIES, strict=True)
    )
    if [prover, verifier] != latched.body[2:]:
        detail = "the device has latched other commitments than the parties have sent"
        raise CoinError(Offence.EQUIVOCATION, Speaker.WARDEN, detail, [latched.data])
    if prover == verifier:
        raise CoinError(Offence.COPIED, Speaker.WARDEN, "both commitments are the same", [latched.data])
    return prover, verifier


def agreed_views(ledger: Ledger, views: Message, latched: Message) -> None:
    """Raise unless both parties have been shown the same."""
    for data, speaker in zip(views.body, PARTIES, strict=True):
        if ledger.quoted(data, Kind.VIEW, speaker, views.epoch, Speaker.WARDEN).body[0] != latched.digest:
            detail = f"has shown the {speaker.title} other commitments"
            raise CoinError(Offence.EQUIVOCATION, Speaker.WARDEN, detail, [latched.data, views.data])


def shares_of(
    ledger: Ledger, begin: Message, commitments: tuple[bytes, bytes], ended: Message, opening: Message
) -> Opened:
    """Both shares, if they are what was committed to, and the seed that they make."""
    opens = [
        ledger.quoted(data, Kind.OPEN, speaker, begin.epoch, Speaker.WARDEN)
        for data, speaker in zip(opening.body, PARTIES, strict=True)
    ]
    for party, message, commitment in zip(Party, opens, commitments, strict=True):
        if entropy.commitment(party, begin.epoch, *message.body) != commitment:
            detail = "the share that it opens is not what it committed to"
            raise CoinError(Offence.MISMATCH, message.speaker, detail, [message.data])
    (prover, prover_salt), (verifier, verifier_salt) = (message.body for message in opens)
    cluster, world = ended.body
    return Opened(
        begin.epoch,
        commitments,
        (prover, verifier),
        (prover_salt, verifier_salt),
        entropy.seed(begin.epoch, prover, verifier),
        begin.body[3],
        (cluster, world),
    )
