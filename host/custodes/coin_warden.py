# SPDX-License-Identifier: Apache-2.0
"""The process at the device: it passes on what the parties sign, and gives the device what they give it.

Whatever goes wrong voids the epoch: the device forgets everything, no words come, both parties are told why, and it is over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

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
from custodes.coin_device import Coin
from custodes.coin_registers import Party
from custodes.coin_transcript import PARTIES, Opened, Transcript, Transcripts, shares_of
from custodes.coin_wire import Wire
from custodes.errors import DeviceError, UsageError
from custodes.orders import HPKE

SHARE_KINDS = (Kind.REVEAL, Kind.OPEN)


@dataclass(frozen=True)
class Pace:
    """How long things may take, in seconds.

    Attributes:
        step: each step of a party.
        epoch: words come for so long.
        grace: so long after a step that was missed what comes too late is still told from what does not come.
        join: both parties must be there.
        poll: between two looks at the device while words come.
    """

    step: float = 10.0
    epoch: float = 60.0
    grace: float = 2.0
    join: float = 60.0
    poll: float = 0.5


class Heard(NamedTuple):
    """What came from a party: a message, or that none can."""

    speaker: Speaker
    data: bytes | CoinError


class Warden:
    """One session: two parties, some epochs.

    Args:
        coin: of the device.
        key: the warden's own. keys: public keys, of all three.
        transcripts: where to write down what is said.
        limit: words for each direction in an epoch.
        note: told in a line what goes on.
        work: done in each epoch while words come; the epoch is over when it is, if not before.
    """

    def __init__(
        self,
        coin: Coin,
        key: Ed25519PrivateKey,
        keys: Mapping[Speaker, bytes],
        transcripts: Transcripts,
        pace: Pace,
        limit: int,
        note: Callable[[str], None],
        work: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.coin = coin
        self.keys = keys
        self.transcripts = transcripts
        self.pace = pace
        self.limit = limit
        self.voice = Voice(Speaker.WARDEN, key)
        self._note = note
        self._work = work
        self._wires: dict[Speaker, Wire] = {}
        self._hellos: dict[Speaker, Message] = {}
        self._joined = asyncio.Event()
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._ledger = Ledger(keys, NO_SESSION)
        self._transcript: Transcript | None = None
        self._epoch = 0

    async def run(
        self,
        host: str,
        port: int,
        epochs: int,
        result: Callable[[Opened], None],
        listening: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        """Listen, wait for both parties, and play so many epochs; ``result`` is told each, and ``listening`` where.

        Raises:
            CoinError: an epoch is void.
            DeviceError: the device does not answer.
            UsageError: it cannot listen there.
        """
        try:
            server = await asyncio.start_server(self._admit, host, port)
        except OSError as error:
            raise UsageError(f"{host}:{port}: {error.strerror}") from None
        readers: list[asyncio.Task[None]] = []
        try:
            where, number = server.sockets[0].getsockname()[:2]
            self._note(f"listening on {where}:{number}")
            listening(where, number)
            await self._meet()
            server.close()
            readers = [asyncio.create_task(self._listen(wire)) for wire in self._wires.values()]
            session = self.voice.say(Kind.SESSION, NO_SESSION, 0, *(self._hellos[one].data for one in PARTIES))
            self._ledger = Ledger(self.keys, session.digest)
            await self._tell(session)
            first = max(self.transcripts.last(), self.coin.last_epoch()) + 1
            for epoch in range(first, first + epochs):
                result(await self._play(epoch, session))
            await self._say(Kind.DONE)
        finally:
            for task in readers:
                task.cancel()
            for wire in self._wires.values():
                wire.close()
            server.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let a party in that signs a nonce made for this connection; anybody else is turned away, and disturbs nobody."""
        wire = Wire(reader, writer, Speaker.WARDEN)
        challenge = self.voice.say(Kind.CHALLENGE, NO_SESSION, 0, secrets.token_bytes(NONCE_BYTES))
        try:
            async with asyncio.timeout(self.pace.step):
                await wire.send(challenge)
                hello = heard(await wire.receive(), self.keys, Speaker.WARDEN)
            if hello.kind is not Kind.HELLO or hello.speaker not in PARTIES:
                raise CoinError(Offence.MISPLACED, hello.speaker, f"greets with {hello.kind.value}")
            if hello.body[1] != challenge.body[0]:
                raise CoinError(Offence.REPLAYED, hello.speaker, "greets with what was said on another connection")
            if hello.speaker in self._wires:
                raise CoinError(Offence.MISPLACED, hello.speaker, "is here already")
        except CoinError as error:
            self._note(f"turned away: {error.detail if error.by is Speaker.WARDEN else error}")
            wire.close()
        except TimeoutError:
            self._note("turned away: who has connected says nothing")
            wire.close()
        else:
            self._note(f"the {hello.speaker.title} is here")
            wire.speaker = hello.speaker
            self._wires[hello.speaker] = wire
            self._hellos[hello.speaker] = hello
            if len(self._wires) == len(PARTIES):
                self._joined.set()

    async def _meet(self) -> None:
        try:
            async with asyncio.timeout(self.pace.join):
                await self._joined.wait()
        except TimeoutError:
            absent = next(one for one in PARTIES if one not in self._wires)
            raise CoinError(Offence.SILENT, absent, "did not connect in time") from None

    async def _listen(self, wire: Wire) -> None:
        """Puts what a party says where all that is said comes in order."""
        try:
            while True:
                self._heard.put_nowait(Heard(wire.speaker, await wire.receive()))
        except CoinError as error:
            self._heard.put_nowait(Heard(wire.speaker, error))

    async def _tell(self, message: Message) -> None:
        """Say something to both."""
        if self._transcript:
            self._transcript.message(message, sent=True)
        for wire in self._wires.values():
            await wire.send(message)

    async def _say(self, kind: Kind, *body: object) -> Message:
        message = self.voice.say(kind, self._ledger.session, self._epoch, *body)
        await self._tell(message)
        return message

    async def _play(self, epoch: int, session: Message) -> Opened:
        """An epoch, from its begin to its end."""
        self._epoch = epoch
        self._transcript = transcript = self.transcripts.begin(epoch)
        transcript.message(session, sent=True)
        try:
            opened = await self._flip()
            transcript.result(opened)
            return opened
        except CoinError as fault:
            self._forget()
            transcript.fault(fault)
            await self._report(fault)
            raise
        except DeviceError as error:
            fault = CoinError(Offence.DEVICE, Speaker.WARDEN, str(error))
            transcript.fault(fault)
            await self._report(fault)
            raise
        finally:
            self._forget()
            transcript.close()
            self._transcript = None

    def _forget(self) -> None:
        """No words, whatever happens; a device that does not answer has been reported already."""
        with suppress(DeviceError):
            self.coin.end()

    async def _report(self, fault: CoinError) -> None:
        body = (fault.offence.value, int(fault.by), fault.detail, fault.evidence)
        message = self.voice.say(Kind.FAULT, self._ledger.session, self._epoch, *body)
        for wire in self._wires.values():
            with suppress(CoinError):
                await wire.send(message)

    async def _flip(self) -> Opened:
        """The protocol."""
        self.coin.begin(self._epoch, self.limit)
        agreement = X25519PrivateKey.generate()
        times = (round(1000 * seconds) for seconds in (self.pace.step, self.pace.epoch))
        begin = await self._say(Kind.BEGIN, agreement.public_key().public_bytes_raw(), *times, self.limit)

        commits = await self._gather(Kind.COMMIT, Offence.NO_COMMITMENT, self._commit)
        latched = await self._say(Kind.LATCHED, *(one.data for one in commits), *self.coin.commitments())
        views = await self._gather(Kind.VIEW, Offence.SILENT, lambda message: self._compare(message, latched))
        await self._say(Kind.VIEWS, *(one.data for one in views))
        opens: dict[Speaker, Message] = {}
        await self._gather(
            Kind.REVEAL, Offence.NO_REVEAL, lambda message: self._reveal(message, latched.epoch, agreement, opens)
        )
        if not self.coin.drawn():
            raise DeviceError("the device has both shares and no words")
        await self._say(Kind.DRAWN)
        self._note(f"epoch {self._epoch}: words come")
        await self._watch()

        used = self.coin.used()
        self.coin.end()
        ended = await self._say(Kind.ENDED, *used)
        try:
            await self._gather(Kind.OPEN, Offence.SILENT, lambda message: None)
        finally:
            # Whatever a party does now, both get to know what the words were made of.
            opening = await self._say(Kind.OPENED, *(opens[one].data for one in PARTIES))
        prover, verifier = (one.body[0] for one in commits)
        return shares_of(self._ledger, begin, (prover, verifier), ended, opening)

    async def _next(self, seconds: float) -> Heard | None:
        """What comes next, or None."""
        try:
            async with asyncio.timeout(seconds):
                return await self._heard.get()
        except TimeoutError:
            return None

    async def _gather(self, kind: Kind, missing: Offence, take: Callable[[Message], None]) -> list[Message]:
        """A message of this kind by each party, in time; ``take`` is given each as it comes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.pace.step
        found: dict[Speaker, Message] = {}
        while len(found) < len(PARTIES):
            came = await self._next(max(0.0, deadline - loop.time()))
            if came is None:
                raise await self._missed(kind, missing, found)
            message = self._checked(came, kind)
            found[came.speaker] = message
            take(message)
        return [found[speaker] for speaker in PARTIES]

    async def _missed(self, kind: Kind, missing: Offence, found: Mapping[Speaker, Message]) -> CoinError:
        """Why a step is not done in time. The device forgets everything first: what comes now is too late."""
        self.coin.end()
        came = await self._next(self.pace.grace)
        if came is not None:
            message = self._checked(came, kind)
            detail = f"{kind.value} comes after its {self.pace.step:g} s"
            return CoinError(Offence.LATE, came.speaker, detail, [message.data])
        absent = next(speaker for speaker in PARTIES if speaker not in found)
        return CoinError(missing, absent, f"no {kind.value} within {self.pace.step:g} s")

    def _checked(self, came: Heard, kind: Kind | None) -> Message:
        """What a party says, if it is what it may say now."""
        if isinstance(came.data, CoinError):
            raise came.data
        message = self._ledger.take(came.data, came.speaker, self._epoch)
        assert self._transcript is not None
        self._transcript.message(message, sent=False)
        if message.kind is Kind.FAULT:
            raise fault_of(message)
        if message.kind is not kind:
            if kind is Kind.COMMIT and message.kind in SHARE_KINDS:
                detail = f"{message.kind.value} comes before both commitments"
                raise CoinError(Offence.EARLY, came.speaker, detail, [message.data])
            wanted = kind.value if kind else "nothing"
            detail = f"{message.kind.value} comes where {wanted} is waited for"
            raise CoinError(Offence.MISPLACED, came.speaker, detail, [message.data])
        return message

    def _commit(self, message: Message) -> None:
        with _evidence(message):
            self.coin.commit(Party(message.speaker), message.body[0])

    def _compare(self, message: Message, latched: Message) -> None:
        if message.body[0] != latched.digest:
            detail = "has seen other commitments than the warden has shown"
            raise CoinError(Offence.EQUIVOCATION, message.speaker, detail, [latched.data, message.data])

    def _reveal(self, message: Message, epoch: int, agreement: X25519PrivateKey, opens: dict[Speaker, Message]) -> None:
        """Unseal a share, and have the device check it."""
        speaker = message.speaker
        info = sealing_info(self._ledger.session, epoch, speaker)
        try:
            data = HPKE.decrypt(message.body[0], agreement, info=info)
        except (InvalidTag, ValueError):
            detail = "its share is not sealed for this epoch"
            raise CoinError(Offence.FORGED, speaker, detail, [message.data]) from None
        opened = self._ledger.quoted(data, Kind.OPEN, speaker, epoch, speaker)
        opens[speaker] = opened
        with _evidence(opened):
            self.coin.reveal(Party(speaker), *opened.body)

    async def _watch(self) -> None:
        """While words come: nobody has anything to say, and the device goes on having them."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.pace.epoch
        work = None if self._work is None else asyncio.ensure_future(self._work())
        try:
            while (left := end - loop.time()) > 0 and not (work is not None and work.done()):
                came = await self._next(min(left, self.pace.poll))
                if came is not None:
                    self._checked(came, None)
                if not self.coin.drawn():
                    raise DeviceError("the device has given up the epoch")
            if work is not None and work.done():
                work.result()
        finally:
            if work is not None:
                work.cancel()


class _evidence:
    """Adds a message to the faults of a block."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CoinError):
            error.evidence.append(self._message.data)
