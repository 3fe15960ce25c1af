# SPDX-License-Identifier: Apache-2.0
"""Registers of the retimer, as data, and the writes that put a schedule into it. Addresses count 32-bit words.

They stand in the map of whatever device has a retimer; offsets are from the base that it has there.
"""

from __future__ import annotations

from collections.abc import Iterator

from custodes.register_map import Access, Block, Field, Register
from custodes.retimer import ADDRESS_BYTES, FRAMES, Event, Policy, Schedule

RETIMER_WORDS = 0x20
POLICY, SLOT_CYCLES, SLOT_BYTES, WINDOW_CYCLES, DUMMY, STATUS, WINDOW_MIN, EVENTS = 0, 1, 2, 3, 4, 8, 9, 0x10
"""Offsets of the registers."""
DUMMY_WORDS = 2 * ADDRESS_BYTES // 4
STATUS_POLICY = Field("ACTIVE", 0, 2, "The policy in force.", Policy)
STATUS_PENDING = Field("PENDING", 2, 1, "A schedule waits for the next boundary.")
STATUS_REFUSED = Field("REFUSED", 3, 1, "The last schedule could not be kept, and was not taken up.")
STATUS_WAITING = Field("WAITING", 16, FRAMES.bit_length(), "Frames that wait for their slot or window.")


def retimer_block(base: int) -> Block:
    """The retimer's registers from ``base`` on."""
    default = Schedule()
    return Block(
        "retimer",
        base,
        "When frames leave for the world. POLICY is written last: the registers before it are taken up with it, at the next"
        " slot or window, and hold still until PENDING is 0. Cycles are those of the datapath.",
        (
            Register(
                "RETIMER_POLICY",
                POLICY,
                Access.READ_WRITE,
                "What decides when a frame leaves.",
                (Field("POLICY", 0, 2, "3 is refused.", Policy),),
                reset=default.policy,
            ),
            Register(
                "RETIMER_SLOT_CYCLES",
                SLOT_CYCLES,
                Access.READ_WRITE,
                "Of a slot: at least the beats of SLOT_BYTES and the gap, of 24 cycles at 1 lane and 8 at 8 lanes.",
                reset=default.slot_cycles,
            ),
            Register(
                "RETIMER_SLOT_BYTES",
                SLOT_BYTES,
                Access.READ_WRITE,
                "Of what leaves in a slot, without FCS.",
                (Field("BYTES", 0, 11, "60 to 1518."),),
                reset=default.slot_bytes,
            ),
            Register(
                "RETIMER_WINDOW_CYCLES",
                WINDOW_CYCLES,
                Access.READ_WRITE,
                "Of a window of BATCH: at least WINDOW_MIN.",
                reset=default.window_cycles,
            ),
            Register(
                "RETIMER_DUMMY",
                DUMMY,
                Access.READ_WRITE,
                "Destination and source address of dummies, the first byte the lowest of the first word.",
                count=DUMMY_WORDS,
            ),
            Register(
                "RETIMER_STATUS",
                STATUS,
                Access.READ,
                "How the retimer is.",
                (STATUS_POLICY, STATUS_PENDING, STATUS_REFUSED, STATUS_WAITING),
                reset=None,
            ),
            Register("RETIMER_WINDOW_MIN", WINDOW_MIN, Access.READ, "The shortest window, in cycles.", reset=None),
            Register(
                "RETIMER_EVENTS",
                EVENTS,
                Access.READ,
                "Frames and boundaries, by what became of them.",
                count=len(Event),
                reset=None,
                names=tuple(event.name for event in Event),
            ),
        ),
    )


def schedule_writes(schedule: Schedule, base: int = 0) -> Iterator[tuple[int, int]]:
    """Write a schedule, which is taken up at the first boundary that is `SCHEDULE_CYCLES` or more after the last write."""
    yield base + SLOT_CYCLES, schedule.slot_cycles
    yield base + SLOT_BYTES, schedule.slot_bytes
    yield base + WINDOW_CYCLES, schedule.window_cycles
    for word in range(DUMMY_WORDS):
        yield base + DUMMY + word, int.from_bytes(schedule.dummy[4 * word : 4 * word + 4], "little")
    yield base + POLICY, schedule.policy
