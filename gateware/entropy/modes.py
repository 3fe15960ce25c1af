# SPDX-License-Identifier: Apache-2.0
"""What a coin is made of: its modes, and where things are."""

from typing import Any

from amaranth.hdl import Value
from amaranth.lib import enum

from custodes.coin_registers import COIN_BLOCK, CoinState, Party
from gateware.control.guarded import guarded
from gateware.entropy.message import ROWS
from gateware.hash.sha256 import STATE_WORDS
from gateware.hash.sha256 import WORD_BITS as HASH_BITS

SALTS = 2 * STATE_WORDS
"""Where the salts begin in the store: shares come first. The seed takes the place of the first salt."""
WIPE_CYCLES = ROWS
"""One for each word of the store; the queues of words take fewer."""
USE_CYCLES = STATE_WORDS + 2
"""For the words of a digest, the last of which is at hand two cycles after it was asked for."""
COMPARE_CYCLES = STATE_WORDS + 4
"""For the words of both commitments, and until it is known that the last are the same."""
BUSY = (CoinState.WIPE, CoinState.COMPARE, CoinState.CHECK, CoinState.DERIVE)
DECIDED = (CoinState.IDLE, CoinState.FAULT)
"""There is no epoch that a party could have a part in."""


class Flag(enum.Enum, shape=3):
    """Whether a party has done its part: whatever is not the second means no. SEC_CM: COIN.MODE.GUARDED"""

    NO = 0b010
    YES = 0b101


class Phase(enum.Enum, shape=5):
    """Of a digest that is checked, or is to be the seed. SEC_CM: COIN.MODE.GUARDED"""

    SEND = 0b00000
    DIGEST = 0b00111
    USE = 0b11001
    FORGET = 0b11110


def offset(name: str) -> int:
    """Of a register in its block."""
    return COIN_BLOCK[name].offset


def flags(what: str) -> tuple[list[Any], list[Value]]:
    """A flag per party, and its fault."""
    made = [guarded(Flag, name=f"{what}_{party.name.lower()}") for party in Party]
    return [flag for flag, _ in made], [fault for _, fault in made]


def digest_word(digest: Value, index: Value) -> Value:
    """The first word of a digest is the most significant one."""
    return digest.word_select(~index[:3], HASH_BITS)
