# SPDX-License-Identifier: Apache-2.0
"""Registers of the coin flip in a device, as data: what `gateware.entropy.Coin` has.

Shares, salts and commitments have 8 words each, their first byte the lowest of the first. Numbers of two words have the
lower first.
"""

from __future__ import annotations

import enum

from custodes.register_map import Access, Block, Field, Register

COIN_BASE = 0x600
"""Word address of the first."""
COIN_WORDS = 0x100
"""Word addresses that are kept for them."""
SHARE_WORDS = 8
PARTIES = 2


class Party(enum.IntEnum):
    """Who flips the coin: the number is part of commitments."""

    PROVER = 0
    VERIFIER = 1


class CoinState(enum.IntEnum):
    """What becomes of an epoch. Any two encodings differ in three bits or more: what is none of these is
    `CoinFault.INTEGRITY`."""

    WIPE = 0b0110001
    """Everything secret is being overwritten."""
    IDLE = 0b1010010
    """No epoch."""
    COMMIT = 0b1100011
    """Waits for the commitments."""
    COMPARE = 0b1100100
    """Sees whether both commitments are the same."""
    REVEAL = 0b1010101
    """Both are latched; waits for the shares."""
    CHECK = 0b0110110
    """Digests a share and its salt, and compares that with the commitment."""
    DERIVE = 0b0000111
    """Makes the seed of both shares."""
    DRAWN = 0b1001001
    """Words come."""
    FAULT = 0b1111000
    """The epoch is void. Nothing but a later epoch ends that."""


class CoinFault(enum.IntEnum):
    """Why an epoch is void."""

    NONE = 0
    EPOCH = 1
    """An epoch was to begin that is not later than the one before."""
    REPEATED = 2
    """A party's commitment was latched, or its share accepted, already."""
    COPIED = 3
    """Both commitments are the same."""
    EARLY = 4
    """A share came before both commitments were latched."""
    MISMATCH = 5
    """A share and its salt are not what was committed to."""
    INTEGRITY = 6
    """A state machine was in a state that does not exist."""


class CoinOrder(enum.IntEnum):
    """What `COIN_COMMAND` does; all but END are refused while the device is at work."""

    BEGIN = 1
    """Forget everything, and begin the epoch in `COIN_NEXT`, with the limit in `COIN_LIMIT`."""
    LATCH = 2
    """Latch the commitment of a party, from `COIN_COMMITMENT`."""
    REVEAL = 3
    """Check the share of a party, from `COIN_SHARE` and `COIN_SALT`. With both, words come."""
    END = 4
    """Forget everything. Words stop."""


_PARTIES = tuple(party.name for party in Party)
_BOTH = PARTIES * SHARE_WORDS


def _flags(name: str, lowest: int, description: str) -> tuple[Field, ...]:
    return tuple(Field(f"{name}_{party.name}", lowest + party, 1, description) for party in Party)


COIN_BLOCK = Block(
    "coin",
    COIN_BASE,
    "The coin flip: two parties commit to shares and reveal them, and the device makes words of both.",
    (
        Register(
            "COIN_STATUS",
            0x00,
            Access.READ,
            "How far the epoch is.",
            (
                Field("STATE", 0, 7, "Any two of them differ in three bits or more.", CoinState),
                Field("FAULT", 8, 3, "Why the epoch is void.", CoinFault),
                *_flags("LATCHED", 12, "The party's commitment is latched."),
                *_flags("REVEALED", 14, "The party's share is what it committed to."),
                Field("BUSY", 16, 1, "At work: commands but END are refused, and COIN_COMMITMENT cannot be read."),
                Field("REFUSED", 17, 1, "The last command was."),
                Field("LIVE_CLUSTER", 18, 1, "There are words for flows that a cluster station begins."),
                Field("LIVE_WORLD", 19, 1, "There are words for flows that a world station begins."),
            ),
            reset=CoinState.WIPE | 1 << 16,
        ),
        Register(
            "COIN_COMMAND",
            0x01,
            Access.WRITE,
            "Carries out a command.",
            (
                Field("PARTY", 0, 1, "LATCH, REVEAL: whose.", Party),
                Field("ORDER", 4, 3, "What to do.", CoinOrder),
            ),
        ),
        Register("COIN_EPOCH", 0x02, Access.READ, "Number of the epoch, of the last one where there is none.", count=2),
        Register("COIN_NEXT", 0x04, Access.WRITE, "Number of the epoch that BEGIN begins.", count=2),
        Register(
            "COIN_LIMIT",
            0x06,
            Access.READ_WRITE,
            "Words that each direction gets in an epoch; BEGIN takes it.",
            reset=(1 << 32) - 1,
        ),
        Register(
            "COIN_USED",
            0x08,
            Access.READ,
            "Words that have been used in this epoch, those of the cluster's flows first.",
            count=2,
            names=("CLUSTER", "WORLD"),
        ),
        Register(
            "COIN_COMMITMENT",
            0x10,
            Access.READ_WRITE,
            "The commitments, the prover's first. What is written to one that is latched, or while busy, is lost.",
            count=_BOTH,
            reset=None,
        ),
        Register(
            "COIN_SHARE",
            0x20,
            Access.WRITE,
            "The shares, the prover's first. What is written when none is waited for, or while busy, is lost.",
            count=_BOTH,
            secret=True,
        ),
        Register("COIN_SALT", 0x30, Access.WRITE, "What was hashed with them, likewise.", count=_BOTH, secret=True),
    ),
)
