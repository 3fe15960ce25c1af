# SPDX-License-Identifier: Apache-2.0
"""When frames leave for the world: what host, specification and gateware call the same.

Cycles are those of the datapath's clock. A schedule is a row of slots or of windows, each of which begins at a boundary.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from custodes.table import MAX_FRAME_BYTES, MIN_FRAME_BYTES

LANES = (1, 8)
FRAMES = 512
MIN_STORE_BYTES = 4096
WIRE_BYTES = 24
"""Of preamble, FCS and gap, for which a port needs time beside the frame (IEEE 802.3, 3.2 and 4.4.2)."""
MIN_GAP_CYCLES = 8
DIGEST_CYCLES = 8
"""More than a frame's time on the wire, in which its fingerprint can be made: `custodes.fingerprint.digest_cycles`."""

ARRIVAL_CYCLES = 3
"""A frame whose last beat comes so many cycles before a boundary, or earlier, is there at the boundary. Any other finds the
room that is given back at the boundary."""
SCHEDULE_CYCLES = 8
"""A schedule that was written so many cycles before a boundary, or earlier, is taken up at it."""
DEPARTURE_CYCLES = 8
"""From a boundary to the first beat of what leaves in that slot."""

SORT_BITS = 24
PASS_SPARE_CYCLES = 8
"""Frames are sorted by one bit after the other: so many cycles more than there may be frames."""
WINDOW_SPARE_CYCLES = 32
KEY_BITS = 64
POLYNOMIAL = 1 << 64 | 0x1B
"""Of GF(2^64), as in NIST SP 800-38B, 5.3."""

ADDRESS_BYTES = 6
DUMMY_ETHERTYPE = 0x88B5
"""IEEE 802 local experimental EtherType 1: RFC 9542, appendix B."""


class Policy(enum.IntEnum):
    """What decides when a frame leaves."""

    CONSTANT_RATE = 0
    """In every slot a frame leaves, padded with zeros to the size of the slot: the oldest that waits, or else a dummy."""
    SLOT = 1
    """As `CONSTANT_RATE`, but for the dummies: nothing leaves where nothing waits."""
    BATCH = 2
    """What has come in one window leaves in the next, frame behind frame, as long as it is, in the order of sort keys; those
    with the same key in the order in which they came."""


class Event(enum.IntEnum):
    """What is counted."""

    RELEASED = 0
    """A frame leaves."""
    DUMMY = 1
    """A dummy leaves."""
    ERROR = 2
    """Dropped: it came with ``error``, or is shorter than the shortest frame."""
    TOO_LONG = 3
    """Dropped: longer than the longest frame."""
    FULL = 4
    """Dropped: no room in the store, or too many wait."""
    OVER_SLOT = 5
    """Dropped when its slot came: longer than the slot, which goes by as if nothing waited."""
    LATE = 6
    """A boundary at which what had begun to leave was still held up by whoever takes it: it went by without effect."""

    @property
    def title(self) -> str:
        return _EVENT_TITLES[self]


_EVENT_TITLES = {
    Event.RELEASED: "released",
    Event.DUMMY: "dummies",
    Event.ERROR: "dropped: error",
    Event.TOO_LONG: "dropped: longer than the largest frame",
    Event.FULL: "dropped: no room",
    Event.OVER_SLOT: "dropped: longer than the slot",
    Event.LATE: "boundaries missed for a stalled port",
}


@dataclass(frozen=True)
class Size:
    """What a retimer is built for.

    Attributes:
        lanes: bytes per beat, of `LANES`.
        store_bytes: of frames, a power of two of at least `MIN_STORE_BYTES`.
        frames: how many wait at most, those included that leave in the slot or window that runs; a power of two.
    """

    lanes: int
    store_bytes: int
    frames: int = FRAMES

    def __post_init__(self) -> None:
        if self.lanes not in LANES:
            raise ValueError(f"a retimer has 1 or 8 lanes, not {self.lanes}")
        for what, number, least in (("store_bytes", self.store_bytes, MIN_STORE_BYTES), ("frames", self.frames, 2)):
            if number < least or number & (number - 1):
                raise ValueError(f"{what} must be a power of two of at least {least}, not {number}")

    def beats(self, length: int) -> int:
        """Of a frame of ``length`` bytes."""
        return -(-length // self.lanes)

    @property
    def gap_cycles(self) -> int:
        """Between the last beat of a frame and the first of the next, at least."""
        return max(self.beats(WIRE_BYTES), MIN_GAP_CYCLES)

    @property
    def capacity_beats(self) -> int:
        """Beats that may wait: the rest of the store is for the frame that is coming in."""
        return self.store_bytes // self.lanes - self.beats(MAX_FRAME_BYTES)

    @property
    def sort_cycles(self) -> int:
        """So much later leaves the first frame of a batch. Sorting has that time whatever there is to sort."""
        return SORT_BITS * (self.frames + PASS_SPARE_CYCLES)

    @property
    def window_min_cycles(self) -> int:
        """The shortest window, in which a full store is sorted and leaves."""
        return self.sort_cycles + self.capacity_beats + self.frames * self.gap_cycles + WINDOW_SPARE_CYCLES


@dataclass(frozen=True)
class Schedule:
    """What the egress times follow from.

    Attributes:
        slot_cycles, slot_bytes: of a slot, and of the frame that leaves in it, without FCS.
        window_cycles: of a window of `Policy.BATCH`.
        dummy: destination and source address of a dummy. `DUMMY_ETHERTYPE` follows, then zeros.
    """

    policy: Policy = Policy.CONSTANT_RATE
    slot_cycles: int = MAX_FRAME_BYTES + WIRE_BYTES + DIGEST_CYCLES
    slot_bytes: int = MAX_FRAME_BYTES
    window_cycles: int = 1_250_000
    dummy: bytes = bytes(2 * ADDRESS_BYTES)

    @property
    def period(self) -> int:
        """Cycles from one boundary to the next."""
        return self.window_cycles if self.policy == Policy.BATCH else self.slot_cycles

    def can_be_kept(self, size: Size) -> bool:
        """Whether what leaves in a slot or window fits into it. A schedule of which that is not true is not taken up, and
        the one before stays."""
        if self.policy == Policy.BATCH:
            return self.window_cycles >= size.window_min_cycles
        fits = MIN_FRAME_BYTES <= self.slot_bytes <= MAX_FRAME_BYTES
        return fits and self.slot_cycles >= size.beats(self.slot_bytes) + size.gap_cycles
