# SPDX-License-Identifier: Apache-2.0
"""Registers of a warden that is given its words of entropy by its host, without a coin flip: a simulated one."""

from __future__ import annotations

from collections.abc import Iterator

from custodes.register_map import Access, Block, Register
from custodes.table import Port

SEED_BYTES = 32
MOST_WORDS = (1 << 32) - 1
"""That a side can be given."""

SEED_BLOCK = Block(
    "seed",
    0x300,
    "Where words of entropy come from in a warden without a coin flip.",
    (
        Register(
            "SEED",
            0x00,
            Access.WRITE,
            "That words are made of, big-endian, the first word first.",
            count=SEED_BYTES // 4,
        ),
        Register(
            "WORD_LIMIT",
            0x08,
            Access.WRITE,
            "Begins again with the first word; each side gets so many. 0: there are none.",
        ),
        Register(
            "WORDS_USED",
            0x0A,
            Access.READ,
            "Words that have been used since, by the side where flows begin.",
            count=len(Port),
            names=tuple(port.name for port in Port),
        ),
    ),
)
SEED, WORD_LIMIT, WORDS_USED = (SEED_BLOCK.address(name) for name in ("SEED", "WORD_LIMIT", "WORDS_USED"))


def seed_writes(seed: bytes, limit: int = MOST_WORDS) -> Iterator[tuple[int, int]]:
    """Register writes, (address, value), that give a device the words of ``seed``, ``limit`` of them per side."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    yield WORD_LIMIT, 0
    for at in range(0, SEED_BYTES, 4):
        yield SEED + at // 4, int.from_bytes(seed[at : at + 4])
    yield WORD_LIMIT, limit
