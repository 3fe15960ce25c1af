# SPDX-License-Identifier: Apache-2.0
"""What a gateway's frames look like: weights on their way in, and samples on their way to the recomputer; what is hashed of
a pair, and which pairs are kept. Numbers are big-endian; a word has 32 bits.

Every frame has the EtherType that IEEE 802 (clause 9.2.4) leaves for local experiments, then an octet that says what kind it
is, then an octet of zeros; so what follows begins at a word. A gateway gives it the addresses that it has been told.
"""

from __future__ import annotations

import enum

ETHERTYPE = 0x88B5
HEAD_BYTES = 16
"""Addresses, EtherType, kind, and an octet of zeros."""
WORD_BYTES = 4
DIGEST_WORDS = 8


class Kind(enum.IntEnum):
    """Of frame."""

    UPLOAD = 1
    """Weights: the number of octets in 16 bits, where they belong in 48, and the octets. There are `UPLOAD_BYTES` in every
    frame but the last; who looks at it has no choice of how they are divided."""
    BEGIN = 2
    """An epoch begins: its number, the threshold in 2 words, and the commitment to its key."""
    LEAF = 3
    """A pair is complete: its tag, then its index in the epoch, then the leaf. It leaves before it is decided whether the
    pair is kept."""
    PAIR = 4
    """A piece of the transcript of a pair that is kept: its tag, then its index in the epoch, where the piece begins, in
    octets, and the piece, of whole words."""
    END = 5
    """An epoch has ended: the words of `Record`."""


class Tag(enum.IntEnum):
    """Of a pair, by word. All but the epoch and the last is given to it with its first input, and never to another since the
    gateway was switched on."""

    EPOCH = 0
    """In which it was completed."""
    NUMBER_HIGH = 1
    NUMBER = 2
    """It began as the so manieth."""
    FLOW = 3
    """Its connection was the so manieth."""
    TRAITS = 4
    """`Traits`, and the octets of its transcript."""


class Traits(enum.IntFlag):
    """Of a pair, in a word of its tag above the octets of its transcript."""

    NEXT = 1 << 24
    """It was complete as the next input came."""
    CLOSED = 1 << 25
    """Its connection was closed."""
    AGED = 1 << 26
    """Nothing came for too long."""
    OVERSIZE = 1 << 27
    """It would have become too long: frames of it were dropped."""


class Record(enum.IntEnum):
    """Of an epoch, by word. Events are counted since the gateway was switched on."""

    EPOCH = 0
    PAIRS = 1
    """That were completed in it."""
    KEPT = 2
    THRESHOLD_HIGH = 3
    THRESHOLD = 4
    STORE_FULL = 5
    """A frame was dropped, as there was no slot for a pair."""
    FLOWS_FULL = 6
    """A frame was dropped, as there was no room for another connection."""
    OVERSIZE = 7
    """A frame was dropped, as its pair was full."""
    UNMATCHED = 8
    """A frame of the server was dropped, as there was no input that it could answer."""
    STALE = 9
    """A frame of the server was dropped, as what it repeats belongs to a pair that is complete."""
    REFUSED = 10
    """A frame was dropped, as it is none that may pass."""
    ROOT = 11
    """Of the tree of its leaves."""
    KEY = ROOT + DIGEST_WORDS


OCTETS = (1 << 24) - 1
"""Those of the transcript, in the word of `Traits`."""
RECORD_WORDS = Record.KEY + DIGEST_WORDS
UPLOAD_BYTES = 1488
UPLOAD_HEAD_BYTES = HEAD_BYTES + 8
TAG_WORDS = len(Tag)
PIECE_BYTES = 1456
"""Of a transcript, in a frame, at most."""
ENTRY_BYTES = 8
"""Before the octets of each segment in a transcript: its direction and the number of its octets in a word, then its sequence
number. Zeros fill the last word of its octets."""
OUTPUT = 1 << 31
"""In the first word of an entry: the server sent it."""
LEAF_DOMAIN, NODE_DOMAIN = 0, 1
"""The word before what is hashed. A leaf is the SHA-256 of that, the tag and the transcript; a node that of it and two
digests. The tree is that of RFC 6962, 2.1, with these words in place of its octets; one of no leaves has a root of zeros."""
COMMITMENT_DOMAIN = b"custodes/sampler/v1\0"
"""The commitment to a key is the SHA-256 of this and the key."""
ALWAYS = (1 << 64) - 1
"""The threshold with which every pair is kept. Below it one is kept if the first 64 bits of the SHA-256 of the key and the
tag, without its last word, are less: with 0 none."""
