# SPDX-License-Identifier: Apache-2.0
"""What prover and verifier run: commit, compare what both have seen, hand over a share, and check all of it at the end.

A share is a secret of its epoch: it is sealed for the warden, and in no transcript before the epoch is over. A party
believes nothing that is not signed, and reports what it finds: the warden then voids the epoch, and the other party is told.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from custodes.coin import (
    NO_SESSION,
    NONCE_BYTES,
    CoinError,
    Kind,
    Ledger,
    Message,
    Offence,
    Speaker,
    Voice,
    fault_of,
    heard,
    sealing_info,
)
from custodes.coin_registers import Party
from custodes.coin_transcript import (
    PARTIES,
    Opened,
    Transcript,
    Transcripts,
    agreed_commitments,
    agreed_views,
    shares_of,
)
from custodes.coin_wire import Wire
from custodes.errors import UsageError
from custodes.model import entropy
from custodes.orders import HPKE

SLACK_S = 5.0
"""How much longer than both parties may take a warden may."""
MAX_STEP_S, MAX_EPOCH_S = 3600, 7 * 86400
"""A warden that asks for more is not waited for."""


class Player:
    """A party to coin flips.

    Args:
        party: which one.
        key: its own. keys: public keys, of all three.
        transcripts: where to write down what is said.
        patience: seconds to wait for the warden, and for the other party to come.
        note: told in a line what goes on.
    """

    def __init__(
        self,
        party: Party,
        key: Ed25519PrivateKey,
        keys: Mapping[Speaker, bytes],
        transcripts: Transcripts,
        patience: float,
        note: Callable[[str], None],
    ) -> None:
        self.party = party
        self.me, self.peer = Speaker(party), Speaker(1 - party)
        self.keys = keys
        self.transcripts = transcripts
        self.patience = patience
        self.voice = Voice(self.me, key)
        self._note = note
        self._ledger = Ledger(keys, NO_SESSION)
        self._transcript: Transcript | None = None
        self._epoch = 0

    async def run(self, host: str, port: int, result: Callable[[Opened], None]) -> None:
        """Connect, and play as many epochs as the warden has; ``result`` is told each.

        Raises:
            CoinError: an epoch is void.
            UsageError: nobody listens there.
        """
        try:
            async with asyncio.timeout(self.patience):
                reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            raise UsageError(f"{host}:{port}: nobody is there") from None
        wire = Wire(reader, writer, Speaker.WARDEN)
        try:
            session = await self._greet(wire)
            while (begin := await self._begins(wire)) is not None:
                await self._play(wire, session, begin, result)
        except CoinError as fault:
            await self._report(wire, fault)
            raise
        finally:
            wire.close()

    async def _greet(self, wire: Wire) -> Message:
        """Show who we are, and see who the others are: all have signed a nonce that is new."""
        challenge = heard(await self._receive(wire, self.patience), self.keys, Speaker.WARDEN)
        self._is(challenge, Kind.CHALLENGE)
        hello = self.voice.say(Kind.HELLO, NO_SESSION, 0, secrets.token_bytes(NONCE_BYTES), challenge.body[0])
        await wire.send(hello)
        session = heard(await self._receive(wire, self.patience), self.keys, Speaker.WARDEN)
        self._is(session, Kind.SESSION)
        if session.body[self.party] != hello.data:
            detail = "answers to another greeting than ours"
            raise CoinError(Offence.REPLAYED, Speaker.WARDEN, detail, [session.data])
        other = heard(session.body[self.peer], self.keys, Speaker.WARDEN)
        if (other.kind, other.speaker) != (Kind.HELLO, self.peer):
            raise CoinError(
                Offence.REPLAYED, Speaker.WARDEN, f"shows no greeting of the {self.peer.title}", [other.data]
            )
        self._ledger = Ledger(self.keys, session.digest)
        self._note(f"the {self.peer.title} is there")
        return session

    def _is(self, message: Message, kind: Kind) -> None:
        if message.speaker is not Speaker.WARDEN:
            raise CoinError(
                Offence.REPLAYED, Speaker.WARDEN, f"says what the {message.speaker.title} said", [message.data]
            )
        if message.kind is Kind.FAULT:
            raise fault_of(message)
        if message.kind is not kind:
            detail = f"{message.kind.value} comes where {kind.value} is waited for"
            raise CoinError(Offence.MISPLACED, Speaker.WARDEN, detail, [message.data])

    async def _receive(self, wire: Wire, seconds: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await wire.receive()
        except TimeoutError:
            raise CoinError(Offence.SILENT, Speaker.WARDEN, f"says nothing for {seconds:g} s") from None

    async def _expect(self, wire: Wire, kind: Kind, seconds: float) -> Message:
        """What the warden must say next."""
        message = self._ledger.take(await self._receive(wire, seconds), Speaker.WARDEN, self._epoch)
        if self._transcript:
            self._transcript.message(message, sent=False)
        self._is(message, kind)
        return message

    async def _begins(self, wire: Wire) -> Message | None:
        """The next epoch, or None if there is none."""
        message = self._ledger.take(await self._receive(wire, self.patience), Speaker.WARDEN, self._epoch)
        if message.kind is Kind.DONE:
            return None
        self._is(message, Kind.BEGIN)
        last = max(self._epoch, self.transcripts.last())
        self._epoch = message.epoch
        if message.epoch <= last:
            detail = f"epoch {message.epoch} is not later than {last}"
            raise CoinError(Offence.REPLAYED, Speaker.WARDEN, detail, [message.data])
        if message.body[1] > 1000 * MAX_STEP_S or message.body[2] > 1000 * MAX_EPOCH_S:
            raise CoinError(Offence.MISPLACED, Speaker.WARDEN, "asks for more patience than there is", [message.data])
        return message

    async def _play(self, wire: Wire, session: Message, begin: Message, result: Callable[[Opened], None]) -> None:
        """An epoch, from its begin to its end."""
        self._transcript = transcript = self.transcripts.begin(begin.epoch)
        try:
            transcript.message(session, sent=False)
            transcript.message(begin, sent=False)
            opened = await self._flip(wire, begin)
            transcript.result(opened)
        except CoinError as fault:
            transcript.fault(fault)
            raise
        finally:
            transcript.close()
            self._transcript = None
        result(opened)

    async def _say(self, wire: Wire, message: Message) -> None:
        self._ledger.note(message)
        if self._transcript:
            self._transcript.message(message, sent=True)
        await wire.send(message)

    def _message(self, kind: Kind, *body: object) -> Message:
        return self.voice.say(kind, self._ledger.session, self._epoch, *body)

    async def _flip(self, wire: Wire, begin: Message) -> Opened:
        """The protocol."""
        agreement, step_ms, epoch_ms, _ = begin.body
        step = step_ms / 1000 + SLACK_S
        share, salt = secrets.token_bytes(entropy.SHARE_BYTES), secrets.token_bytes(entropy.SALT_BYTES)
        commitment = entropy.commitment(self.party, begin.epoch, share, salt)
        await self._say(wire, self._message(Kind.COMMIT, commitment))
        latched = await self._expect(wire, Kind.LATCHED, step)
        commitments = agreed_commitments(self._ledger, latched)

        await self._say(wire, self._message(Kind.VIEW, latched.digest))
        agreed_views(self._ledger, await self._expect(wire, Kind.VIEWS, step), latched)

        opening = self._message(Kind.OPEN, share, salt)
        info = sealing_info(self._ledger.session, begin.epoch, self.me)
        sealed = HPKE.encrypt(opening.data, X25519PublicKey.from_public_bytes(agreement), info=info)
        await self._say(wire, self._message(Kind.REVEAL, sealed))
        await self._expect(wire, Kind.DRAWN, step)
        self._note(f"epoch {begin.epoch}: words come")
        ended = await self._expect(wire, Kind.ENDED, epoch_ms / 1000 + step)

        await self._say(wire, opening)
        opened = await self._expect(wire, Kind.OPENED, step)
        return shares_of(self._ledger, begin, commitments, ended, opened)

    async def _report(self, wire: Wire, fault: CoinError) -> None:
        """Tell the warden, unless it has told us."""
        if self._ledger.session == NO_SESSION:
            return
        body = (fault.offence.value, int(fault.by), fault.detail, fault.evidence)
        with suppress(CoinError):
            await wire.send(self._message(Kind.FAULT, *body))


def speakers(prover: bytes, verifier: bytes, warden: bytes) -> dict[Speaker, bytes]:
    """Public keys by speaker; raises `UsageError` where two are the same."""
    keys = dict(zip((*PARTIES, Speaker.WARDEN), (prover, verifier, warden), strict=True))
    if len(set(keys.values())) < len(keys):
        raise UsageError("prover, verifier and warden need keys of their own")
    return keys
