# SPDX-License-Identifier: Apache-2.0
"""The flow table of the executable specification: which flows there are, how they are found, and when they end.

A flow belongs to the side of its initiator. Its *word* of entropy, the next of that side, says which slot it takes and what
the world sees in place of the initiator's port; a flow has one word for its life, and a word has one flow. What a station
chose says nothing about the slot, so that ports which leave depend on words and on the number of flows only.

Exact semantics, for devices:

- A *place* for a new flow is a free slot among the `PROBES` that `flow_slot` gives, in that order, and one of fewer than
  `FLOW_WAYS` flows in its set of the hash table.
- Each flow keeps the tick at which it was last used: it is made, or a frame of it is forwarded. A quote in an ICMP error
  is no use. At the very tick at which `UNUSED_TICKS` have passed since then, or `CLOSED_TICKS` and the flow is closed, it
  is gone: from then on no frame finds it and its place is free, whenever the device gets round to sweeping.
- What is dropped changes no flow. A word that was taken stays used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from custodes.flow_table import (
    CLOSED_TICKS,
    FLOW_WAYS,
    FLOWS,
    MAPPED,
    MAX_FLOWS,
    MIN_FLOWS,
    PROBES,
    UNUSED_TICKS,
    FlowKind,
    flow_key,
    flow_set,
    flow_slot,
    mapped_port,
)
from custodes.model.connection import Connection
from custodes.model.entropy import Word
from custodes.model.frame import Drop
from custodes.table import Port, Reason


class Ends(NamedTuple):
    """Of a frame: the side it comes from, the address ids of sender and receiver, and their ports."""

    side: Port
    sender: int
    receiver: int
    sender_port: int
    receiver_port: int


class Name(NamedTuple):
    """What a flow is found by: its kind and the initiator's side, and what the initiator calls it."""

    kind: FlowKind
    initiator: Port
    initiator_id: int
    responder_id: int
    initiator_port: int
    responder_port: int


@dataclass(slots=True)
class Flow:
    """A flow: its slot, its set of the hash table, and what the responder calls the initiator's port.

    ``connection`` is that of TCP. An echo flow has ``echo_delta``, which is added to the sequence numbers of requests, and
    ``echo_last``, the last that was asked, in the initiator's numbers.
    """

    name: Name
    slot: int
    set: int
    port: int
    used: int
    connection: Connection
    echo_delta: int = 0
    echo_last: int = 0

    @property
    def mapped(self) -> bool:
        return self.port >= MAPPED

    def initiated(self, side: Port) -> bool:
        """Whether the station on this side began it."""
        return side is self.name.initiator

    def ports(self, side: Port) -> tuple[int, int]:
        """What the station on this side calls its own port and its peer's."""
        if self.initiated(side):
            return self.name.initiator_port, self.name.responder_port
        return self.name.responder_port, self.port


class FlowTable:
    """The flows of both sides.

    Args:
        flows: how many slots; a power of two, from 64 to 16384.
        ephemeral_from: ports from here on are mapped; those below leave as they are.
    """

    def __init__(self, flows: int = FLOWS, ephemeral_from: int = MAPPED) -> None:
        if not MIN_FLOWS <= flows <= MAX_FLOWS or flows & (flows - 1):
            raise ValueError(f"a flow table has a power of two of slots, {MIN_FLOWS} to {MAX_FLOWS}, not {flows}")
        self.flows = flows
        self.ticks = 0
        self._ephemeral_from = ephemeral_from
        self._slots: dict[int, Flow] = {}
        self._names: dict[Name, Flow] = {}
        self._taken: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._slots)

    def find(self, kind: FlowKind, ends: Ends) -> Flow | None:
        """The flow of a TCP segment or UDP datagram: the first of

        1. where the receiver's port is `MAPPED` or above, that of the slot which the port says: `find_mapped`;
        2. that which the sender began: `find_begun`;
        3. that which the receiver began from a port that is not mapped.
        """
        return self.find_mapped(kind, ends) or self.find_begun(kind, ends) or self._find_answered(kind, ends)

    def find_mapped(self, kind: FlowKind, ends: Ends) -> Flow | None:
        """The flow to whose mapped port the responder sends."""
        if ends.receiver_port < MAPPED:
            return None
        flow = self._slots.get(flow_slot(ends.side.other, ends.receiver_port, 0, self.flows))
        if flow is None or flow.port != ends.receiver_port:
            return None
        name = Name(kind, ends.side.other, ends.receiver, ends.sender, flow.name.initiator_port, ends.sender_port)
        return flow if flow.name == name else None

    def find_begun(self, kind: FlowKind, ends: Ends) -> Flow | None:
        """The flow that the sender began."""
        return self._names.get(Name(kind, *ends))

    def _find_answered(self, kind: FlowKind, ends: Ends) -> Flow | None:
        name = Name(kind, ends.side.other, ends.receiver, ends.sender, ends.receiver_port, ends.sender_port)
        flow = self._names.get(name)
        return None if flow is None or flow.mapped else flow

    def begin(self, kind: FlowKind, ends: Ends, word: Word, replaced: Flow | None = None) -> Flow:
        """A new flow, which the sender begins. Raises `Drop` where there is no place for it.

        Args:
            replaced: a flow in whose stead it is; its place is free for the new one. It stays where there is none.
        """
        name = Name(kind, *ends)
        for probe in range(PROBES):
            slot = flow_slot(name.initiator, word.port, probe, self.flows)
            if self._slots.get(slot, replaced) is replaced:
                break
        else:
            raise Drop(Reason.FLOW_FULL)
        place = flow_set(flow_key(kind, *name[2:]), self.flows)
        if self._taken[place] - (replaced is not None and replaced.set == place) >= FLOW_WAYS:
            raise Drop(Reason.FLOW_FULL)
        if replaced is not None:
            self._free(replaced)
        mapped = kind is FlowKind.ECHO or name.initiator_port >= self._ephemeral_from
        port = mapped_port(word.port, slot, self.flows) if mapped else name.initiator_port
        flow = Flow(name, slot, place, port, self.ticks, Connection(word.isn_initiator, word.isn_responder))
        self._slots[slot] = self._names[name] = flow
        self._taken[place] += 1
        return flow

    def use(self, flow: Flow) -> None:
        """A frame of the flow is forwarded."""
        flow.used = self.ticks

    def tick(self) -> None:
        """Every flow is a tick older."""
        self.ticks += 1
        for flow in [*self._slots.values()]:
            limit = CLOSED_TICKS if flow.connection.closed else UNUSED_TICKS
            if self.ticks - flow.used >= limit:
                self._free(flow)

    def _free(self, flow: Flow) -> None:
        del self._slots[flow.slot], self._names[flow.name]
        self._taken[flow.set] -= 1
