# SPDX-License-Identifier: Apache-2.0
"""Sample frames read: `custodes.gateway_formats`, from octets to typed records, each checked by itself."""

from __future__ import annotations

from dataclasses import dataclass

from custodes.errors import MismatchError
from custodes.gateway_formats import (
    ENTRY_BYTES,
    ETHERTYPE,
    HEAD_BYTES,
    OCTETS,
    PIECE_BYTES,
    RECORD_WORDS,
    WORD_BYTES,
    Kind,
    Record,
    Tag,
    Traits,
)
from custodes.sample_tree import DIGEST_BYTES, TAG_BYTES
from custodes.table import MIN_FRAME_BYTES

ENDINGS = int(Traits.NEXT | Traits.CLOSED | Traits.AGED)


class SampleError(MismatchError):
    """A frame is none that a sampler sends; one clear line."""


@dataclass(frozen=True, slots=True)
class PairTag:
    """The tag of a pair: ``data`` is its words as they are hashed."""

    data: bytes

    def word(self, which: Tag) -> int:
        return _word(self.data, which)

    @property
    def epoch(self) -> int:
        return self.word(Tag.EPOCH)

    @property
    def number(self) -> int:
        return self.word(Tag.NUMBER_HIGH) << 32 | self.word(Tag.NUMBER)

    @property
    def flow(self) -> int:
        return self.word(Tag.FLOW)

    @property
    def traits(self) -> Traits:
        return Traits(self.word(Tag.TRAITS) & ~OCTETS)

    @property
    def octets(self) -> int:
        """Of the transcript."""
        return self.word(Tag.TRAITS) & OCTETS


@dataclass(frozen=True, slots=True)
class Begin:
    """An epoch begins."""

    epoch: int
    threshold: int
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """A pair is complete."""

    tag: PairTag
    index: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets of the transcript of a pair that is kept, without what the wire has added."""

    tag: PairTag
    index: int
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class End:
    """An epoch has ended: ``data`` is the words of its record."""

    data: bytes

    def word(self, which: Record) -> int:
        return _word(self.data, which)

    @property
    def epoch(self) -> int:
        return self.word(Record.EPOCH)

    @property
    def threshold(self) -> int:
        return self.word(Record.THRESHOLD_HIGH) << 32 | self.word(Record.THRESHOLD)

    @property
    def root(self) -> bytes:
        return self._digest(Record.ROOT)

    @property
    def key(self) -> bytes:
        return self._digest(Record.KEY)

    def _digest(self, which: Record) -> bytes:
        return self.data[which * WORD_BYTES :][:DIGEST_BYTES]


Sample = Begin | Leaf | Piece | End


def is_sample(frame: bytes) -> bool:
    """Whether a frame has the EtherType of samples; what else a port hears is none of theirs."""
    return frame[12:14] == ETHERTYPE.to_bytes(2)


def read_sample(frame: bytes) -> Sample:
    """What a frame says, with or without the zeros that fill a short one on the wire; raises `SampleError`."""
    if len(frame) < HEAD_BYTES or not is_sample(frame):
        raise SampleError("a frame is no sample")
    if frame[HEAD_BYTES - 1]:
        raise SampleError("a sample has something in its octet of zeros")
    content = frame[HEAD_BYTES:]
    match frame[HEAD_BYTES - 2]:
        case Kind.BEGIN:
            content = _exactly(content, 3 * WORD_BYTES + DIGEST_BYTES, "the beginning of an epoch")
            return Begin(_epoch(content), int.from_bytes(content[4:12]), content[12:])
        case Kind.LEAF:
            content = _exactly(content, TAG_BYTES + WORD_BYTES + DIGEST_BYTES, "a leaf")
            return Leaf(_tag(content), _word(content, len(Tag)), content[TAG_BYTES + WORD_BYTES :])
        case Kind.PAIR:
            return _piece(content)
        case Kind.END:
            content = _exactly(content, RECORD_WORDS * WORD_BYTES, "a record")
            _epoch(content)
            return End(content)
        case kind:
            raise SampleError(f"a sample is of kind {kind}, which a sampler does not send")


def _word(data: bytes, index: int) -> int:
    return int.from_bytes(data[index * WORD_BYTES : (index + 1) * WORD_BYTES])


def _epoch(content: bytes) -> int:
    """The number of an epoch that begins or has ended."""
    if not (number := _word(content, 0)):
        raise SampleError("an epoch has a number that none is given: 0")
    return number


def _exactly(content: bytes, size: int, what: str) -> bytes:
    """The first ``size`` octets; all that may follow is what fills a frame."""
    if len(content) < size:
        raise SampleError(f"{what} has {len(content)} octets, not {size}")
    if len(content) > max(size, MIN_FRAME_BYTES - HEAD_BYTES) or any(content[size:]):
        raise SampleError(f"{what} is followed by something")
    return content[:size]


def _tag(content: bytes) -> PairTag:
    if len(content) < TAG_BYTES:
        raise SampleError("a sample ends in its tag")
    tag = PairTag(content[:TAG_BYTES])
    traits = tag.word(Tag.TRAITS) & ~OCTETS
    if traits & ~(ENDINGS | int(Traits.OVERSIZE)) or (traits & ENDINGS).bit_count() != 1:
        raise SampleError(f"the tag of pair {tag.number} has traits that no pair has: {traits >> 24:#04x}")
    if not tag.number or not tag.flow or not tag.epoch:
        raise SampleError("a tag has a number that none is given: 0")
    if tag.octets % WORD_BYTES or tag.octets <= ENTRY_BYTES:
        raise SampleError(f"pair {tag.number} has {tag.octets} octets, which no transcript has")
    return tag


def _piece(content: bytes) -> Piece:
    head = TAG_BYTES + 2 * WORD_BYTES
    if len(content) < head:
        raise SampleError("a piece of a pair ends in its head")
    tag = _tag(content)
    index, offset = _word(content, len(Tag)), _word(content, len(Tag) + 1)
    if offset % PIECE_BYTES or offset >= tag.octets:
        raise SampleError(f"a piece of pair {tag.number} begins at {offset}, where none does")
    size = min(PIECE_BYTES, tag.octets - offset)
    return Piece(tag, index, offset, _exactly(content, head + size, f"a piece of pair {tag.number}")[head:])
