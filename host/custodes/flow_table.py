# SPDX-License-Identifier: Apache-2.0
"""The flow table as host, specification and gateware know it: its geometry, and where a flow is kept. What is done with it
is said in `custodes.model.flow`.

A flow has a *slot*, whose number is drawn by its word of entropy and is part of the port that the world sees. To be found
by what its initiator calls it, its key is also kept in a hash table of sets, each of `FLOW_WAYS`.
"""

from __future__ import annotations

import enum
import random

from custodes.table import Port


class FlowKind(enum.IntEnum):
    """What is translated. The IP version is that of the addresses."""

    TCP = 1
    UDP = 2
    ECHO = 3
    """ICMP and ICMPv6 echo: the identifier stands for the initiator's port, and the responder's is 0."""


FLOWS = 4096
"""Slots of a flow table by default: a power of two, from `MIN_FLOWS` to `MAX_FLOWS`. Half of them are for the flows that
each side begins."""
MIN_FLOWS, MAX_FLOWS = 64, 16384
PROBES = 8
"""Slots that a new flow may take: the one that its word says and those after it, in its half and around its end."""
FLOW_WAYS = 8
MAPPED = 0x8000
"""Ports from here on are given out by the device; it tells a flow by its slot where one is a destination."""
SEQUENCE_SPAN = 1 << 24
"""How far, in bytes, TCP numbers may be before the highest sent: no window that leaves the device is as large."""
LEAP_SPAN = 1 << 14
"""How far a segment with a payload may begin behind the highest sent, where those before it were lost on the way."""
ECHO_NEXT = 2
"""So many echo sequence numbers, from the last that was asked on, may be asked next."""
ECHO_SPAN = 16
"""So many, up to the last that was asked, may be answered."""
MAX_WINDOW_SCALE = 8
UNUSED_TICKS, CLOSED_TICKS = 3, 2
"""Ticks after which a flow that has not been used is free, and one that is closed."""
TICK_CYCLES = 1 << 16
"""Unit of the period of ticks, in cycles of the datapath."""

KIND_BITS, ADDRESS_ID_BITS, PORT_BITS = 2, 10, 16
KEY_BITS = KIND_BITS + 2 * ADDRESS_ID_BITS + 2 * PORT_BITS
HASH_BITS = 12
_LOW_BITS = 8


def flow_key(kind: FlowKind, initiator_id: int, responder_id: int, initiator_port: int, responder_port: int) -> int:
    """What tells the flows apart that one side begins, in the initiator's numbers. From the lowest bit: kind, the address
    ids (`custodes.registers.address_ids`) of initiator and responder, and their ports."""
    return kind | initiator_id << 2 | responder_id << 12 | initiator_port << 22 | responder_port << 38


def _turns() -> tuple[int, ...]:
    """Which three or four bits of the hash each bit of a key turns over: at random, but so that the lowest eight of any
    eight neighbours are linearly independent. Ports and addresses in sequence then fall into sets of their own."""
    rng = random.Random(404)
    turns: list[int] = []
    while len(turns) < KEY_BITS:
        turn = sum(1 << place for place in rng.sample(range(HASH_BITS), rng.choice((3, 4))))
        sums = {0}
        for other in turns[1 - _LOW_BITS :]:
            sums |= {other % (1 << _LOW_BITS) ^ known for known in sums}
        if turn % (1 << _LOW_BITS) not in sums:
            turns.append(turn)
    return tuple(turns)


TURNS = _turns()


def flow_sets(flows: int) -> int:
    """How many sets the hash table of ``flows`` slots has: half of its places are taken where every slot is."""
    return flows * 2 // FLOW_WAYS


def flow_set(key: int, flows: int) -> int:
    """The set in which a key is kept; linear over GF(2) in ``key``. The side that begins the flow is no part of it, but two
    flows with one key and different sides are different."""
    number = 0
    for bit, turn in enumerate(TURNS):
        number ^= (key >> bit & 1) * turn
    return number % flow_sets(flows)


def flow_slot(initiator: Port, port_field: int, probe: int, flows: int) -> int:
    """The slot that a new flow tries after ``probe`` others, where its word has this port field; of a mapped port, the
    slot of its flow, with ``probe`` 0."""
    half = flows // 2
    return initiator * half + (port_field + probe) % half


def mapped_port(port_field: int, slot: int, flows: int) -> int:
    """What the device calls the port: the port field of the word, the lowest bits replaced by those of the slot."""
    low = flows // 2 - 1
    return MAPPED | port_field & ~low & MAPPED - 1 | slot & low
