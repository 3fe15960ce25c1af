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
ROW = 0x024
VLAN = 0x025
COUNTERS = 0x100
COUNTERS_PER_PORT = 0x40
FIELD_OFFSET = 0x20
PORTS = 0x200
PORT_REGISTERS = 0x20
"""Of each Ethernet port, the cluster port's first; a device whose frames come from a simulation has none."""
PORT_SPEED = 0x00
PORT_MDIO = 0x01
PORT_EVENTS = 0x10
REGISTERS = 0x1000

ENABLE_BITS = ("arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmpv6", "nd", "deny")
UNTAGGED_VID = 4095
"""Reserved by IEEE 802.1Q, so that no tagged frame can mean it."""

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


_ROWS = [table_row(table, 1 << bit) for table in range(TABLES) for bit in range(130)]
VOCABULARY_VALUE = zlib.crc32(repr((_ROWS, ENABLE_BITS, [*Reason], [row.key for row in SCRUBBED])).encode())
"""Of all that host and device must agree on, `table_row` included, which is linear: a device of another build reads
differently."""


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
            for word, value in enumerate(row_words(key, ports, station)):
                yield ROW, value | word << 18 | row << 21 | table << 30
    yield TTL, policy.ttl
    yield MSS, policy.tcp.mss
    for k in range(8):
        yield DENY_PORTS + k, deny[k % len(deny)] if deny else 0
    yield ENABLES, sum(1 << bit for bit, name in enumerate(ENABLE_BITS) if name in enabled)


def initial_writes(policy: Policy) -> Iterator[tuple[int, int]]:
    """Those of `policy_writes` that a device needs whose tables are empty, as its bitstream leaves them."""
    for address, value in policy_writes(policy):
        if (address == VLAN and not value >> 12) or (address == ROW and not value & (1 << WORD_BITS + BOUND_BITS) - 1):
            continue
        yield address, value


def port_register(port: Port, register: int) -> int:
    """Address of a register of an Ethernet port: `PORT_SPEED`, `PORT_MDIO`, or `PORT_EVENTS` + `PortEvent`."""
    return PORTS + PORT_REGISTERS * port + register


def reason_counter(port: Port, reason: int) -> int:
    """Address of the counter of frames from ``port`` with this verdict."""
    return COUNTERS + COUNTERS_PER_PORT * port + reason


def field_counter(port: Port, row: int) -> int:
    """Address of the counter of frames from ``port`` in which row ``row`` of the table was altered."""
    return COUNTERS + COUNTERS_PER_PORT * port + FIELD_OFFSET + row
