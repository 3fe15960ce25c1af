# SPDX-License-Identifier: Apache-2.0
"""The retimer as an executable specification: which frame leaves, and in which cycle.

Cycles count from the first after reset, which is a boundary. It is taken for granted that whoever takes the frames never
makes them wait; a device that is made to says so, see `Event.LATE`.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import lru_cache
from typing import NamedTuple

from custodes.retimer import (
    ARRIVAL_CYCLES,
    DEPARTURE_CYCLES,
    DUMMY_ETHERTYPE,
    FRAMES,
    KEY_BITS,
    POLYNOMIAL,
    SCHEDULE_CYCLES,
    SORT_BITS,
    Event,
    Policy,
    Schedule,
    Size,
)
from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES

ETHERNET_BYTES, TAG_BYTES, PORT_BYTES = 14, 4, 4
TAGGED, IPV4, IPV6 = 0x8100, 0x0800, 0x86DD
WITH_PORTS = (6, 17)
"""TCP and UDP."""


class Departure(NamedTuple):
    """A frame that leaves; ``cycle`` is that of its first beat."""

    cycle: int
    frame: bytes
    dummy: bool


class _Waiting(NamedTuple):
    frame: bytes
    sort_key: int


def flow_fields(frame: bytes) -> bytes:
    """The frame's header with all zero but what tells its flow: the Ethernet header, the IP addresses, and the ports of TCP
    and UDP."""
    start = ETHERNET_BYTES
    ethertype = int.from_bytes(frame[12:14])
    if ethertype == TAGGED:
        start += TAG_BYTES
        ethertype = int.from_bytes(frame[16:18])
    kept = bytearray(frame[:start])
    places = {IPV4: (9, 12, 20), IPV6: (6, 8, 40)}.get(ethertype)
    if places is not None:
        protocol, first, end = (start + place for place in places)
        if frame[protocol] in WITH_PORTS:
            end += PORT_BYTES
        kept += bytes(first - start) + frame[first:end]
    return bytes(kept)


def sort_key(frame: bytes, key: int) -> int:
    """The order of a frame within its batch.

    The fields are a polynomial over GF(2), byte ``i`` its coefficients from 8 ``i`` on, the lowest bit first; so is the key.
    The sort key is the lowest `SORT_BITS` bits of their product modulo `POLYNOMIAL`. Over random keys, two flows have the
    same one with a probability of 2^-24, unless their difference is a multiple of the polynomial. With a key of 0 all have.
    """
    return _sort_key(flow_fields(frame), key)


@lru_cache(maxsize=4096)
def _sort_key(fields: bytes, key: int) -> int:
    product, polynomial = 0, int.from_bytes(fields, "little")
    for bit in range(KEY_BITS):
        if key >> bit & 1:
            product ^= polynomial << bit
    for bit in range(product.bit_length() - 1, KEY_BITS - 1, -1):
        if product >> bit & 1:
            product ^= POLYNOMIAL << (bit - KEY_BITS)
    return product & (1 << SORT_BITS) - 1


class Retimer:
    """A device that has just been reset.

    Args:
        lanes, store_bytes, frames: see `Size`.

    Attributes:
        key: of the epoch: that of frames that begin from now on.
        counters: see `Event`.
    """

    def __init__(self, lanes: int, store_bytes: int, frames: int = FRAMES) -> None:
        self.key = 0
        self.counters: Counter[Event] = Counter()
        self._size = Size(lanes, store_bytes, frames)
        self._schedule = Schedule()
        self._written: deque[tuple[int, Schedule]] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._leaving: list[_Waiting] = []  # in the slot or window that runs
        self._beats = 0  # of both
        self._boundary = 0  # the next
        self._departures: list[Departure] = []

    def set_schedule(self, schedule: Schedule, cycle: int) -> None:
        """``schedule`` is written, the policy last, in ``cycle``, when the one written before has been taken up."""
        self._written.append((cycle, schedule))

    def receive(self, frame: bytes, cycle: int, error: bool = False) -> None:
        """A frame comes, its last beat in ``cycle``, which is later than that of the frame before."""
        self._advance(cycle + ARRIVAL_CYCLES)
        if error or len(frame) < MIN_FRAME_BYTES:
            self.counters[Event.ERROR] += 1
        elif len(frame) > MAX_FRAME_BYTES:
            self.counters[Event.TOO_LONG] += 1
        elif (
            self._beats + self._beats_of(frame) > self._size.capacity_beats
            or len(self._waiting) + len(self._leaving) == self._size.frames
        ):
            self.counters[Event.FULL] += 1
        else:
            self._beats += self._beats_of(frame)
            self._waiting.append(_Waiting(frame, sort_key(frame, self.key)))

    def advance(self, cycle: int) -> list[Departure]:
        """What leaves because of boundaries before ``cycle`` and has not been told yet. All that is there at those has been
        received."""
        self._advance(cycle)
        told, self._departures = self._departures, []
        return told

    def _beats_of(self, frame: bytes) -> int:
        return self._size.beats(len(frame))

    def _advance(self, cycle: int) -> None:
        while self._boundary < cycle:
            self._begin(self._boundary)

    def _begin(self, boundary: int) -> None:
        while self._written and self._written[0][0] + SCHEDULE_CYCLES <= boundary:
            _, schedule = self._written.popleft()
            if schedule.can_be_kept(self._size):
                self._schedule = schedule
        self._boundary = boundary + self._schedule.period
        self._beats -= sum(self._beats_of(waiting.frame) for waiting in self._leaving)
        if self._schedule.policy == Policy.BATCH:
            self._leaving = [*self._waiting]
            self._waiting.clear()
            self._release_batch(boundary + DEPARTURE_CYCLES + self._size.sort_cycles)
        else:
            self._leaving = [self._waiting.popleft()] if self._waiting else []
            self._release_one(boundary + DEPARTURE_CYCLES)

    def _release_batch(self, cycle: int) -> None:
        for waiting in sorted(self._leaving, key=lambda waiting: waiting.sort_key):
            self._leave(cycle, waiting.frame)
            cycle += self._beats_of(waiting.frame) + self._size.gap_cycles

    def _release_one(self, cycle: int) -> None:
        size = self._schedule.slot_bytes
        frame = self._leaving[0].frame if self._leaving else None
        if frame is not None and len(frame) > size:
            self.counters[Event.OVER_SLOT] += 1
            frame = None
        if frame is not None:
            self._leave(cycle, frame.ljust(size, b"\0"))
        elif self._schedule.policy == Policy.CONSTANT_RATE:
            header = self._schedule.dummy + DUMMY_ETHERTYPE.to_bytes(2)
            self._leave(cycle, header.ljust(size, b"\0"), dummy=True)

    def _leave(self, cycle: int, frame: bytes, dummy: bool = False) -> None:
        self.counters[Event.DUMMY if dummy else Event.RELEASED] += 1
        self._departures.append(Departure(cycle, frame, dummy))
