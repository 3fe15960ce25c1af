# SPDX-License-Identifier: Apache-2.0
"""What the closer moves where, in rows: messages to be hashed, frames, and what registers show."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from custodes.gateway_formats import (
    COMMITMENT_DOMAIN,
    DIGEST_WORDS,
    ETHERTYPE,
    LEAF_DOMAIN,
    NODE_DOMAIN,
    WORD_BYTES,
    Kind,
    Record,
    Tag,
)
from custodes.gateway_registers import SAMPLER_BLOCK
from gateware.sampler.store import TAG_ROWS, tag_row

LEDGER_WORDS = 512
STACK_AT = 256
"""Above registers are the digests of the trees that are not whole yet, the largest first."""
REGISTER_WORDS = 128
KEY_ROWS = 2 * DIGEST_WORDS
NEXT_KEY, KEY = 0, DIGEST_WORDS
"""That of the next epoch, and that of this one."""
MAC_WORDS = 4


def register(name: str, index: int = 0) -> int:
    """Where it is in the ledger: as on the bus."""
    return SAMPLER_BLOCK[name].offset + index


def count(word: Record) -> int:
    """Of COUNTS."""
    return register("COUNTS", word - Record.PAIRS)


class Source(enum.IntEnum):
    """Where words come from."""

    LITERAL = 0
    LEDGER = 1
    ROOT = 2
    """As LEDGER, but zeros if there are no leaves."""
    HEAD = 3
    """As LEDGER: two registers with an address each, in three words."""
    TAG = 4
    KEY = 5
    TRANSCRIPT = 6
    """A piece of it."""
    PLACE = 7
    """Where that begins, in octets."""
    DIGEST = 8
    SWAPPED = 9
    """As DIGEST, the first octet the lowest."""


class Sink(enum.IntEnum):
    """Where they go."""

    HASH = 0
    FRAME = 1
    LEDGER = 2
    KEY = 3
    COMPARE = 4
    """With the digest: a threshold."""


class Stack(enum.IntEnum):
    """What is added to addresses of the ledger."""

    NONE = 0
    TOP = 1
    """Where the next digest goes."""
    PAIR = 2
    """Where the last but one is."""


class Note(enum.IntEnum):
    """What a word is remembered as."""

    NONE = 0
    TRAITS = 1
    INDEX = 2


@dataclass(frozen=True)
class Row:
    """So many words from here to there; ``last``: the final one ends a message or a frame."""

    source: Source
    words: int
    sink: Sink
    at: int = 0
    to: int = 0
    last: bool = False
    literal: int = 0
    stack: Stack = Stack.NONE
    note: Note = Note.NONE


def _literal(value: int, sink: Sink, words: int = 1, to: int = 0) -> Row:
    return Row(Source.LITERAL, words, sink, to=to, literal=value)


def _ledger(at: int, sink: Sink, words: int = 1, to: int = 0, last: bool = False, note: Note = Note.NONE) -> Row:
    return Row(Source.LEDGER, words, sink, at, to, last, note=note)


def _head(kind: Kind) -> tuple[Row, ...]:
    head = Row(Source.HEAD, MAC_WORDS, Sink.FRAME, register("RECOMPUTER_MAC"))
    return head, _literal(ETHERTYPE << 16 | kind << 8, Sink.FRAME)


def _tag(sink: Sink, note: Note = Note.NONE) -> tuple[Row, ...]:
    return _ledger(register("EPOCH"), sink), Row(Source.TAG, TAG_ROWS, sink, note=note)


_DIGEST = Row(Source.DIGEST, DIGEST_WORDS, Sink.FRAME, last=True)
_DOMAIN = [
    int.from_bytes(COMMITMENT_DOMAIN[at : at + WORD_BYTES]) for at in range(0, len(COMMITMENT_DOMAIN), WORD_BYTES)
]

WIPE = (
    _literal(0, Sink.KEY, KEY_ROWS),
    _literal(0, Sink.LEDGER, REGISTER_WORDS),
)
LEAF = (
    _literal(LEAF_DOMAIN, Sink.HASH),
    *_tag(Sink.HASH, Note.TRAITS),
    Row(Source.TRANSCRIPT, 0, Sink.HASH, last=True),
    Row(Source.DIGEST, DIGEST_WORDS, Sink.LEDGER, stack=Stack.TOP),
    *_head(Kind.LEAF),
    *_tag(Sink.FRAME),
    _ledger(count(Record.PAIRS), Sink.FRAME, note=Note.INDEX),
    _DIGEST,
)
NODE = (
    _literal(NODE_DOMAIN, Sink.HASH),
    Row(Source.LEDGER, 2 * DIGEST_WORDS, Sink.HASH, last=True, stack=Stack.PAIR),
    Row(Source.DIGEST, DIGEST_WORDS, Sink.LEDGER, stack=Stack.PAIR),
)
DECIDE = (
    Row(Source.KEY, DIGEST_WORDS, Sink.HASH, KEY),
    _ledger(register("EPOCH"), Sink.HASH),
    Row(Source.TAG, tag_row(Tag.TRAITS), Sink.HASH, last=True),
    _ledger(count(Record.THRESHOLD_HIGH), Sink.COMPARE, 2),
)
KEEP = (
    *_head(Kind.PAIR),
    *_tag(Sink.FRAME),
    _ledger(count(Record.PAIRS), Sink.FRAME),
    Row(Source.PLACE, 1, Sink.FRAME),
    Row(Source.TRANSCRIPT, 0, Sink.FRAME, last=True),
)
END = (
    _ledger(register("EPOCH"), Sink.LEDGER, to=register("RECORD", Record.EPOCH)),
    _ledger(count(Record.PAIRS), Sink.LEDGER, Record.ROOT - Record.PAIRS, register("RECORD", Record.PAIRS)),
    Row(Source.ROOT, DIGEST_WORDS, Sink.LEDGER, STACK_AT, register("RECORD", Record.ROOT)),
    Row(Source.KEY, DIGEST_WORDS, Sink.LEDGER, KEY, register("RECORD", Record.KEY)),
    *_head(Kind.END),
    _ledger(register("RECORD"), Sink.FRAME, Record.KEY + DIGEST_WORDS, last=True),
)
BEGIN = (
    _ledger(register("THRESHOLD", 1), Sink.LEDGER, to=count(Record.THRESHOLD_HIGH)),
    _ledger(register("THRESHOLD"), Sink.LEDGER, to=count(Record.THRESHOLD)),
    _literal(0, Sink.LEDGER, 2, count(Record.PAIRS)),
    Row(Source.KEY, DIGEST_WORDS, Sink.KEY, NEXT_KEY, KEY),
    _literal(0, Sink.KEY, DIGEST_WORDS, NEXT_KEY),
    *(_literal(word, Sink.HASH) for word in _DOMAIN),
    Row(Source.KEY, DIGEST_WORDS, Sink.HASH, KEY, last=True),
    Row(Source.SWAPPED, DIGEST_WORDS, Sink.LEDGER, to=register("COMMITMENT")),
    *_head(Kind.BEGIN),
    _ledger(register("EPOCH"), Sink.FRAME),
    _ledger(count(Record.THRESHOLD_HIGH), Sink.FRAME, 2),
    _DIGEST,
)
