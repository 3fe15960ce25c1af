# SPDX-License-Identifier: Apache-2.0
"""Registers of the processor, and the writes that put sessions into it. Addresses count 32-bit words.

Numbers of several words have the lower first; so have keys, salts, addresses and SCIs, whose first byte is the lowest of
their first word.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterator

from custodes.macsec import ASSOCIATIONS, CHANNELS, Opening, Sealing, Side, Suite

IDENTITY_VALUE = 0x43555350
STATUS = 0x003

KEY = 0x010
"""Eight words, written only, in this order: reads give 0. A key, salt and so on wait here for a command, which clears them
whatever it is; while a key is being loaded, what is written here is lost."""
KEY_WORDS = 8
SALT = 0x018
SALT_WORDS = 3
SSCI = 0x01B
PN = 0x01C
"""Two words: the next PN of a transmit association, the lowest acceptable of a receive association."""
LIFETIME = 0x01E
"""In ticks of `TICK_CYCLES`; 0: no end."""
COMMAND = 0x020
ADDRESS = 0x021
"""Two words: the peer's MAC address of a transmit channel, the SCI of a receive channel."""
SCI = 0x023
"""Two words: our SCI in a transmit channel."""
WINDOW = 0x025
"""Replay window of a receive channel."""

PN_STATE = 0x200
"""Two words per association, both directions: as `PN`, now."""
ASSOCIATION_STATE = 0x300
"""One word per association: `IN_USE` and the suite."""
OCTETS = 0x400
"""Two words per association: octets of secure data encrypted or decrypted."""
COUNTERS = 0x800
"""A word per association and `Sealing` or `Opening`."""
COUNTERS_PER_ASSOCIATION = 16
REGISTERS = 0x1000

TICK_CYCLES = 1 << 17
"""About a millisecond at 125 MHz."""


class Command(enum.IntEnum):
    """Bits 31 to 28 of `COMMAND`; the lower bits say to what."""

    LOAD = 1
    """Into the association in bits 5 to 0, with the suite in bits 17 and 16. Refused where one is in use, where not all of a
    key has been written since the last command, and where a PN does not fit the suite or a transmit PN is 0."""
    ZEROISE = 2
    """The association in bits 5 to 0."""
    CHANNEL = 3
    """Set the channel in bits 5 to 2 to address, SCI and window; bit 16: in use. Its association in use is AN 0."""
    SELECT = 4
    """The association in bits 5 to 0 seals from now on what goes through its channel."""
    TAMPER = 5
    """As the tamper input: everything is zeroised, and nothing passes until a reset."""


RECEIVE = 1 << 8
"""Of `COMMAND`: a receive association or channel."""
SUITE_SHIFT = 16
CHANNEL_IN_USE = 1 << 16
COMMAND_SHIFT = 28

STATUS_BUSY = 1 << 0
"""A key is being loaded, or keys are being overwritten. `Command.LOAD` and `Command.CHANNEL` may be refused meanwhile."""
STATUS_REFUSED = 1 << 1
"""The last command was."""
STATUS_TAMPERED = 1 << 2

IN_USE = 1 << 8
"""Of `ASSOCIATION_STATE`; the suite is below."""

VOCABULARY_VALUE = zlib.crc32(repr([[*Sealing], [*Opening], [*Suite], [*Command], CHANNELS]).encode())
"""Of all that host and device must agree on."""


def command(command: Command, number: int, side: Side, bits: int = 0) -> int:
    """The value of `COMMAND`. ``number``: of an association, or 4 times that of a channel."""
    return command << COMMAND_SHIFT | bits | (RECEIVE if side == Side.NETWORK else 0) | number


def words(value: bytes) -> list[int]:
    """The 32-bit words of a number of bytes that is a multiple of 4."""
    return [int.from_bytes(value[at : at + 4], "little") for at in range(0, len(value), 4)]


def channel_writes(side: Side, channel: int, address: bytes, sci: bytes, window: int) -> Iterator[tuple[int, int]]:
    """Set a channel: ``address`` is the peer's MAC address (transmit) or SCI (receive)."""
    for at, word in enumerate(words(address.ljust(8, b"\0"))):
        yield ADDRESS + at, word
    for at, word in enumerate(words(sci)):
        yield SCI + at, word
    yield WINDOW, window
    yield COMMAND, command(Command.CHANNEL, 4 * channel, side, CHANNEL_IN_USE)


def load_writes(
    side: Side, association: int, suite: Suite, key: bytes, pn: int, salt: bytes, ssci: int, lifetime: int
) -> Iterator[tuple[int, int]]:
    """Load an association; ``salt`` (12 bytes) and ``ssci`` matter to extended suites only."""
    for at, word in enumerate(words(key.ljust(32, b"\0"))):
        yield KEY + at, word
    for at, word in enumerate(words(salt)):
        yield SALT + at, word
    yield SSCI, ssci
    yield PN, pn & 0xFFFF_FFFF
    yield PN + 1, pn >> 32
    yield LIFETIME, lifetime
    yield COMMAND, command(Command.LOAD, association, side, suite << SUITE_SHIFT)


def association_register(base: int, side: Side, association: int) -> int:
    """Address of the (first) word of an association in `PN_STATE`, `ASSOCIATION_STATE`, `OCTETS` or `COUNTERS`."""
    size = {PN_STATE: 2, ASSOCIATION_STATE: 1, OCTETS: 2, COUNTERS: COUNTERS_PER_ASSOCIATION}[base]
    return base + size * (ASSOCIATIONS * side + association)
