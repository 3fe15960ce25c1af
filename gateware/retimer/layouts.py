# SPDX-License-Identifier: Apache-2.0
"""What the parts of the retimer hand to one another."""

from amaranth.lib import data

from custodes.retimer import ADDRESS_BYTES, Policy, Size
from custodes.table import MAX_FRAME_BYTES

HEADER_BYTES = 16
"""Of a dummy, with zeros behind, so that it is a number of beats."""
LENGTH = range(MAX_FRAME_BYTES + 1)
POLICY_BITS = 2

SCHEDULE = data.StructLayout(
    {
        "policy": POLICY_BITS,
        "slot_cycles": 32,
        "slot_bytes": 11,
        "window_cycles": 32,
        "dummy": 8 * 2 * ADDRESS_BYTES,
    }
)
"""As `custodes.retimer.Schedule`; ``dummy`` with its first byte lowest."""

BATCH = int(Policy.BATCH)


def descriptor_layout(size: Size) -> data.StructLayout:
    """A frame in the store: where it begins, and its bytes."""
    return data.StructLayout({"start": range(size.store_bytes // size.lanes), "length": LENGTH})


def extent_layout(size: Size) -> data.StructLayout:
    """Bytes as beats: how many, and the bytes of the last one."""
    return data.StructLayout({"beats": range(size.beats(MAX_FRAME_BYTES) + 1), "tail": range(size.lanes + 1)})


def order_layout(size: Size) -> data.StructLayout:
    """What is to leave: ``frame`` bytes of the store from ``start`` on, none of them for a dummy, and zeros up to ``whole``.
    ``pace``: cycles until the next may be taken, less one."""
    extent = extent_layout(size)
    return data.StructLayout(
        {
            "start": range(size.store_bytes // size.lanes),
            "frame": extent,
            "whole": extent,
            "pace": range(size.beats(MAX_FRAME_BYTES) + size.gap_cycles),
            "dummy": 1,
        }
    )
