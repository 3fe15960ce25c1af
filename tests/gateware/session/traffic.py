# SPDX-License-Identifier: Apache-2.0
"""Random sessions, and frames of every kind for both sides of them, by seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from custodes.link import Ingress
from custodes.macsec import (
    ASSOCIATIONS_PER_CHANNEL,
    CHANNELS,
    ICV_BYTES,
    MACS_BYTES,
    MAX_PLAIN_BYTES,
    MAX_SEALED_BYTES,
    MAX_WINDOW,
    MIN_PLAIN_BYTES,
    TCI,
    Side,
    Suite,
    sectag,
)
from tests.gateware.session.bench import OWN, Bench, Sak, Station, plain

PEERS = 6
"""In each direction, besides one whose selected association has no key."""
WINDOWS = (0, 0, 1, 3, 64, MAX_WINDOW)
HALF = 1 << 31
TAGGED = b"\x81\x00\x20\x2a"


def address(number: int) -> bytes:
    """Of a peer's station."""
    return b"\x02\x10\0\0\0" + bytes((number,))


class Peer(Station):
    """A station that sends to the processor, the replay window of its channel, and what it has sent last. Having come to
    its last PN, it stays there."""

    def __init__(self, sak: Sak, an: int, pn: int, sci: bytes, window: int) -> None:
        super().__init__(sak, an, pn, sci)
        self.window = window
        self.sent: deque[bytes] = deque(maxlen=2 * min(window, 20) + 8)

    def seal_next(self, text: bytes, skipping: int = 0) -> bytes:
        """As a station that has not sent some frames before."""
        last = self.sak.suite.max_pn
        pn = min(self.pn + skipping, last)
        self.pn = min(pn + 1, last)
        self.sent.append(self.seal(text, pn))
        return self.sent[-1]


class Traffic:
    """Gives a processor random sessions, and makes frames for it.

    A late frame of an extended suite is never one on the other side of a multiple of 2^31: see `Opener` of the gateware.
    """

    def __init__(self, bench: Bench, seed: int) -> None:
        self.random = random = Random(seed)
        channels = random.sample(range(CHANNELS), PEERS + 1)
        for index, channel in enumerate(channels[1:]):
            ans = random.sample(range(ASSOCIATIONS_PER_CHANNEL), random.randint(1, 3))
            bench.send_to(channel, address(index), OWN + random.randbytes(2))
            for an in ans:
                sak = Sak.random(Suite(index % len(Suite)), random)
                bench.load_sak(
                    Side.ACCELERATOR, ASSOCIATIONS_PER_CHANNEL * channel + an, sak, self._first_pn(sak.suite)
                )
            bench.select(ASSOCIATIONS_PER_CHANNEL * channel + ans[0])
        bench.send_to(channels[0], address(PEERS))
        self.peers: list[Peer] = []
        for index, channel in enumerate(random.sample(range(CHANNELS), PEERS)):
            ans = random.sample(range(ASSOCIATIONS_PER_CHANNEL), random.randint(1, 3))
            sci, window = address(index) + random.randbytes(2), WINDOWS[index]
            bench.receive_from(channel, sci, window)
            for an in ans:
                sak = Sak.random(Suite((index + 1) % len(Suite)), random)
                pn = self._first_received_pn(sak.suite)
                bench.load_sak(Side.NETWORK, ASSOCIATIONS_PER_CHANNEL * channel + an, sak, pn)
                self.peers.append(Peer(sak, an, pn, sci, window))

    def _first_pn(self, suite: Suite) -> int:
        return self.random.choice(
            (1, self.random.randrange(1, suite.max_pn), suite.max_pn - 40, (1 << 32) - 60 if suite.extended else 7)
        )

    def _first_received_pn(self, suite: Suite) -> int:
        """Far from a multiple of 2^31, or, with 32 bits, one whose last is near."""
        if suite.extended:
            upper = self.random.choice((0, 1, self.random.randrange(1 << 32)))
            return (upper << 32) + self.random.randrange(2) * HALF + self.random.randrange(2 * MAX_WINDOW, HALF // 2)
        return self.random.choice((1, self.random.randrange(1, suite.max_pn), suite.max_pn - 30))

    def frames(self, count: int) -> list[Ingress[Side]]:
        """The next frames, about as many for one side as for the other."""
        makers = list(Side)
        return [self._make(self.random.choice(makers)) for _ in range(count)]

    def _make(self, side: Side) -> Ingress[Side]:
        table = OUTGOING if side is Side.ACCELERATOR else INCOMING
        make = self.random.choices(list(table), list(table.values()))[0]
        return Ingress(side, make(self), make is Traffic.marked_bad or make is Traffic.sealed_marked_bad)

    def size(self) -> int:
        return self.random.choice(
            (
                self.random.randint(MIN_PLAIN_BYTES, 80),
                self.random.randint(MIN_PLAIN_BYTES, 300),
                self.random.randint(MIN_PLAIN_BYTES, MAX_PLAIN_BYTES),
                MAX_PLAIN_BYTES - self.random.randrange(3),
            )
        )

    # Frames to be sealed.

    def good(self) -> bytes:
        return plain(self.size(), self.random, address(self.random.randrange(PEERS)))

    def tagged(self) -> bytes:
        frame = self.good()[: MAX_PLAIN_BYTES - len(TAGGED)]
        return frame[:MACS_BYTES] + TAGGED + frame[MACS_BYTES:]

    def to_nobody(self) -> bytes:
        known = address(self.random.randrange(PEERS))
        other = bytearray(known)
        other[self.random.randrange(6)] ^= 1 << self.random.randrange(8)
        return plain(self.size(), self.random, self.random.choice((bytes(other), b"\xff" * 6)))

    def to_unkeyed(self) -> bytes:
        return plain(self.size(), self.random, address(PEERS))

    def runt(self) -> bytes:
        return self.good()[: self.random.randint(1, MIN_PLAIN_BYTES - 1)]

    def oversize(self) -> bytes:
        more = self.random.choice((1, 2, self.random.randint(1, 100), self.random.randint(1, 3000)))
        return plain(MAX_PLAIN_BYTES + more, self.random, address(0))

    def marked_bad(self) -> bytes:
        return self.random.choice((self.good, self.oversize, self.runt))()

    # Frames to be opened.

    def _peer(self) -> Peer:
        return self.random.choice(self.peers)

    def _text(self) -> bytes:
        return plain(max(MACS_BYTES + 1, self.size() - self.random.randrange(2)), self.random, OWN, address(0))

    def sealed(self, peer: Peer | None = None) -> bytes:
        return (peer or self._peer()).seal_next(
            self._text(), self.random.choice((0, 0, 0, 1, self.random.randrange(40)))
        )

    def sealed_tagged(self) -> bytes:
        text = self._text()[: MAX_PLAIN_BYTES - len(TAGGED)]
        return self._peer().seal_next(text[:MACS_BYTES] + TAGGED + text[MACS_BYTES:])

    def late(self) -> bytes:
        peer = self._peer()
        by = self.random.choice((1, 2, peer.window, peer.window + 1, peer.window + 2, self.random.randrange(1, 90)))
        return peer.seal(self._text(), max(1, peer.pn - by))

    def replayed(self) -> bytes:
        peer = self._peer()
        return self.random.choice(peer.sent) if peer.sent else self.sealed(peer)

    def flipped(self) -> bytes:
        frame = bytearray(self.sealed())
        for _ in range(self.random.choice((1, 1, 2, 9))):
            end = self.random.choice((40, len(frame)))
            frame[self.random.randrange(min(end, len(frame)))] ^= 1 << self.random.randrange(8)
        return bytes(frame)

    def cut(self) -> bytes:
        frame = self.sealed()
        return frame[: self.random.choice((self.random.randint(1, 60), self.random.randrange(1, len(frame))))]

    def extended(self) -> bytes:
        return self.sealed() + self.random.randbytes(self.random.choice((1, self.random.randint(1, 70))))

    def of_stranger(self) -> bytes:
        peer = self._peer()
        sci = bytearray(peer.sci)
        sci[self.random.randrange(8)] ^= 1 << self.random.randrange(8)
        return Station(peer.sak, peer.an, peer.pn, bytes(sci)).seal(self._text())

    def with_other_an(self) -> bytes:
        peer, text = self._peer(), self._text()
        an = self.random.randrange(ASSOCIATIONS_PER_CHANNEL)
        return peer.seal(text, peer.pn, sectag(an, peer.pn, peer.sci, len(text) - MACS_BYTES))

    def with_other_key(self) -> bytes:
        peer = self._peer()
        return Station(Sak.random(peer.sak.suite, self.random), peer.an, peer.pn, peer.sci).seal(self._text())

    def with_other_tag(self) -> bytes:
        """One octet of the SecTAG is another; the ICV fits it."""
        peer, text = self._peer(), self._text()
        if self.random.randrange(2):
            text = text[: self.random.randint(MACS_BYTES + 1, 64)]
        tag = bytearray(sectag(peer.an, peer.pn, peer.sci, len(text) - MACS_BYTES))
        at = self.random.choice((2, 3))
        tag[at] = self.random.choice((self.random.randrange(256), tag[at] ^ 1 << self.random.randrange(8)))
        if tag[2] & ~3 == TCI:
            tag[2] = TCI | peer.an
        return peer.seal(text, peer.pn, bytes(tag))

    def with_pn_0(self) -> bytes:
        peer = self._peer()
        return peer.seal(self._text(), peer.pn >> 32 << 32)

    def sealed_oversize(self) -> bytes:
        text = self._text()[:MAX_PLAIN_BYTES]
        more = self.random.choice((1, 2, self.random.randint(1, 100), self.random.randint(1, 3000)))
        peer = self._peer()
        return peer.seal(text + self.random.randbytes(MAX_PLAIN_BYTES - len(text) + more), peer.pn)

    def sealed_runt(self) -> bytes:
        return self.sealed()[: self.random.randint(1, 28 + ICV_BYTES)]

    def sealed_marked_bad(self) -> bytes:
        return self.random.choice((self.sealed, self.sealed_oversize, self.sealed_runt, self.flipped))()

    def without_tag(self) -> bytes:
        frame = self.sealed()[: MAX_SEALED_BYTES - len(TAGGED)]
        return self.random.choice((self._text(), frame[:MACS_BYTES] + TAGGED + frame[MACS_BYTES:]))


OUTGOING: dict[Callable[[Traffic], bytes], int] = {
    Traffic.good: 14,
    Traffic.tagged: 3,
    Traffic.to_nobody: 2,
    Traffic.to_unkeyed: 1,
    Traffic.runt: 1,
    Traffic.oversize: 1,
    Traffic.marked_bad: 1,
}
"""How often each kind is made."""
INCOMING: dict[Callable[[Traffic], bytes], int] = {
    Traffic.sealed: 16,
    Traffic.sealed_tagged: 2,
    Traffic.late: 3,
    Traffic.replayed: 3,
    Traffic.flipped: 4,
    Traffic.cut: 2,
    Traffic.extended: 1,
    Traffic.of_stranger: 1,
    Traffic.with_other_an: 2,
    Traffic.with_other_key: 1,
    Traffic.with_other_tag: 2,
    Traffic.with_pn_0: 1,
    Traffic.sealed_oversize: 1,
    Traffic.sealed_runt: 1,
    Traffic.sealed_marked_bad: 1,
    Traffic.without_tag: 2,
}
