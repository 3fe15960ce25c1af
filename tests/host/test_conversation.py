# SPDX-License-Identifier: Apache-2.0
"""What was said, from the transcript of a pair: any order, repetitions, holes, and sequence numbers that wrap."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from custodes.conversation import Conversation, ConversationError, conversation

TOP = 1 << 32


def entry(output: bool, sequence: int, octets: bytes) -> bytes:
    head = (output << 31 | len(octets)).to_bytes(4) + (sequence % TOP).to_bytes(4)
    return head + octets + bytes(-len(octets) % 4)


def test_segments_are_joined_in_the_order_of_their_numbers():
    transcript = (
        entry(False, 10, b"hello ") + entry(False, 16, b"you") + entry(True, 5, b"good") + entry(True, 9, b"bye")
    )
    assert conversation(transcript) == Conversation(b"hello you", b"goodbye")


@pytest.mark.parametrize("seed", range(20))
def test_any_order_and_any_repetition_says_the_same(seed: int):
    random = Random(seed)
    said = random.randbytes(500), random.randbytes(700)
    pieces = []
    for output, octets in enumerate(said):
        cuts = sorted({0, len(octets), *random.sample(range(1, len(octets)), 9)})
        first = TOP - 250
        pieces += [entry(bool(output), first + a, octets[a:b]) for a, b in pairwise(cuts)]
        for _ in range(5):
            a, b = sorted(random.sample(range(len(octets)), 2))
            pieces.append(entry(bool(output), first + a, octets[a:b]))
    random.shuffle(pieces)
    pieces.insert(0, next(piece for piece in pieces if not piece[0] >> 7))
    assert conversation(b"".join(pieces)) == Conversation(*said)


@pytest.mark.parametrize(
    ("transcript", "says"),
    [
        (b"", "does not begin with an input"),
        (entry(True, 1, b"abcd"), "does not begin with an input"),
        (entry(False, 1, b"abcd") + entry(False, 6, b"x"), "octets of the input are missing"),
        (
            entry(False, 1, b"abcd") + entry(True, 1, b"a") + entry(True, TOP // 2, b"x"),
            "octets of the output are missing",
        ),
        (
            entry(False, 1, b"abcd") + entry(False, 1, b"a") * 3 + entry(False, 6, b"x"),
            "octets of the input are missing",
        ),
        (entry(False, 1, b"abcd") + entry(False, 2, b"bX"), "octets of the input were sent again, and were others"),
        (entry(False, 1, b"abcd")[:-1], "does not consist of segments"),
        (entry(False, 1, b"abc")[:-1], "does not consist of segments"),
        (entry(False, 1, b"abcd") + b"\0\0\0\4", "does not consist of segments"),
        (entry(False, 1, b""), "does not consist of segments"),
        (entry(False, 1, b"abc")[:-1] + b"\1", "zeros fill a word"),
    ],
)
def test_what_says_nothing_certain_says_why(transcript: bytes, says: str):
    with pytest.raises(ConversationError, match=says) as caught:
        conversation(transcript)
    assert not caught.value.answered_twice


def test_only_a_server_can_have_answered_twice():
    with pytest.raises(ConversationError, match="octets of the output were sent again") as caught:
        conversation(entry(False, 1, b"abcd") + entry(True, 1, b"abcd") + entry(True, 1, b"abcX"))
    assert caught.value.answered_twice
