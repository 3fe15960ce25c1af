# SPDX-License-Identifier: Apache-2.0
"""Prover, verifier and warden of a demo: they have fresh keys, and flip a coin over TCP while frames pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.border import Border
from custodes.coin import Speaker
from custodes.coin_party import Player, speakers
from custodes.coin_registers import Party
from custodes.coin_transcript import PARTIES, Opened, Transcripts, opened
from custodes.coin_warden import Pace, Warden
from custodes.errors import CaptureError

PACE = Pace(step=60.0, epoch=3600.0, join=60.0, poll=0.1)
HOST = "127.0.0.1"
WORDS = 1 << 16
"""For each direction in an epoch."""


class Parties:
    """Three speakers, their keys, and their transcripts in one directory, where public keys are, too.

    Transcripts that are there are those of other keys, and go.

    Args:
        note: told in a line what goes on.

    Raises:
        CaptureError: the directory cannot be written.
    """

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        self.folder = folder
        self._note = note
        self._own = {speaker: Ed25519PrivateKey.generate() for speaker in Speaker}
        public = {speaker: key.public_key().public_bytes_raw() for speaker, key in self._own.items()}
        self.keys = speakers(*(public[speaker] for speaker in (*PARTIES, Speaker.WARDEN)))
        try:
            for speaker, key in public.items():
                for transcript in folder.glob(f"{speaker.title}-*.jsonl"):
                    transcript.unlink()
                (folder / f"{speaker.title}.pub").write_text(f"{key.hex()}\n")
        except OSError as error:
            raise CaptureError(f"{folder}: cannot be written: {error.strerror}") from None

    def flip(self, border: Border, work: Callable[[], Awaitable[None]]) -> dict[Speaker, Opened]:
        """Play an epoch, in which ``work`` is done while words come; what each party's own transcript then shows.

        Raises:
            CoinError: the epoch is void.
            DeviceError: the device does not answer.
        """
        number = asyncio.run(self._play(border, work))
        return {speaker: opened(self.folder / f"{speaker.title}-{number}.jsonl", self.keys) for speaker in PARTIES}

    async def _play(self, border: Border, work: Callable[[], Awaitable[None]]) -> int:
        there: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        epochs: list[int] = []
        warden = Warden(
            border.coin,
            self._own[Speaker.WARDEN],
            self.keys,
            Transcripts(self.folder, Speaker.WARDEN),
            PACE,
            WORDS,
            lambda text: self._note(f"warden: {text}"),
            work,
        )

        async def party(which: Party) -> None:
            me = Speaker(which)
            kept = Transcripts(self.folder, me)
            note = self._note
            player = Player(which, self._own[me], self.keys, kept, PACE.join, lambda text: note(f"{me.title}: {text}"))
            await player.run(*await there, lambda result: None)

        await asyncio.gather(
            warden.run(HOST, 0, 1, lambda result: epochs.append(result.epoch), lambda *where: there.set_result(where)),
            *(party(which) for which in Party),
        )
        return epochs[0]
