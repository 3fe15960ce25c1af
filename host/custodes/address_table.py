# SPDX-License-Identifier: Apache-2.0
"""The device's address table as host, specification and gateware know it: where it keeps an address, and as what."""

from __future__ import annotations

import random

from custodes.errors import PolicyError
from custodes.policy import Policy

KIND_MAC, KIND_IPV4, KIND_IPV6 = 1, 2, 3
TABLES = 2
ROW_BITS = 9
ROW_WORDS = 8
WORD_BITS = 16
BOUND_BITS = 2
"""A row is eight words, each with 16 bits of the address and 2 of what goes with it: kind, ports, station."""


def _turns() -> tuple[tuple[int, ...], ...]:
    """Which two or three bits of the row number each bit of a word turns over: at random, but so that any nine neighbours
    are linearly independent. Addresses that are numbered in sequence then fall into rows of their own."""
    rng = random.Random(112)
    tables = []
    for _ in range(TABLES):
        turns: list[int] = []
        while len(turns) < WORD_BITS:
            turn = sum(1 << place for place in rng.sample(range(ROW_BITS), rng.choice((2, 3))))
            if turn not in _sums(turns[1 - ROW_BITS :]):
                turns.append(turn)
        tables.append(tuple(turns))
    return tuple(tables)


def _sums(vectors: list[int]) -> set[int]:
    """Every linear combination over GF(2)."""
    sums = {0}
    for vector in vectors:
        sums |= {vector ^ other for other in sums}
    return sums


TURNS = _turns()


def next_row(table: int, row: int, word: int) -> int:
    """The row number after one more word of the address: linear over GF(2) in both, so that gateware can take several words
    at once. It is multiplied in the field of x^9 + x^4 + 1, by x in the first table and x^2 in the second."""
    for _ in range(table + 1):
        row = row << 1 ^ (row >> ROW_BITS - 1) * 0b1000010001
    for bit, turn in enumerate(TURNS[table]):
        row ^= (word >> bit & 1) * turn
    return row


def address_key(address: bytes) -> int:
    """The number the table compares: the address, its first byte the least significant, and its kind above."""
    kind = {6: KIND_MAC, 4: KIND_IPV4, 16: KIND_IPV6}[len(address)]
    return int.from_bytes(address, "little") | kind << 128


def table_row(table: int, key: int) -> int:
    """Where ``table`` keeps ``key`` if it does."""
    row = key >> 128
    for at in range(0, 128, WORD_BITS):
        row = next_row(table, row, key >> at & 0xFFFF)
    return row


def row_words(key: int, ports: int, station: int) -> list[int]:
    """The words of a row."""
    bound = key >> 128 | ports << 2 | station << 4
    return [
        (key >> WORD_BITS * word & 0xFFFF) | (bound >> BOUND_BITS * word & 3) << WORD_BITS for word in range(ROW_WORDS)
    ]


def place_addresses(keys: list[int]) -> dict[tuple[int, int], int]:
    """Cuckoo placement: (table, row) -> key; raises `PolicyError` where there is none."""
    placed: dict[tuple[int, int], int] = {}
    for number, first in enumerate(keys):
        key, table = first, number % TABLES
        for _ in range(500):
            slot = (table, table_row(table, key))
            placed[slot], evicted = key, placed.get(slot)
            if evicted is None:
                break
            key, table = evicted, 1 - table
        else:
            raise PolicyError(f"the device's table cannot place these {len(keys)} addresses")
    return placed


def address_ids(policy: Policy) -> dict[bytes, int]:
    """What the flow table calls each address: its place in the device's table, ``table << ROW_BITS | row``. Raises
    `PolicyError` where there is no place."""
    places = place_addresses([address_key(address) for address in policy.addresses()])
    found = {key: table << ROW_BITS | row for (table, row), key in places.items()}
    return {address: found[address_key(address)] for address in policy.addresses()}
