# SPDX-License-Identifier: Apache-2.0
"""Where the device's address table keeps what a policy admits."""

from collections.abc import Callable
from random import Random

import pytest

from custodes.address_table import ROW_BITS, ROW_WORDS, TABLES, address_ids, address_key, place_addresses, table_row
from custodes.errors import PolicyError
from custodes.policy import MAX_ADDRESSES, Flow, Policy
from custodes.registers import CLEAR, ENABLES, FLOW_CONTROL, FLOW_POLICY, FLOW_TICK, ROW, policy_writes
from tests.frames import POLICY

SETS: dict[str, Callable[[Random], bytes]] = {
    "random": lambda r: r.randbytes(r.choice((4, 6, 16))),
    "IPv4 in sequence": lambda r: bytes((10, 0, r.randrange(4), r.randrange(256))),
    "MAC in sequence": lambda r: bytes.fromhex("02000000") + bytes((r.randrange(4), r.randrange(256))),
    "IPv6 in sequence": lambda r: bytes.fromhex("20010db8") + bytes(10) + bytes((r.randrange(4), r.randrange(256))),
}


@pytest.mark.parametrize("kind", SETS)
def test_a_full_table_finds_a_row_for_every_address(kind: str):
    for seed in range(5):
        random = Random(seed)
        keys: set[int] = set()
        while len(keys) < MAX_ADDRESSES:
            keys.add(address_key(SETS[kind](random)))
        placed = place_addresses(sorted(keys))
        assert sorted(placed.values()) == sorted(keys)
        assert all(row == table_row(table, key) for (table, row), key in placed.items())


def test_addresses_that_share_their_rows_are_refused_in_words():
    rows: dict[tuple[int, ...], list[int]] = {}
    random = Random(0)
    for _ in range(60_000):
        key = address_key(random.randbytes(6))
        rows.setdefault(tuple(table_row(table, key) for table in range(TABLES)), []).append(key)
    crowded = max(rows.values(), key=len)
    assert len(crowded) > TABLES
    with pytest.raises(PolicyError, match="cannot place"):
        place_addresses(crowded)


def test_a_policy_overwrites_every_row():
    for policy in (POLICY, Policy()):
        words = [value >> 18 for address, value in policy_writes(policy) if address == ROW]
        assert sorted(words) == list(range(TABLES * ROW_WORDS << ROW_BITS))


def test_a_policy_frees_every_flow_before_it_says_how_they_are_made():
    policy = POLICY.model_copy(update={"flow": Flow(ephemeral_from=1024, window_scale=3, tick=5)})
    writes = list(policy_writes(policy))
    assert writes[:2] == [(ENABLES, 0), (FLOW_CONTROL, CLEAR)]
    assert writes.count((FLOW_POLICY, 1024 | 3 << 16)) == writes.count((FLOW_TICK, 5)) == 1
    assert writes[-1][0] == ENABLES


def test_every_address_has_an_id_of_its_own_which_says_where_it_is():
    ids = address_ids(POLICY)
    assert ids.keys() == POLICY.addresses().keys()
    assert len(set(ids.values())) == len(ids)
    for address, number in ids.items():
        assert number & (1 << ROW_BITS) - 1 == table_row(number >> ROW_BITS, address_key(address))
