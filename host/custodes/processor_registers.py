# SPDX-License-Identifier: Apache-2.0
"""Registers of the processor, as data, and the writes that put sessions into it. Addresses count 32-bit words.

Numbers of several words have the lower first; so have keys, salts, addresses and SCIs, whose first byte is the lowest of
their first word.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterator

from custodes.macsec import ASSOCIATIONS, CHANNELS, MAX_WINDOW, Opening, Sealing, Side, Suite
from custodes.register_map import DATAPATH_WORDS, Access, Block, Field, Guard, Register
from custodes.registers import identity_registers

IDENTITY_VALUE = 0x43555350
TICK_CYCLES = 1 << 17
"""About a millisecond at 125 MHz."""
COUNTERS_PER_ASSOCIATION = 16
_BOTH = 2 * ASSOCIATIONS
"""Associations of both directions, in the order of `Side`."""


class Command(enum.IntEnum):
    """Bits 31 to 28 of `COMMAND`; the lower bits say to what."""

    LOAD = 1
    """Into the association in bits 5 to 0, with the suite in bits 17 and 16. Refused where one is in use, where not all of a
    key has been written since the last command, where a PN does not fit the suite or a transmit PN is 0, and while a key is
    being overwritten, which begins by itself when one comes to its end."""
    ZEROISE = 2
    """The association in bits 5 to 0."""
    CHANNEL = 3
    """Set the channel in bits 5 to 2 to address, SCI and window; bit 16: in use. Its association in use is AN 0."""
    SELECT = 4
    """The association in bits 5 to 0 seals from now on what goes through its channel."""
    TAMPER = 5
    """As the tamper input: everything is zeroised, and nothing passes until a reset."""


def _waiting(
    name: str, offset: int, description: str, count: int = 1, secret: bool = False, bits: int = 32
) -> Register:
    """A register that waits for a command."""
    fields = () if bits == 32 else (Field(name, 0, bits, "The number."),)
    return Register(name, offset, Access.WRITE, description, fields, count=count, secret=secret, guard=Guard.BLANK)


PROCESSOR_BLOCK = Block(
    "processor",
    0,
    "Sessions. Keys and what goes with them wait here for a command, which clears them whatever it is; what is written"
    " while a key is being loaded is lost.",
    (
        *identity_registers("processor", IDENTITY_VALUE),
        Register(
            "STATUS",
            0x003,
            Access.READ,
            "How commands went.",
            (
                Field(
                    "BUSY",
                    0,
                    1,
                    "A key is being loaded, or keys are being overwritten: LOAD and CHANNEL may be refused.",
                ),
                Field("REFUSED", 1, 1, "The last command was."),
                Field("TAMPERED", 2, 1, "Everything is zeroised, and nothing passes until a reset."),
            ),
        ),
        _waiting("KEY", 0x010, "Session key, its first byte the lowest of the first word.", count=8, secret=True),
        _waiting("SALT", 0x018, "Of extended suites.", count=3, secret=True),
        _waiting("SSCI", 0x01B, "Of extended suites.", secret=True),
        _waiting(
            "PN", 0x01C, "The next PN of a transmit association, the lowest acceptable of a receive association.", 2
        ),
        _waiting("LIFETIME", 0x01E, f"In ticks of {TICK_CYCLES} cycles of the datapath; 0: no end."),
        Register(
            "COMMAND",
            0x020,
            Access.WRITE,
            "Carries out a command.",
            (
                Field("ASSOCIATION", 0, 6, "4 times the channel, and AN; CHANNEL: its AN does not matter."),
                Field("RECEIVE", 8, 1, "A receive association or channel, not a transmit one."),
                Field("SUITE", 16, 2, "LOAD: the cipher suite. CHANNEL: 1, in use, or 0, not.", Suite),
                Field("ORDER", 28, 4, "What to do.", Command),
            ),
            guard=Guard.BLANK,
        ),
        _waiting("ADDRESS", 0x021, "The peer's MAC address of a transmit channel, the SCI of a receive channel.", 2),
        _waiting("SCI", 0x023, "Our SCI in a transmit channel.", 2),
        _waiting("WINDOW", 0x025, "Replay window of a receive channel, in frames.", bits=MAX_WINDOW.bit_length()),
        Register(
            "PN_STATE",
            0x200,
            Access.READ,
            "Two words per association, those that seal first: as PN, now.",
            count=2 * _BOTH,
            reset=None,
        ),
        Register(
            "ASSOCIATION_STATE",
            0x300,
            Access.READ,
            "Per association, those that seal first.",
            (Field("SUITE", 0, 2, "Of the last key.", Suite), Field("IN_USE", 8, 1, "It has a key.")),
            count=_BOTH,
            reset=None,
        ),
        Register(
            "OCTETS",
            0x400,
            Access.READ,
            "Two words per association, those that seal first: octets of secure data encrypted or decrypted.",
            count=2 * _BOTH,
            reset=None,
        ),
        Register(
            "COUNTERS",
            0x800,
            Access.READ,
            f"Frames: {COUNTERS_PER_ASSOCIATION} words per association, those that seal first, by what became of them.",
            count=COUNTERS_PER_ASSOCIATION * _BOTH,
            reset=None,
        ),
    ),
)

STATUS = PROCESSOR_BLOCK.address("STATUS")
KEY = PROCESSOR_BLOCK.address("KEY")
"""Words in this order: reads give 0."""
KEY_WORDS = PROCESSOR_BLOCK["KEY"].count
SALT = PROCESSOR_BLOCK.address("SALT")
SALT_WORDS = PROCESSOR_BLOCK["SALT"].count
SSCI = PROCESSOR_BLOCK.address("SSCI")
PN = PROCESSOR_BLOCK.address("PN")
LIFETIME = PROCESSOR_BLOCK.address("LIFETIME")
COMMAND = PROCESSOR_BLOCK.address("COMMAND")
ADDRESS = PROCESSOR_BLOCK.address("ADDRESS")
SCI = PROCESSOR_BLOCK.address("SCI")
WINDOW = PROCESSOR_BLOCK.address("WINDOW")
PN_STATE = PROCESSOR_BLOCK.address("PN_STATE")
ASSOCIATION_STATE = PROCESSOR_BLOCK.address("ASSOCIATION_STATE")
OCTETS = PROCESSOR_BLOCK.address("OCTETS")
COUNTERS = PROCESSOR_BLOCK.address("COUNTERS")
REGISTERS = DATAPATH_WORDS

RECEIVE = PROCESSOR_BLOCK["COMMAND"].field("RECEIVE").mask
SUITE_SHIFT = PROCESSOR_BLOCK["COMMAND"].field("SUITE").lowest
CHANNEL_IN_USE = 1 << SUITE_SHIFT
COMMAND_SHIFT = PROCESSOR_BLOCK["COMMAND"].field("ORDER").lowest

STATUS_BUSY = PROCESSOR_BLOCK["STATUS"].field("BUSY").mask
STATUS_REFUSED = PROCESSOR_BLOCK["STATUS"].field("REFUSED").mask
STATUS_TAMPERED = PROCESSOR_BLOCK["STATUS"].field("TAMPERED").mask

IN_USE = PROCESSOR_BLOCK["ASSOCIATION_STATE"].field("IN_USE").mask

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
    size = _WORDS_PER_ASSOCIATION[base]
    return base + size * (ASSOCIATIONS * side + association)


_WORDS_PER_ASSOCIATION = {
    PROCESSOR_BLOCK.address(name): PROCESSOR_BLOCK[name].count // _BOTH
    for name in ("PN_STATE", "ASSOCIATION_STATE", "OCTETS", "COUNTERS")
}
