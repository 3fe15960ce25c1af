# SPDX-License-Identifier: Apache-2.0
"""A warden that shows the two parties different things, or says what it may not: the parties find out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from custodes.coin import NO_SESSION, CoinError, Kind, Message, Offence, Speaker, Voice, heard, sealing_info
from custodes.coin_party import Player
from custodes.coin_registers import Party
from custodes.coin_transcript import PARTIES, Transcripts
from custodes.coin_wire import Wire
from custodes.model import entropy
from custodes.orders import HPKE
from tests.host.fake_coin import KEYS, PUBLIC

SHARE, SALT = bytes(range(32)), bytes(range(32, 64))


class Liar:
    """The warden as it likes, with the prover in its pocket, whose key it has; the verifier is honest.

    Members:
        said: what it has heard of the verifier, by kind.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.voice = Voice(Speaker.WARDEN, KEYS[Speaker.WARDEN])
        self.prover = Voice(Speaker.PROVER, KEYS[Speaker.PROVER])
        self.session = NO_SESSION
        self.epoch = 1
        self.agreement = X25519PrivateKey.generate()
        self.said: dict[Kind, Message] = {}

    async def say(self, kind: Kind, *body: Any) -> Message:
        message = self.voice.say(kind, self.session, self.epoch, *body)
        await self.wire.send(message)
        return message

    def of_prover(self, kind: Kind, *body: Any) -> Message:
        return self.prover.say(kind, self.session, self.epoch, *body)

    async def hear(self) -> Message:
        message = heard(await self.wire.receive(), PUBLIC, Speaker.VERIFIER)
        self.said[message.kind] = message
        return message

    async def greet(self) -> None:
        challenge = self.voice.say(Kind.CHALLENGE, NO_SESSION, 0, bytes(32))
        await self.wire.send(challenge)
        hello = await self.hear()
        prover = self.prover.say(Kind.HELLO, NO_SESSION, 0, bytes(32), bytes(32))
        session = self.voice.say(Kind.SESSION, NO_SESSION, 0, prover.data, hello.data)
        await self.wire.send(session)
        self.session = session.digest

    async def begin(self) -> None:
        await self.say(Kind.BEGIN, self.agreement.public_key().public_bytes_raw(), 8000, 50, 100)
        await self.hear()

    def commitment(self, share: bytes = SHARE) -> bytes:
        return entropy.commitment(Party.PROVER, self.epoch, share, SALT)

    async def latch(self, shown: bytes | None = None) -> Message:
        """Show both commitments; ``shown`` is what the device is said to have of the prover."""
        own, its = self.of_prover(Kind.COMMIT, self.commitment()), self.said[Kind.COMMIT]
        return await self.say(Kind.LATCHED, own.data, its.data, shown or own.body[0], its.body[0])

    async def views(self, digest: bytes) -> None:
        await self.hear()
        await self.say(Kind.VIEWS, self.of_prover(Kind.VIEW, digest).data, self.said[Kind.VIEW].data)

    async def reveal(self) -> Message:
        """What the verifier opens."""
        sealed = (await self.hear()).body[0]
        info = sealing_info(self.session, self.epoch, Speaker.VERIFIER)
        return heard(HPKE.decrypt(sealed, self.agreement, info=info), PUBLIC, Speaker.VERIFIER)


Script = Callable[[Liar], Awaitable[None]]


def outcome_of(folder: Path, lie: Script) -> tuple[Any, list[Message]]:
    """What became of the verifier, and what it said last."""

    async def run() -> tuple[Any, list[Message]]:
        told: list[Message] = []
        over = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            liar = Liar(Wire(reader, writer, Speaker.VERIFIER))
            try:
                await lie(liar)
                while True:
                    told.append(await liar.hear())
            except CoinError:
                liar.wire.close()
            finally:
                over.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        kept = Transcripts(folder, Speaker.VERIFIER)
        player = Player(Party.VERIFIER, KEYS[Speaker.VERIFIER], PUBLIC, kept, 60, lambda _: None)
        (outcome,) = await asyncio.gather(player.run("127.0.0.1", port, lambda _: None), return_exceptions=True)
        await over.wait()
        server.close()
        return outcome, told

    return asyncio.run(run())


def finds_out(folder: Path, lie: Script, offence: Offence, by: Speaker, words: str) -> None:
    """The verifier ends the epoch, tells the warden, and writes it down."""
    outcome, told = outcome_of(folder, lie)
    assert isinstance(outcome, CoinError), outcome
    assert (outcome.offence, outcome.by) == (offence, by), outcome
    assert words in str(outcome)
    for path in folder.glob("verifier-1.jsonl"):
        assert f'"fault": "{offence.value}", "by": "{by.title}"' in path.read_text()
    if told:
        assert (told[-1].kind, told[-1].body[:2]) == (Kind.FAULT, [offence.value, int(by)])


def test_a_device_that_has_other_commitments_than_the_parties_sent(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.greet()
        await liar.begin()
        await liar.latch(bytes(32))

    finds_out(tmp_path, lie, Offence.EQUIVOCATION, Speaker.WARDEN, "has latched other commitments")


def test_parties_that_were_shown_different_commitments(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.greet()
        await liar.begin()
        await liar.latch()
        await liar.views(bytes(32))

    finds_out(tmp_path, lie, Offence.EQUIVOCATION, Speaker.WARDEN, "has shown the prover other commitments")


def test_a_commitment_that_is_the_verifiers_own(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.greet()
        await liar.begin()
        liar.commitment = lambda share=SHARE: liar.said[Kind.COMMIT].body[0]
        await liar.latch()

    finds_out(tmp_path, lie, Offence.COPIED, Speaker.WARDEN, "both commitments are the same")


def test_a_commitment_that_the_verifier_has_not_sent(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.greet()
        await liar.begin()
        own = liar.of_prover(Kind.COMMIT, liar.commitment())
        await liar.say(Kind.LATCHED, own.data, own.data, own.body[0], own.body[0])

    finds_out(tmp_path, lie, Offence.REPLAYED, Speaker.WARDEN, "not the verifier's commit")


async def drawn(liar: Liar) -> Message:
    """As it should be, until the epoch is over; what the verifier opens."""
    await liar.greet()
    await liar.begin()
    latched = await liar.latch()
    await liar.views(latched.digest)
    opening = await liar.reveal()
    await liar.say(Kind.DRAWN)
    await liar.say(Kind.ENDED, 1, 2)
    assert (await liar.hear()).data == opening.data
    return opening


def test_a_share_that_was_not_committed_to(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        opening = await drawn(liar)
        await liar.say(Kind.OPENED, liar.of_prover(Kind.OPEN, bytes(32), SALT).data, opening.data)

    finds_out(tmp_path, lie, Offence.MISMATCH, Speaker.PROVER, "not what it committed to")


def test_an_epoch_that_is_over_before_the_verifier_has_revealed(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.greet()
        await liar.begin()
        await liar.latch()
        await liar.say(Kind.ENDED, 1, 2)

    finds_out(tmp_path, lie, Offence.MISPLACED, Speaker.WARDEN, "ended comes where views is waited for")


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_that_has_been_played(tmp_path: Path, epoch: int):
    (tmp_path / "verifier-1.jsonl").write_text('"fault": "replayed message", "by": "warden"')

    async def lie(liar: Liar) -> None:
        await liar.greet()
        liar.epoch = epoch
        await liar.say(Kind.BEGIN, bytes(32), 8000, 50, 100)

    finds_out(tmp_path, lie, Offence.REPLAYED, Speaker.WARDEN, f"epoch {epoch} is not later than 1")


def test_a_session_with_an_old_greeting(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.wire.send(liar.voice.say(Kind.CHALLENGE, NO_SESSION, 0, bytes(32)))
        await liar.hear()
        old = [Voice(one, KEYS[one]).say(Kind.HELLO, NO_SESSION, 0, bytes(32), bytes(32)).data for one in PARTIES]
        await liar.wire.send(liar.voice.say(Kind.SESSION, NO_SESSION, 0, *old))

    finds_out(tmp_path, lie, Offence.REPLAYED, Speaker.WARDEN, "answers to another greeting than ours")


def test_a_warden_without_the_wardens_key(tmp_path: Path):
    async def lie(liar: Liar) -> None:
        await liar.wire.send(Voice(Speaker.WARDEN, KEYS[Speaker.PROVER]).say(Kind.CHALLENGE, NO_SESSION, 0, bytes(32)))

    finds_out(tmp_path, lie, Offence.FORGED, Speaker.WARDEN, "challenge is not signed by the warden")


def test_a_warden_that_opens_what_it_should_is_believed(tmp_path: Path):
    """Or the lies above would show nothing: then only a connection that is gone ends it."""

    async def lie(liar: Liar) -> None:
        opening = await drawn(liar)
        await liar.say(Kind.OPENED, liar.of_prover(Kind.OPEN, SHARE, SALT).data, opening.data)
        liar.wire.close()

    outcome, _ = outcome_of(tmp_path, lie)
    assert isinstance(outcome, CoinError)
    assert outcome.offence is Offence.LOST
    text = (tmp_path / "verifier-1.jsonl").read_text()
    assert '"seed"' in text
    assert '"fault"' not in text
