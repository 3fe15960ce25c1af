# SPDX-License-Identifier: Apache-2.0
"""Registers of the warden, and the writes that put a policy into it. Addresses count 32-bit words."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

from custodes.errors import PolicyError
from custodes.policy import UNTAGGED, Policy
from custodes.table import SCRUBBED, Port, Reason

IDENTITY = 0x000
IDENTITY_VALUE = 0x43555354
LANES = 0x001
VOCABULARY = 0x002
ENABLES = 0x010
TTL = 0x011
MSS = 0x012
DENY_PORTS = 0x018
KEY = 0x020
ROW = 0x024
VLAN = 0x025
COUNTERS = 0x100
COUNTERS_PER_PORT = 0x40
FIELD_OFFSET = 0x20

ENABLE_BITS = ("arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmpv6", "nd", "deny")
UNTAGGED_VID = 4095
"""Reserved by IEEE 802.1Q, so that no tagged frame can mean it."""

KIND_MAC, KIND_IPV4, KIND_IPV6 = 1, 2, 3
KEY_BITS = 130
ROW_BITS = 9
TABLES = 2


def _hash_masks() -> tuple[tuple[int, ...], ...]:
    """Every key bit turns two or three bits of the row number over, at random but so that any nine neighbours are linearly
    independent: addresses that are numbered in sequence then fall into rows of their own."""
    rng = random.Random(5)
    tables = []
    for _ in range(TABLES):
        turns: list[int] = []
        while len(turns) < KEY_BITS:
            turn = sum(1 << place for place in rng.sample(range(ROW_BITS), rng.choice((2, 3))))
            if turn not in _sums(turns[1 - ROW_BITS :]):
                turns.append(turn)
        tables.append(tuple(sum((turn >> row & 1) << bit for bit, turn in enumerate(turns)) for row in range(ROW_BITS)))
    return tuple(tables)


def _sums(vectors: list[int]) -> set[int]:
    """Every linear combination over GF(2)."""
    sums = {0}
    for vector in vectors:
        sums |= {vector ^ other for other in sums}
    return sums


HASH_MASKS = _hash_masks()
"""For each table, for each bit of the row number: the key bits whose parity it is."""


VOCABULARY_VALUE = zlib.crc32(repr((HASH_MASKS, ENABLE_BITS, [*Reason], [row.key for row in SCRUBBED])).encode())
"""Of all that host and device must agree on: a device of another build reads differently."""


def address_key(address: bytes) -> int:
    """The number the table compares: the address, its first byte the least significant, and its kind above."""
    kind = {6: KIND_MAC, 4: KIND_IPV4, 16: KIND_IPV6}[len(address)]
    return int.from_bytes(address, "little") | kind << 128


def table_row(table: int, key: int) -> int:
    """Where ``table`` keeps ``key`` if it does."""
    return sum(((key & mask).bit_count() & 1) << bit for bit, mask in enumerate(HASH_MASKS[table]))


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


def policy_writes(policy: Policy) -> Iterator[tuple[int, int]]:
    """Register writes, (address, value), that put ``policy`` into a device and clear what was there before."""
    deny = sorted(policy.udp.deny_ports)
    enabled = {*policy.ethertypes, *policy.protocols, *(["deny"] if deny else [])}
    yield ENABLES, 0
    admitted = {UNTAGGED_VID if vlan == UNTAGGED else vlan for vlan in policy.vlans}
    for vid in range(4096):
        yield VLAN, vid | (vid in admitted) << 12
    addresses = policy.addresses()
    placed = place_addresses([address_key(address) for address in addresses])
    bound = {address_key(address): value for address, value in addresses.items()}
    for table in range(TABLES):
        for row in range(1 << ROW_BITS):
            key = placed.get((table, row), 0)
            ports, station = bound.get(key, (0, 0))
            if key:
                for word in range(4):
                    yield KEY + word, key >> 32 * word & 0xFFFFFFFF
            yield ROW, row | table << 9 | (key >> 128) << 10 | ports << 12 | station << 14
    yield TTL, policy.ttl
    yield MSS, policy.tcp.mss
    for k in range(8):
        yield DENY_PORTS + k, deny[k % len(deny)] if deny else 0
    yield ENABLES, sum(1 << bit for bit, name in enumerate(ENABLE_BITS) if name in enabled)


def reason_counter(port: Port, reason: int) -> int:
    """Address of the counter of frames from ``port`` with this verdict."""
    return COUNTERS + COUNTERS_PER_PORT * port + reason


def field_counter(port: Port, row: int) -> int:
    """Address of the counter of frames from ``port`` in which row ``row`` of the table was altered."""
    return COUNTERS + COUNTERS_PER_PORT * port + FIELD_OFFSET + row
