# SPDX-License-Identifier: Apache-2.0
"""The sampler as an executable specification: which frames pass, which pairs they make, and what is sent to the recomputer.

Exact semantics, for devices, beyond `custodes.gateway_formats`:

- Pairs and connections are counted from 1, indices in an epoch from 0. What is dropped changes nothing but a counter, and
  the traits of a pair that was too long for it.
- "After" and "before" of sequence numbers is the sign of their difference modulo 2^32. The last of an input or output is
  the number that follows its last octet.
- A connection is known by its addresses and ports. It takes the lowest free place of the table; at a tick places are looked
  at from the lowest on.
- A frame of a connection that passes, with or without payload, makes it young. At the third tick since the last one, so
  that nothing came from one tick to the next but one, it is forgotten.
- A pair is complete as a frame with a further input has found a free slot, after the frame that closes its connection, or
  at a tick. It keeps its slot until it has been worked off. Here that takes no time, unless the recomputer's port is
  stalled: then nothing is, from the first that is complete.
- An epoch ends when all that are complete have been worked off; open pairs are completed in another.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import NamedTuple

from custodes.gateway_formats import (
    ETHERTYPE,
    OUTPUT,
    PIECE_BYTES,
    WORD_BYTES,
    Kind,
    Record,
    Traits,
)
from custodes.model.canonical import ICMPV6, TCP, Canonical, take_apart
from custodes.sample_tree import DIGEST_BYTES, commitment, leaf, root, selected

ARP = b"\x08\x06"
DISCOVERY = range(133, 137)
"""ICMPv6 types of neighbour discovery: RFC 4861, 4.1 to 4.4."""
FIN, RST = 1, 4
AGE_TICKS = 2
MIN_SLOT_BYTES = 2048
"""So that any frame's payload fits one that is empty."""
_LOWER = (1 << 32) - 1


class Macs(NamedTuple):
    """Addresses of sample frames."""

    recomputer: bytes
    sampler: bytes


class _Name(NamedTuple):
    world: bytes
    server: bytes
    world_port: bytes
    server_port: bytes


class _Data(NamedTuple):
    """What of a segment with payload a pair gets."""

    sequence: int
    octets: bytes

    @property
    def end(self) -> int:
        return (self.sequence + len(self.octets)) & _LOWER

    def entry(self, output: bool) -> bytes:
        head = (OUTPUT * output | len(self.octets)).to_bytes(4) + self.sequence.to_bytes(4)
        return head + self.octets + bytes(-len(self.octets) % WORD_BYTES)


@dataclass(slots=True)
class _Pair:
    number: int
    flow: int
    transcript: bytes = b""
    traits: int = 0

    def tag(self, epoch: int) -> bytes:
        words = epoch, self.number >> 32, self.number & _LOWER, self.flow, self.traits | len(self.transcript)
        return b"".join(word.to_bytes(WORD_BYTES) for word in words)


@dataclass(slots=True)
class _Flow:
    """``outputs_from`` is the last of the outputs as the pair began, where there had been any."""

    name: _Name
    number: int
    pair: _Pair
    in_next: int
    out_next: int | None = None
    outputs_from: int | None = None
    answered: bool = False
    finished: int = 0
    age: int = 0


class Sampler:
    """A device that has just been reset.

    Args:
        flows: connections in its table.
        slots, slot_bytes: pairs in its store, open or complete, and the octets of a transcript.
        macs: of sample frames.

    Attributes:
        emitted: sample frames that have left, in order, without the zeros that a short one gets on the wire.
        epoch_number: of the epoch; 0 before the first.
        commitment: to its key.
        record: the words of the last epoch that has ended, as octets; none before.
    """

    def __init__(self, flows: int, slots: int, slot_bytes: int, macs: Macs) -> None:
        if slot_bytes < MIN_SLOT_BYTES or slot_bytes % WORD_BYTES:
            raise ValueError(f"a slot has whole words, and {MIN_SLOT_BYTES} octets at least, not {slot_bytes}")
        self.emitted: list[bytes] = []
        self.epoch_number = 0
        self.commitment = bytes(DIGEST_BYTES)
        self.record = b""
        self._macs = macs
        self._slots, self._slot_bytes = slots, slot_bytes
        self._table: list[_Flow | None] = [None] * flows
        self._events: Counter[Record] = Counter()
        self._pairs = self._flows = 0  # so many have begun
        self._key, self._threshold = b"", 0
        self._leaves: list[bytes] = []
        self._kept = 0
        self._complete: deque[tuple[_Pair, bytes]] = deque()
        self._stalled = False

    @property
    def live(self) -> bool:
        return self.epoch_number > 0

    @property
    def flows(self) -> int:
        """Connections in the table."""
        return sum(flow is not None for flow in self._table)

    @property
    def slots(self) -> int:
        """Pairs in the store."""
        return self.flows + len(self._complete)

    @property
    def counts(self) -> dict[Record, int]:
        """Of the epoch under way, as its record would have them now."""
        threshold = self._threshold >> 32, self._threshold & _LOWER
        own = (len(self._leaves), self._kept, *threshold)
        words = [Record(word) for word in range(Record.PAIRS, Record.ROOT)]
        return dict(zip(words, [*own, *(self._events[word] for word in words[len(own) :])], strict=True))

    def frame(self, from_server: bool, frame: bytes) -> bytes | None:
        """A canonical frame comes from the world or the server; returns it where it passes, or None."""
        event = self._judge(from_server, frame)
        if event is None:
            return frame
        self._events[event] += 1
        return None

    def tick(self) -> None:
        """`AGE_CYCLES` have passed."""
        for flow in [*self._table]:
            if flow is not None and flow.age == AGE_TICKS:
                self._forget(flow, Traits.AGED)
            elif flow is not None:
                flow.age += 1

    def stall(self) -> None:
        """Nothing can leave at the recomputer's port any more."""
        self._stalled = True

    def release(self, pairs: int | None = None) -> None:
        """So many complete pairs are worked off though the port is stalled; without a number it is not stalled any more."""
        if pairs is None:
            self._stalled = False
        for _ in range(len(self._complete) if pairs is None else pairs):
            self._close(*self._complete.popleft())

    def epoch(self, key: bytes, threshold: int) -> None:
        """The command of that name, with what KEY and THRESHOLD hold."""
        if len(key) != DIGEST_BYTES:
            raise ValueError(f"a key has {DIGEST_BYTES} octets")
        while self._complete:
            self._close(*self._complete.popleft())
        if self.live:
            words = [self.epoch_number, *self.counts.values()]
            self.record = b"".join(word.to_bytes(WORD_BYTES) for word in words) + root(self._leaves) + self._key
            self._emit(Kind.END, self.record)
        self.epoch_number += 1
        self._key, self._threshold, self.commitment = key, threshold, commitment(key)
        self._leaves, self._kept = [], 0
        self._emit(
            Kind.BEGIN, self.epoch_number.to_bytes(WORD_BYTES) + threshold.to_bytes(2 * WORD_BYTES) + self.commitment
        )

    def _judge(self, from_server: bool, frame: bytes) -> Record | None:
        """Why a frame is dropped; None where it passes."""
        packet = take_apart(frame)
        if packet is None:
            return None if frame[12:14] == ARP else Record.REFUSED
        if packet.protocol == ICMPV6 and packet.version == 6:
            return None if packet.body[0] in DISCOVERY else Record.REFUSED
        if packet.protocol != TCP:
            return Record.REFUSED
        flow = self._find(name := _name(from_server, packet))
        body = packet.body
        data = _Data(int.from_bytes(body[4:8]), body[(body[12] >> 4) * 4 :])
        if data.octets:
            event = self._output(flow, data) if from_server else self._input(flow, name, data)
            if event is not None:
                return event
            flow = self._find(name)
        if flow is not None:
            flow.age = 0
            flow.finished |= (body[13] & FIN) << from_server
            if body[13] & RST or flow.finished == 3:
                self._forget(flow, Traits.CLOSED)
        return None

    def _input(self, flow: _Flow | None, name: _Name, data: _Data) -> Record | None:
        if not self.live:
            return Record.REFUSED
        if flow is None:
            return self._begin(name, data)
        further = _after(data.end, flow.in_next)
        if flow.answered and further:
            if self.slots == self._slots:
                return Record.STORE_FULL
            self._finish(flow.pair, Traits.NEXT)
            flow.pair, flow.answered, flow.outputs_from = self._pair(flow.number), False, flow.out_next
        if not self._append(flow.pair, data.entry(output=False)):
            return Record.OVERSIZE
        if further:
            flow.in_next = data.end
        return None

    def _begin(self, name: _Name, data: _Data) -> Record | None:
        if None not in self._table:
            return Record.FLOWS_FULL
        if self.slots == self._slots:
            return Record.STORE_FULL
        self._flows += 1
        flow = _Flow(name, self._flows, self._pair(self._flows), data.end)
        self._append(flow.pair, data.entry(output=False))
        self._table[self._table.index(None)] = flow
        return None

    def _output(self, flow: _Flow | None, data: _Data) -> Record | None:
        if not self.live:
            return Record.REFUSED
        if flow is None:
            return Record.UNMATCHED
        if flow.outputs_from is not None and _after(flow.outputs_from, data.sequence):
            return Record.STALE
        if not self._append(flow.pair, data.entry(output=True)):
            return Record.OVERSIZE
        flow.answered = True
        if flow.out_next is None or _after(data.end, flow.out_next):
            flow.out_next = data.end
        return None

    def _find(self, name: _Name) -> _Flow | None:
        return next((flow for flow in self._table if flow is not None and flow.name == name), None)

    def _pair(self, flow: int) -> _Pair:
        self._pairs += 1
        return _Pair(self._pairs, flow)

    def _append(self, pair: _Pair, entry: bytes) -> bool:
        """Whether there is room for an entry."""
        if len(pair.transcript) + len(entry) > self._slot_bytes:
            pair.traits |= Traits.OVERSIZE
            return False
        pair.transcript += entry
        return True

    def _forget(self, flow: _Flow, trait: Traits) -> None:
        self._table[self._table.index(flow)] = None
        self._finish(flow.pair, trait)

    def _finish(self, pair: _Pair, trait: Traits) -> None:
        pair.traits |= trait
        self._complete.append((pair, pair.tag(self.epoch_number)))
        if not self._stalled:
            self._close(*self._complete.popleft())

    def _close(self, pair: _Pair, tag: bytes) -> None:
        """The leaf leaves; then it is decided, and a pair that is kept leaves."""
        place = tag + len(self._leaves).to_bytes(WORD_BYTES)
        digest = leaf(tag, pair.transcript)
        self._leaves.append(digest)
        self._emit(Kind.LEAF, place + digest)
        if selected(self._key, self._threshold, tag):
            self._kept += 1
            for at in range(0, len(pair.transcript), PIECE_BYTES):
                self._emit(Kind.PAIR, place + at.to_bytes(WORD_BYTES) + pair.transcript[at : at + PIECE_BYTES])

    def _emit(self, kind: Kind, content: bytes) -> None:
        addresses = self._macs.recomputer + self._macs.sampler
        self.emitted.append(addresses + ETHERTYPE.to_bytes(2) + bytes([kind, 0]) + content)


def _name(from_server: bool, packet: Canonical) -> _Name:
    source, destination = packet.addresses
    ports = packet.body[:2], packet.body[2:4]
    if from_server:
        return _Name(destination, source, ports[1], ports[0])
    return _Name(source, destination, ports[0], ports[1])


def _after(number: int, other: int) -> bool:
    return 0 < ((number - other) & _LOWER) < 1 << 31
