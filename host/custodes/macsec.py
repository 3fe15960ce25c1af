# SPDX-License-Identifier: Apache-2.0
"""Vocabulary of MACsec sessions (IEEE 802.1AE-2018): the SecTAG, cipher suites, what becomes of a frame, and limits."""

from __future__ import annotations

import enum

ETHERTYPE = 0x88E5
MACS_BYTES = 12
SECTAG_BYTES = 16
"""EtherType, TCI and AN, SL, PN, and always an explicit SCI: 9.3."""
HEADER_BYTES = MACS_BYTES + SECTAG_BYTES
"""All of it is additional authenticated data."""
ICV_BYTES = 16
SALT_BYTES = 12
OVERHEAD_BYTES = SECTAG_BYTES + ICV_BYTES
SHORT_BYTES = 48
"""Secure data of fewer bytes has its length in SL: 9.7."""

MIN_PLAIN_BYTES = 14
MAX_PLAIN_BYTES = 1518
"""Without FCS; with one 802.1Q tag."""
MAX_SEALED_BYTES = MAX_PLAIN_BYTES + OVERHEAD_BYTES

TCI_VERSION, TCI_ES, TCI_SC, TCI_SCB, TCI_E, TCI_C = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04
"""Bits of the octet that ends with the AN: 9.5."""
TCI = TCI_SC | TCI_E | TCI_C
"""The only one that is sent or taken: explicit SCI, encrypted."""
AN_BITS = 2
ASSOCIATIONS_PER_CHANNEL = 1 << AN_BITS
CHANNELS = 16
"""In each direction."""
ASSOCIATIONS = CHANNELS * ASSOCIATIONS_PER_CHANNEL
"""In each direction; number ``channel * 4 + AN``."""
MAX_WINDOW = 1 << 20
"""Frames that may come out of order and still be taken: 10.6.5 (replayWindow)."""


class Side(enum.IntEnum):
    """Where a frame enters a processor. Those from the accelerator are sealed, those from the network opened."""

    ACCELERATOR = 0
    NETWORK = 1


class Suite(enum.IntEnum):
    """Cipher suites: 14.5 to 14.8. Bit 0: 256-bit key; bit 1: 64-bit packet number, with salt and SSCI."""

    GCM_AES_128 = 0
    GCM_AES_256 = 1
    GCM_AES_XPN_128 = 2
    GCM_AES_XPN_256 = 3

    @property
    def key_bytes(self) -> int:
        return 32 if self & 1 else 16

    @property
    def extended(self) -> bool:
        """PN of 64 bits."""
        return bool(self & 2)

    @property
    def max_pn(self) -> int:
        """The last PN of an association."""
        return (1 << (64 if self.extended else 32)) - 1

    @property
    def title(self) -> str:
        """As the standard and `ip macsec` write it."""
        return self.name.replace("_", "-")


class _Counted(enum.IntEnum):
    @property
    def title(self) -> str:
        """As Linux names the counter."""
        words = self.name.split("_")
        return "".join(word if word in ("OK", "SA", "SCI") else word.capitalize() for word in words)


class Sealing(_Counted):
    """What becomes of a frame that is to be sealed; of several that apply, the lowest but 0. Counted per association;
    where there is none, under association 0."""

    OUT_PKTS_ENCRYPTED = 0
    OUT_PKTS_ERROR = 1
    """The port it came from marks it bad."""
    OUT_PKTS_TOO_SHORT = 2
    OUT_PKTS_TOO_LONG = 3
    OUT_PKTS_NO_PEER = 4
    """No channel goes to its destination."""
    OUT_PKTS_NOT_USING_SA = 5
    """The channel's association has no key: never loaded, exhausted, expired or zeroised, be it with the frame inside."""


class Opening(_Counted):
    """What becomes of a frame that is to be opened; of several that apply, the lowest but 0. Counted per association;
    up to `IN_PKTS_NO_SCI`, under association 0."""

    IN_PKTS_OK = 0
    IN_PKTS_ERROR = 1
    """The port it came from marks it bad."""
    IN_PKTS_TOO_LONG = 2
    IN_PKTS_NO_TAG = 3
    """Its EtherType is another, or it has none."""
    IN_PKTS_BAD_TAG = 4
    """Its SecTAG is not as 9.12 demands, is not that of an encrypted frame with an explicit SCI, or has PN 0 and may not."""
    IN_PKTS_NO_SCI = 5
    """No channel has its SCI."""
    IN_PKTS_NOT_USING_SA = 6
    """The association that its AN means has no key."""
    IN_PKTS_LATE = 7
    """Its PN is below the lowest acceptable."""
    IN_PKTS_NOT_VALID = 8
    """The ICV is wrong."""


def sectag(an: int, pn: int, sci: bytes, secure_data_bytes: int) -> bytes:
    """A SecTAG; of ``pn`` the lower 32 bits are in it."""
    short = secure_data_bytes if secure_data_bytes < SHORT_BYTES else 0
    return ETHERTYPE.to_bytes(2, "big") + bytes([TCI | an, short]) + (pn & 0xFFFF_FFFF).to_bytes(4, "big") + sci
