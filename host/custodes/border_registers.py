# SPDX-License-Identifier: Apache-2.0
"""Registers that a border has besides those of its warden, its retimer and its coin, as data."""

from __future__ import annotations

from custodes.control_registers import CONTROL_BLOCK
from custodes.fingerprint import DEFAULT_BEAT_CYCLES, MIN_BEAT_CYCLES, RECORD_WORDS
from custodes.register_map import Access, Block, Field, Register
from custodes.retimer_registers import retimer_block

BORDER_IDENTITY_VALUE = 0x43555342
STORE_BYTES = 1 << 15
"""Of frames that wait for their slot or window, unless a board has room for fewer."""
PAGE_WORDS = 0x100
"""Of each block, at most."""
RETIMER_BASE, FINGERPRINT_BASE, BORDER_BASE = 0x400, 0x500, 0x700
"""The coin's are between them: `custodes.coin_registers`."""
MAX_RECORDS = 15
"""That wait to be taken, in each direction."""


def _direction(name: str, to: str, first: int, record: int) -> tuple[Register, ...]:
    return (
        Register(
            f"{name}_RECORDS",
            first,
            Access.READ,
            f"Records of what left to the {to} that wait to be taken.",
            (Field("COUNT", 0, MAX_RECORDS.bit_length(), f"At most {MAX_RECORDS}: more are lost, and said to be."),),
        ),
        Register(f"{name}_TAKE", first + 1, Access.WRITE, "Any write: forget the oldest record."),
        Register(
            f"{name}_RECORD",
            record,
            Access.READ,
            f"The oldest record of what left to the {to}, its first byte the lowest of the first word.",
            count=RECORD_WORDS,
            reset=None,
        ),
    )


_ALARMS = (
    Field("EGRESS_OVERFLOW", 0, 1, "A frame has left to the world that is in no chain."),
    Field("INGRESS_OVERFLOW", 1, 1, "A frame has left to the cluster that is in no chain."),
    Field("EGRESS_LOST", 2, 1, "A record of what left to the world was not kept."),
    Field("INGRESS_LOST", 3, 1, "A record of what left to the cluster was not kept."),
)

RETIMER_BLOCK = retimer_block(RETIMER_BASE)
FINGERPRINT_BLOCK = Block(
    "fingerprint",
    FINGERPRINT_BASE,
    "What has left, as chains of records: `custodes.fingerprint`.",
    (
        Register(
            "BEAT_CYCLES",
            0x00,
            Access.READ_WRITE,
            f"From one record to the next, which comes after as many at the latest; less than {MIN_BEAT_CYCLES} is as much.",
            reset=DEFAULT_BEAT_CYCLES,
        ),
        Register("RECORD_ALARM", 0x01, Access.READ_WRITE, "What has happened; writing 1 to a bit clears it.", _ALARMS),
        *_direction("EGRESS", "world", 0x04, 0x20),
        *_direction("INGRESS", "cluster", 0x06, 0x40),
    ),
)

BORDER_BLOCK = Block(
    "border",
    BORDER_BASE,
    "Who the device is, beyond its warden.",
    (
        Register("BORDER_IDENTITY", 0x00, Access.READ, "Reads CUSB: this is a border.", reset=BORDER_IDENTITY_VALUE),
        Register(
            "BORDER_MAP",
            0x01,
            Access.READ,
            "The first four bytes of the SHA-256 of this map, as MAP_DIGEST has them.",
            reset=None,
        ),
    ),
)

CONTROL_NAMES = ("CONTROL_IDENTITY", "CLOCK_HZ", "SCRATCH", "UART_DIVISOR", "MAP_DIGEST", "BUILD_ID")
BORDER_CONTROL_BLOCK = Block(
    "control",
    CONTROL_BLOCK.base,
    "The serial link of a border on a board; a simulated one has none. There is no CPU.",
    tuple(CONTROL_BLOCK[name] for name in CONTROL_NAMES),
)
