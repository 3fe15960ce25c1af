# SPDX-License-Identifier: Apache-2.0
"""The coin flip's messages over TCP: each is preceded by its length, 4 bytes, big-endian."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from custodes.coin import MAX_MESSAGE_BYTES, CoinError, Message, Offence, Speaker
from custodes.errors import UsageError

LENGTH_BYTES = 4


class Wire:
    """A connection to a speaker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, speaker: Speaker) -> None:
        self.speaker = speaker
        self._reader = reader
        self._writer = writer

    async def send(self, message: Message) -> None:
        """Raises `CoinError` where the connection is lost."""
        try:
            self._writer.write(len(message.data).to_bytes(LENGTH_BYTES) + message.data)
            await self._writer.drain()
        except OSError:
            raise self._lost() from None

    async def receive(self) -> bytes:
        """The next message; raises `CoinError` where none can come."""
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
            if length > MAX_MESSAGE_BYTES:
                raise CoinError(Offence.FORGED, self.speaker, f"what came is no message: it has {length} bytes")
            return await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            raise self._lost() from None

    def _lost(self) -> CoinError:
        return CoinError(Offence.LOST, self.speaker, "the connection is gone")

    def close(self) -> None:
        with suppress(OSError):
            self._writer.close()


def endpoint(text: str) -> tuple[str, int]:
    """``HOST:PORT``, an IPv6 address in brackets; raises `UsageError`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError(f"{text}: is not HOST:PORT")
    return host, int(port)
