# SPDX-License-Identifier: Apache-2.0
"""What the engine is told of frames."""

from amaranth.hdl import Value
from amaranth.lib import data

from gateware.session.field import BITS
from gateware.session.rate import BLOCK_BYTES, Rate

MAX_BYTES = 2047
IV_BYTES = 12


def frame_layout(keys: int, opens: bool) -> data.StructLayout:
    """A frame to be sealed or opened.

    Members:
        key, short: number of its key, and whether that has 128 bits.
        iv: 12 bytes, the first lowest.
        aad, text: how many bytes of additional authenticated data and of text it has.
        tag: that it came with; only where frames are opened.
    """
    members = {
        "key": range(keys),
        "short": 1,
        "iv": 8 * IV_BYTES,
        "aad": range(MAX_BYTES + 1),
        "text": range(MAX_BYTES + 1),
    }
    return data.StructLayout(members | ({"tag": BITS} if opens else {}))


def begun_layout(keys: int) -> data.StructLayout:
    """What is still needed of a frame whose key stream is on its way. ``after``: blocks behind its first place;
    ``empty``: it has no beats."""
    sizes = {"aad": range(MAX_BYTES + 1), "text": range(MAX_BYTES + 1), "after": range(1 << 9)}
    return data.StructLayout({"key": range(keys), "empty": 1, **sizes})


def blocks_of(count: Value, side_by_side: int = 1) -> Value:
    """So many bytes in blocks, or in beats of blocks side by side, the last perhaps not full."""
    size = BLOCK_BYTES * side_by_side
    return (count + (size - 1)) >> (size - 1).bit_length()


def aad_beats(aad: Value, rate: Rate) -> Value:
    """Blocks or beats of additional data; a frame without has one of zeros."""
    return blocks_of(aad, rate.blocks) | (aad == 0)
