# SPDX-License-Identifier: Apache-2.0
"""A coin flip with a real warden and a real verifier, in which the prover may be an attacker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from custodes.accessors import Registers
from custodes.coin import NO_SESSION, Kind, Message, Speaker, Voice, heard, sealing_info
from custodes.coin_device import DeviceCoin
from custodes.coin_party import Player
from custodes.coin_registers import Party
from custodes.coin_transcript import Opened, Transcripts
from custodes.coin_warden import Pace, Warden
from custodes.coin_wire import Wire
from custodes.model import entropy
from custodes.orders import HPKE
from tests.host.fake_coin import COIN_MAP, KEYS, PUBLIC, FakeCoin

SHARE, SALT = bytes(range(32)), bytes(range(32, 64))
HASTE = Pace(step=8.0, epoch=0.05, grace=8.0, join=60.0, poll=0.05)
Script = Callable[["Attacker"], Awaitable[None]]


class Attacker:
    """The prover, as it likes: it has the prover's key, and a wire to the warden."""

    def __init__(self, wire: Wire, speaker: Speaker = Speaker.PROVER) -> None:
        self.wire = wire
        self.speaker = speaker
        self.voice = Voice(speaker, KEYS[speaker])
        self.session = NO_SESSION
        self.epoch = 0
        self.agreement = b""
        self.seen: list[Message] = []

    async def hear(self, kind: Kind) -> Message:
        """The next message of a kind."""
        while True:
            message = heard(await self.wire.receive(), PUBLIC, Speaker.WARDEN)
            self.seen.append(message)
            if message.kind is kind:
                return message
            assert message.kind is not Kind.FAULT, message.body

    def message(self, kind: Kind, *body: Any) -> Message:
        return self.voice.say(kind, self.session, self.epoch, *body)

    async def say(self, kind: Kind, *body: Any) -> Message:
        message = self.message(kind, *body)
        await self.wire.send(message)
        return message

    async def greet(self) -> Message:
        challenge = await self.hear(Kind.CHALLENGE)
        hello = await self.say(Kind.HELLO, bytes(32), challenge.body[0])
        self.session = (await self.hear(Kind.SESSION)).digest
        begin = await self.hear(Kind.BEGIN)
        self.epoch, self.agreement = begin.epoch, begin.body[0]
        return hello

    def commitment(self) -> bytes:
        return entropy.commitment(self.speaker, self.epoch, SHARE, SALT)

    def sealed(self, share: bytes = SHARE) -> bytes:
        info = sealing_info(self.session, self.epoch, self.speaker)
        key = X25519PublicKey.from_public_bytes(self.agreement)
        return HPKE.encrypt(self.message(Kind.OPEN, share, SALT).data, key, info=info)

    async def commit(self) -> Message:
        return await self.say(Kind.COMMIT, self.commitment())

    async def view(self) -> None:
        await self.say(Kind.VIEW, (await self.hear(Kind.LATCHED)).digest)
        await self.hear(Kind.VIEWS)

    async def until_fault(self) -> list[Any]:
        while True:
            message = heard(await self.wire.receive(), PUBLIC, Speaker.WARDEN)
            if message.kind is Kind.FAULT:
                return message.body


class Scene:
    """A real warden with a fake device, and a real verifier; the prover is an attacker."""

    def __init__(self, folder: Path, pace: Pace = HASTE, link: Any = None) -> None:
        self.folder = folder
        self.link = link or FakeCoin()
        self.results: list[Opened] = []
        self.notes: list[str] = []
        self.address: asyncio.Future[int] | None = None
        kept = Transcripts(folder, Speaker.WARDEN)
        coin = DeviceCoin(Registers(self.link, COIN_MAP))
        self.warden = Warden(coin, KEYS[Speaker.WARDEN], PUBLIC, kept, pace, 100, self._note)

    def _note(self, line: str) -> None:
        self.notes.append(line)
        if line.startswith("listening on ") and self.address:
            self.address.set_result(int(line.rpartition(":")[2]))

    async def wire(self) -> Wire:
        """A connection to the warden."""
        assert self.address is not None
        return Wire(*await asyncio.open_connection("127.0.0.1", await self.address), Speaker.WARDEN)

    def player(self, party: Party) -> Player:
        return Player(party, KEYS[Speaker(party)], PUBLIC, Transcripts(self.folder, Speaker(party)), 60, lambda _: None)

    async def play(self, *attacks: Script, epochs: int = 1) -> list[BaseException | None]:
        """What became of the warden, of the verifier (and of the prover, unless it is an attacker)."""
        self.address = asyncio.get_running_loop().create_future()
        warden = asyncio.create_task(self.warden.run("127.0.0.1", 0, epochs, self.results.append))
        port = await self.address
        players = [Party.VERIFIER] if attacks else [Party.VERIFIER, Party.PROVER]
        tasks: list[Any] = [
            asyncio.create_task(self.player(one).run("127.0.0.1", port, lambda _: None)) for one in players
        ]
        tasks += [asyncio.create_task(self._attack(attack)) for attack in attacks]
        found = await asyncio.gather(warden, *tasks, return_exceptions=True)
        for outcome in found[1 + len(players) :]:
            if outcome is not None:
                raise outcome
        return list(found[: 1 + len(players)])

    async def _attack(self, attack: Script) -> None:
        wire = await self.wire()
        try:
            await attack(Attacker(wire))
        finally:
            wire.close()
