# SPDX-License-Identifier: Apache-2.0
"""From the transcript of a pair to what was said: the octets of the input, and those of the output.

A transcript has segments as they passed, so octets may come twice and in any order. All that come twice must be the same,
and none may be missing from the first to the last. Where the first ones are missing nothing in the transcript says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from custodes.gateway_formats import ENTRY_BYTES, OUTPUT, WORD_BYTES

_LOWER = (1 << 32) - 1


class ConversationError(Exception):
    """A transcript that says nothing certain; one clear line.

    Attributes:
        answered_twice: the server has answered the same in two ways, which nothing but the server can do.
    """

    def __init__(self, text: str, answered_twice: bool = False) -> None:
        super().__init__(text)
        self.answered_twice = answered_twice


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment with payload: who sent it, its sequence number, and its octets."""

    output: bool
    sequence: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one side sent, and what the other answered."""

    input: bytes
    output: bytes


def entries(transcript: bytes) -> Iterator[Entry]:
    """The segments of a transcript, in the order in which they passed; raises `ConversationError`."""
    at = 0
    while at < len(transcript):
        head = transcript[at : at + ENTRY_BYTES]
        size = int.from_bytes(head[:WORD_BYTES]) & ~OUTPUT
        octets = transcript[at + ENTRY_BYTES :][:size]
        at += ENTRY_BYTES + size
        end = at + -size % WORD_BYTES
        if not size or len(octets) < size or end > len(transcript):
            raise ConversationError("the transcript does not consist of segments")
        if any(transcript[at:end]):
            raise ConversationError("the transcript has something where zeros fill a word")
        at = end
        yield Entry(bool(head[0] & OUTPUT >> 24), int.from_bytes(head[WORD_BYTES:]), octets)


def conversation(transcript: bytes) -> Conversation:
    """What was said; raises `ConversationError` where that is not certain."""
    found = [*entries(transcript)]
    if not found or found[0].output:
        raise ConversationError("the transcript does not begin with an input")
    return Conversation(
        _joined([entry for entry in found if not entry.output], "input"),
        _joined([entry for entry in found if entry.output], "output"),
    )


def _joined(segments: list[Entry], what: str) -> bytes:
    """The octets of segments in the order of their sequence numbers."""
    if not segments:
        return b""
    places = [_distance(segment.sequence, segments[0].sequence) for segment in segments]
    first = min(places)
    octets = bytearray(
        max(place + len(segment.octets) for place, segment in zip(places, segments, strict=True)) - first
    )
    if len(octets) > sum(len(segment.octets) for segment in segments):
        raise ConversationError(f"octets of the {what} are missing")
    known = bytearray(len(octets))
    for place, segment in zip(places, segments, strict=True):
        at = slice(place - first, place - first + len(segment.octets))
        if any(had and old != new for had, old, new in zip(known[at], octets[at], segment.octets, strict=True)):
            raise ConversationError(f"octets of the {what} were sent again, and were others", segments[0].output)
        octets[at], known[at] = segment.octets, b"\1" * len(segment.octets)
    if not all(known):
        raise ConversationError(f"octets of the {what} are missing")
    return bytes(octets)


def _distance(sequence: int, other: int) -> int:
    """By how much a sequence number is after another; negative: before."""
    difference = (sequence - other) & _LOWER
    return difference - (1 << 32) if difference >> 31 else difference
