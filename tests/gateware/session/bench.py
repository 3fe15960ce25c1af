# SPDX-License-Identifier: Apache-2.0
"""A processor and the specification under the same commands, and the station at the other end of its sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.errors import DeviceError
from custodes.keys import Keys
from custodes.link import Ingress, Outcome
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, HEADER_BYTES, MACS_BYTES, SALT_BYTES, Side, Suite, sectag
from custodes.model import Opener, Sealer
from custodes.processor_registers import (
    COMMAND,
    STATUS,
    STATUS_BUSY,
    STATUS_REFUSED,
    Command,
    channel_writes,
    command,
    load_writes,
)
from custodes.simlink import SimLink
from tests.compare_session import SessionPair

OWN, PEER, OTHER = (bytes.fromhex(f"0200000000{last}") for last in ("01", "02", "03"))
SCI_OWN, SCI_PEER, SCI_OTHER = (address + b"\0\1" for address in (OWN, PEER, OTHER))
BUSY_READS = 20_000
"""Of the status: far more than any command, or overwriting every key after a reset, takes."""


@dataclass(frozen=True)
class Sak:
    """What belongs to a secure association for good; salt and SSCI matter to extended suites only."""

    suite: Suite
    key: bytes = field(repr=False)
    salt: bytes = bytes(SALT_BYTES)
    ssci: int = 0

    @classmethod
    def random(cls, suite: Suite, random: Random) -> Sak:
        return cls(suite, random.randbytes(suite.key_bytes), random.randbytes(SALT_BYTES), random.randrange(1 << 32))

    def iv(self, sci: bytes, pn: int) -> bytes:
        """Of one frame: 14.5 and 14.7."""
        if not self.suite.extended:
            return sci + pn.to_bytes(4)
        return (int.from_bytes(self.salt) ^ (self.ssci << 64 | pn)).to_bytes(12)


@dataclass
class Station:
    """Who seals frames for the processor, with an association of its own; any other than it should, if asked to.

    Args:
        pn: of the next frame.
    """

    sak: Sak
    an: int = 0
    pn: int = 1
    sci: bytes = SCI_PEER

    def seal(self, plain: bytes, pn: int | None = None, tag: bytes | None = None) -> bytes:
        """A frame with a good ICV.

        Args:
            pn: another than the next, which then stays the next.
            tag: a SecTAG of 16 bytes that is sent instead of the right one.
        """
        if pn is None:
            pn, self.pn = self.pn, self.pn + 1
        text = plain[MACS_BYTES:]
        header = plain[:MACS_BYTES] + (tag or sectag(self.an, pn, self.sci, len(text)))
        return header + AESGCM(self.sak.key).encrypt(self.sak.iv(self.sci, pn), text, header)

    def open(self, sealed: bytes, pn: int) -> bytes:
        """The plain frame of one that the processor sealed to this station; raises `InvalidTag`."""
        header = sealed[:HEADER_BYTES]
        text = AESGCM(self.sak.key).decrypt(self.sak.iv(self.sci, pn), sealed[HEADER_BYTES:], header)
        return header[:MACS_BYTES] + text


class Bench(SessionPair):
    """A simulated processor and the specification. What one is told to do, both do; nothing is loaded at first."""

    link: SimLink

    def __init__(self, lanes: int) -> None:
        super().__init__(Keys(), lanes, SimLink("processor", lanes))

    def reset(self) -> None:
        """Take the power away: both forget everything, and the device is ready again."""
        self.link.tamper(False)
        self.link.reset()
        self.sealer, self.opener = Sealer(), Opener()
        self.idle()

    def idle(self) -> int:
        """Wait until no command is being carried out and no key overwritten; returns the status."""
        for _ in range(BUSY_READS):
            if not (status := self.link.read(STATUS)) & STATUS_BUSY:
                return status
        raise AssertionError("the device stays busy")

    def tell(self, writes: Iterable[tuple[int, int]]) -> bool:
        """Write registers; returns whether no command is refused."""
        taken = True
        for address, value in writes:
            self.link.write(address, value)
            taken &= address != COMMAND or not self.link.read(STATUS) & STATUS_REFUSED
        return taken

    def order(self, order: Command, number: int, side: Side = Side.ACCELERATOR, bits: int = 0) -> bool:
        """One command to the device alone; returns whether it is not refused."""
        return self.tell([(COMMAND, command(order, number, side, bits))])

    def send_to(self, channel: int, peer: bytes, sci: bytes = SCI_OWN) -> None:
        """Set a transmit channel."""
        self.idle()
        assert self.tell(channel_writes(Side.ACCELERATOR, channel, peer, sci, 0))
        self.sealer.set_channel(channel, peer, sci)

    def receive_from(self, channel: int, sci: bytes = SCI_PEER, window: int = 0) -> None:
        """Set a receive channel."""
        self.idle()
        assert self.tell(channel_writes(Side.NETWORK, channel, sci, sci, window))
        self.opener.set_channel(channel, sci, window)

    def load_sak(self, side: Side, number: int, sak: Sak, pn: int = 1, lifetime: int = 0) -> None:
        """Load an association, which must be free, and wait until it is there."""
        self.idle()
        assert self.tell(load_of(side, number, sak, pn, lifetime))
        self.idle()
        self.direction(side).load(number, sak.suite, sak.key, pn, sak.salt, sak.ssci)

    def select(self, number: int) -> None:
        """Seal with this association from now on."""
        assert self.order(Command.SELECT, number)
        self.sealer.select(number)

    def zeroise(self, side: Side, number: int) -> None:
        """Forget the key of an association, and wait until it is overwritten."""
        assert self.order(Command.ZEROISE, number, side)
        self.direction(side).zeroise(number)
        self.idle()

    def direction(self, side: Side) -> Sealer | Opener:
        """The specification of what enters at a side."""
        return self.sealer if side is Side.ACCELERATOR else self.opener

    def transmit(self, sak: Sak, an: int = 0, pn: int = 1, channel: int = 0) -> Station:
        """Set a channel to `PEER` with one association, and select it; returns the peer."""
        number = ASSOCIATIONS_PER_CHANNEL * channel + an
        self.send_to(channel, PEER)
        self.load_sak(Side.ACCELERATOR, number, sak, pn)
        self.select(number)
        return Station(sak, an, pn, SCI_OWN)

    def receive(self, sak: Sak, an: int = 0, pn: int = 1, channel: int = 0, window: int = 0) -> Station:
        """Set a channel from `PEER` with one association; returns the peer, who sends from this PN on."""
        self.receive_from(channel, SCI_PEER, window)
        self.load_sak(Side.NETWORK, ASSOCIATIONS_PER_CHANNEL * channel + an, sak, pn)
        return Station(sak, an, pn)

    def check(self, frames: Sequence[Ingress[Side]]) -> None:
        """Send frames; all is as the specification says."""
        assert self.differences(frames)[:3] == []

    def send(self, frames: Iterable[Ingress[Side]]) -> None:
        """Queue frames; they go in with every access to a register."""
        for frame in frames:
            self.link.send(frame)

    def taken(self, side: Side) -> Iterator[Outcome]:
        """What has become, so far, of the frames sent in at a side, up to one that has not left whole."""
        with suppress(DeviceError):
            while self.link.has_outcome(side):
                yield self.link.take(side)


def load_of(side: Side, number: int, sak: Sak, pn: int = 1, lifetime: int = 0) -> Iterator[tuple[int, int]]:
    """The register writes that load an association."""
    return load_writes(side, number, sak.suite, sak.key, pn, sak.salt, sak.ssci, lifetime)


def plain(size: int, random: Random, destination: bytes = PEER, source: bytes = OWN) -> bytes:
    """A frame of random bytes behind its addresses."""
    return destination + source + random.randbytes(size - MACS_BYTES)


def to_seal(frames: Iterable[bytes]) -> list[Ingress[Side]]:
    return [Ingress(Side.ACCELERATOR, frame) for frame in frames]


def to_open(frames: Iterable[bytes]) -> list[Ingress[Side]]:
    return [Ingress(Side.NETWORK, frame) for frame in frames]
