# SPDX-License-Identifier: Apache-2.0
"""What the sampler's units have in common: words of frames, and what is known of a connection and of a frame."""

from __future__ import annotations

from amaranth import unsigned
from amaranth.lib import data

from custodes.gateway_formats import WORD_BYTES, Record

WORD_BITS = 8 * WORD_BYTES
PIECE_LANES = WORD_BYTES
"""Frames go through the sampler in words."""
STORE_WORDS = 512
"""Of frames, for each direction and on each side: a block RAM."""
MAX_FRAME_WORDS = 380
"""A frame of more is none that may pass, nor is one for which there is not so much room on its way out."""
LENGTH_BITS = 11
"""Of the lengths in IP headers: longer ones than a frame can have are refused."""
MIN_SLOT_BYTES = 1 << LENGTH_BITS
"""So that an entry for any frame's octets fits a slot that is empty."""
KEY_WORDS = 9
"""Addresses of the world's side and of the server's, in four words each, of which IPv4 uses the first; and the ports, the
world's first."""
EVENT_BITS = (Record.REFUSED - Record.STORE_FULL).bit_length()


def key_layout() -> data.StructLayout:
    """How a connection is known."""
    return data.StructLayout({"words": data.ArrayLayout(unsigned(WORD_BITS), KEY_WORDS), "six": 1})


def state_layout(slots: int, slot_bytes: int) -> data.StructLayout:
    """What is known of a connection, which always has an open pair.

    ``in_next``, ``out_next``: the numbers after the last octet of the inputs and of the outputs so far; the latter means
    something where ``sent``. ``from_next``, ``from_sent``: the same, as the pair began. ``answered``: the pair has outputs.
    ``finished``: FIN was seen, of the world and of the server. ``flow``: it began as the so manieth. ``slot``, ``words``,
    ``oversize``: of the pair.
    """
    return data.StructLayout(
        {
            "in_next": WORD_BITS,
            "out_next": WORD_BITS,
            "from_next": WORD_BITS,
            "flow": WORD_BITS,
            "sent": 1,
            "from_sent": 1,
            "answered": 1,
            "finished": 2,
            "oversize": 1,
            "slot": slot_bits(slots),
            "words": words_bits(slot_bytes),
        }
    )


def segment_layout() -> data.StructLayout:
    """What a frame says. ``tcp``: it is TCP, in IP as it must be; ``plain``: it passes whatever connections there are.
    ``rest``: octets of the IP packet after the first 20 of the TCP header; ``skip``: words of options; ``length``: octets of
    payload."""
    return data.StructLayout(
        {
            "tcp": 1,
            "plain": 1,
            "fin": 1,
            "rst": 1,
            "sequence": WORD_BITS,
            "rest": LENGTH_BITS,
            "skip": 4,
            "length": LENGTH_BITS,
        }
    )


def slot_bits(slots: int) -> int:
    return (slots - 1).bit_length()


def words_bits(slot_bytes: int) -> int:
    """A slot may be full."""
    return (slot_bytes // WORD_BYTES).bit_length()
