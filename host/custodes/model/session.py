# SPDX-License-Identifier: Apache-2.0
"""MACsec sessions as an executable specification.

Sources: IEEE 802.1AE-2018 clauses 9 (SecTAG), 10.5 and 10.6 (order of checks, packet numbers, replay) and 14.5 to 14.8
(cipher suites). Checks stand in the order of `Sealing` and `Opening`, so that the first that fails is the one reported.
Time has no place here: an association that expires is one that is zeroised.
"""

from __future__ import annotations

from collections import Counter
from typing import Generic, NamedTuple, Self, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.keys import Association, Keys
from custodes.macsec import (
    ASSOCIATIONS,
    ASSOCIATIONS_PER_CHANNEL,
    ETHERTYPE,
    HEADER_BYTES,
    ICV_BYTES,
    MACS_BYTES,
    MAX_PLAIN_BYTES,
    MAX_SEALED_BYTES,
    MIN_PLAIN_BYTES,
    SALT_BYTES,
    SHORT_BYTES,
    TCI,
    Opening,
    Sealing,
    Suite,
    sectag,
)

AN_MASK = ASSOCIATIONS_PER_CHANNEL - 1
LOWER = 0xFFFF_FFFF
"""The part of a packet number that a SecTAG carries."""


class SealResult(NamedTuple):
    """What becomes of a frame that is to be sealed, and the association that counts it. ``frame`` is None for a drop."""

    frame: bytes | None
    reason: Sealing
    association: int = 0


class OpenResult(NamedTuple):
    """As `SealResult`, of a frame that is to be opened."""

    frame: bytes | None
    reason: Opening
    association: int = 0


class _Loaded:
    """An association with its key. ``pn`` is the next to send, or the lowest acceptable."""

    def __init__(self, suite: Suite, key: bytes, pn: int, salt: bytes, ssci: int) -> None:
        if len(key) != suite.key_bytes or len(salt) != SALT_BYTES:
            raise ValueError("the key or the salt is not that of the suite")
        self.suite, self.pn = suite, pn
        self._gcm, self._salt, self._ssci = AESGCM(key), salt, ssci

    def _iv(self, sci: bytes, pn: int) -> bytes:
        if not self.suite.extended:
            return sci + pn.to_bytes(4)
        return bytes(a ^ b for a, b in zip(self._ssci.to_bytes(4) + pn.to_bytes(8), self._salt, strict=True))

    def encrypt(self, sci: bytes, pn: int, header: bytes, data: bytes) -> bytes:
        """Ciphertext and ICV."""
        return self._gcm.encrypt(self._iv(sci, pn), data, header)

    def decrypt(self, sci: bytes, pn: int, header: bytes, sealed: bytes) -> bytes | None:
        """The plaintext, or None where the ICV is wrong."""
        try:
            return self._gcm.decrypt(self._iv(sci, pn), sealed, header)
        except InvalidTag:
            return None


C = TypeVar("C", Sealing, Opening)


class _Direction(Generic[C]):
    """The associations of one direction, by number, and what they count.

    Members:
        counters: frames by association and outcome.
        octets: octets of secure data encrypted, or decrypted successfully, by association.
        lowest_pn: that an association can be loaded with.
    """

    lowest_pn = 0

    def __init__(self) -> None:
        self.counters: Counter[tuple[int, C]] = Counter()
        self.octets: Counter[int] = Counter()
        self._loaded: dict[int, _Loaded] = {}

    def load(
        self, association: int, suite: Suite, key: bytes, pn: int, salt: bytes = bytes(SALT_BYTES), ssci: int = 0
    ) -> None:
        """Put a key into an association; raises `ValueError` where there is one or the parameters do not fit."""
        if association in self._loaded or not 0 <= association < ASSOCIATIONS:
            raise ValueError(f"association {association} is in use, or there is none")
        if not self.lowest_pn <= pn <= suite.max_pn:
            raise ValueError(f"PN {pn} does not fit the suite")
        self._loaded[association] = _Loaded(suite, key, pn, salt, ssci)

    def zeroise(self, association: int) -> None:
        """Forget the key of an association."""
        self._loaded.pop(association, None)

    def pn(self, association: int) -> int | None:
        """The next PN to send, or the lowest acceptable; None where the association has no key."""
        loaded = self._loaded.get(association)
        return None if loaded is None else loaded.pn

    def suite(self, association: int) -> Suite | None:
        """The cipher suite; None where the association has no key."""
        loaded = self._loaded.get(association)
        return None if loaded is None else loaded.suite

    def _load_all(self, channel: int, associations: tuple[Association, ...]) -> None:
        for one in associations:
            number = channel * ASSOCIATIONS_PER_CHANNEL + one.an
            self.load(number, one.suite, one.key, one.pn, one.salt or bytes(SALT_BYTES), one.ssci or 0)


class Sealer(_Direction[Sealing]):
    """Seals frames: 10.5. A transmit channel has the address of a peer, our SCI and an association that is selected."""

    lowest_pn = 1

    def __init__(self) -> None:
        super().__init__()
        self._channels: dict[int, tuple[bytes, bytes]] = {}
        self._selected: dict[int, int] = {}

    @classmethod
    def of(cls, keys: Keys) -> Self:
        """With the transmit channels of a keys file."""
        sealer = cls()
        for number, channel in enumerate(keys.transmit):
            sealer.set_channel(number, channel.peer, channel.sci)
            sealer._load_all(number, channel.association)
            sealer.select(number * ASSOCIATIONS_PER_CHANNEL + channel.an)
        return sealer

    def set_channel(self, channel: int, peer: bytes, sci: bytes) -> None:
        """Put a channel into use, with AN 0 selected."""
        self._channels[channel] = (peer, sci)
        self._selected[channel] = 0

    def clear_channel(self, channel: int) -> None:
        """Put a channel out of use."""
        self._channels.pop(channel, None)

    def select(self, association: int) -> None:
        """From now on it seals what goes through its channel."""
        self._selected[association // ASSOCIATIONS_PER_CHANNEL] = association & AN_MASK

    def seal(self, frame: bytes, error: bool = False) -> SealResult:
        """Seal one frame.

        Args:
            frame: from the destination address on, without FCS.
            error: the port it came from marks it bad.
        """
        result = self._seal(frame, error)
        self.counters[result.association, result.reason] += 1
        if result.frame is not None:
            self.octets[result.association] += len(frame) - MACS_BYTES
        return result

    def _seal(self, frame: bytes, error: bool) -> SealResult:
        if error:
            return SealResult(None, Sealing.OUT_PKTS_ERROR)
        if len(frame) < MIN_PLAIN_BYTES:
            return SealResult(None, Sealing.OUT_PKTS_TOO_SHORT)
        if len(frame) > MAX_PLAIN_BYTES:
            return SealResult(None, Sealing.OUT_PKTS_TOO_LONG)
        found = [number for number, (peer, _) in self._channels.items() if peer == frame[:6]]
        if not found:
            return SealResult(None, Sealing.OUT_PKTS_NO_PEER)
        channel = min(found)
        sci, an = self._channels[channel][1], self._selected[channel]
        number = channel * ASSOCIATIONS_PER_CHANNEL + an
        association = self._loaded.get(number)
        if association is None:
            return SealResult(None, Sealing.OUT_PKTS_NOT_USING_SA, number)
        pn, data = association.pn, frame[MACS_BYTES:]
        header = frame[:MACS_BYTES] + sectag(an, pn, sci, len(data))
        sealed = header + association.encrypt(sci, pn, header, data)
        association.pn += 1
        if pn == association.suite.max_pn:
            self.zeroise(number)
        return SealResult(sealed, Sealing.OUT_PKTS_ENCRYPTED, number)


class Opener(_Direction[Opening]):
    """Opens frames: 10.6. A receive channel has the SCI of a peer and a replay window, in packet numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._channels: dict[int, tuple[bytes, int]] = {}

    @classmethod
    def of(cls, keys: Keys) -> Self:
        """With the receive channels of a keys file."""
        opener = cls()
        for number, channel in enumerate(keys.receive):
            opener.set_channel(number, channel.sci, channel.window)
            opener._load_all(number, channel.association)
        return opener

    def set_channel(self, channel: int, sci: bytes, window: int) -> None:
        """Put a channel into use."""
        self._channels[channel] = (sci, window)

    def clear_channel(self, channel: int) -> None:
        """Put a channel out of use."""
        self._channels.pop(channel, None)

    def open(self, frame: bytes, error: bool = False) -> OpenResult:
        """Open one frame.

        Args:
            frame: from the destination address on, without FCS.
            error: the port it came from marks it bad.
        """
        result = self._open(frame, error)
        self.counters[result.association, result.reason] += 1
        if result.frame is not None:
            self.octets[result.association] += len(result.frame) - MACS_BYTES
        return result

    def _open(self, frame: bytes, error: bool) -> OpenResult:
        if error:
            return OpenResult(None, Opening.IN_PKTS_ERROR)
        if len(frame) > MAX_SEALED_BYTES:
            return OpenResult(None, Opening.IN_PKTS_TOO_LONG)
        if int.from_bytes(frame[MACS_BYTES : MACS_BYTES + 2]) != ETHERTYPE:
            return OpenResult(None, Opening.IN_PKTS_NO_TAG)
        if not _well_formed(frame):
            return OpenResult(None, Opening.IN_PKTS_BAD_TAG)
        header, received, sci = frame[:HEADER_BYTES], int.from_bytes(frame[16:20]), frame[20:28]
        found = [number for number, (known, _) in self._channels.items() if known == sci]
        if not found:
            return OpenResult(None, Opening.IN_PKTS_NO_SCI)
        channel = min(found)
        number = channel * ASSOCIATIONS_PER_CHANNEL + (frame[14] & AN_MASK)
        association = self._loaded.get(number)
        if association is None:
            return OpenResult(None, Opening.IN_PKTS_NOT_USING_SA, number)
        if received == 0 and not association.suite.extended:
            return OpenResult(None, Opening.IN_PKTS_BAD_TAG)
        pn = recovered(association.pn, received) if association.suite.extended else received
        if pn < association.pn:
            return OpenResult(None, Opening.IN_PKTS_LATE, number)
        data = association.decrypt(sci, pn, header, frame[HEADER_BYTES:])
        if data is None:
            return OpenResult(None, Opening.IN_PKTS_NOT_VALID, number)
        association.pn = max(association.pn, pn + 1 - self._channels[channel][1])
        return OpenResult(frame[:MACS_BYTES] + data, Opening.IN_PKTS_OK, number)


def _well_formed(frame: bytes) -> bool:
    """Whether a SecTAG is as 9.12 demands and that of an encrypted frame with an explicit SCI."""
    secure_data_bytes = len(frame) - HEADER_BYTES - ICV_BYTES
    if secure_data_bytes < 1 or frame[14] & ~AN_MASK != TCI:
        return False
    short = frame[15]
    return secure_data_bytes >= SHORT_BYTES if short == 0 else short == secure_data_bytes < SHORT_BYTES


def recovered(lowest: int, received: int) -> int:
    """The 64-bit PN that is meant by 32 bits, from the lowest acceptable: 10.6.2."""
    upper = lowest >> 32
    if lowest >> 31 & 1 and not received >> 31:
        upper += 1
    return (upper & LOWER) << 32 | received
