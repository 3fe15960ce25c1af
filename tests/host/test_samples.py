# SPDX-License-Identifier: Apache-2.0
"""Sample frames read, as the specification of the sampler sends them, and what is none."""

from __future__ import annotations

import pytest

from custodes.gateway_formats import Kind, Record, Traits
from custodes.samples import Begin, End, Leaf, Piece, Sample, SampleError, is_sample, read_sample
from tests.host.sampler_traffic import KEY, MACS, Talk, sampler

HEAD = MACS.recomputer + MACS.sampler + b"\x88\xb5"


def emitted() -> list[bytes]:
    made = sampler(threshold=(1 << 64) - 1)
    talk = Talk(made)
    assert talk.ask(b"a") and talk.ask(bytes(1400)) and talk.answer(bytes(1400)) and talk.ask(b"next")
    talk.close()
    made.epoch(bytes(32), 0)
    return made.emitted


def test_every_frame_of_an_epoch_is_read():
    found: list[Sample] = [read_sample(frame.ljust(60, b"\0")) for frame in emitted()]
    begin, leaf, first, second, short, piece, end, other = found
    assert isinstance(begin, Begin) and (begin.epoch, begin.threshold) == (1, (1 << 64) - 1)
    assert isinstance(leaf, Leaf) and isinstance(first, Piece) and isinstance(second, Piece)
    assert leaf.tag == first.tag == second.tag
    assert (leaf.tag.epoch, leaf.tag.number, leaf.tag.flow, leaf.tag.traits) == (1, 1, 1, Traits.NEXT)
    assert (first.offset, second.offset) == (0, 1456) and len(first.octets + second.octets) == leaf.tag.octets == 2828
    assert isinstance(short, Leaf) and isinstance(piece, Piece) and (short.index, short.tag.number) == (1, 2)
    assert len(piece.octets) == 12, "what fills the frame is none of it"
    assert isinstance(end, End) and end.key == KEY and end.word(Record.PAIRS) == end.word(Record.KEPT) == 2
    assert isinstance(other, Begin) and other.epoch == 2


def test_other_frames_are_told_apart():
    assert is_sample(emitted()[0]) and not is_sample(bytes(60)) and not is_sample(b"")


@pytest.mark.parametrize("which", range(8))
def test_what_is_cut_or_longer_is_no_sample(which: int):
    frame = emitted()[which]
    for size in range(len(frame)):
        with pytest.raises(SampleError):
            read_sample(frame[:size])
    with pytest.raises(SampleError):
        read_sample(frame + b"\1")
    with pytest.raises(SampleError):
        read_sample(frame.ljust(60, b"\0") + b"\0")


def changed(frame: bytes, at: int, octets: bytes) -> bytes:
    return frame[:at] + octets + frame[at + len(octets) :]


@pytest.mark.parametrize(
    ("which", "at", "octets", "says"),
    [
        (0, 15, b"\1", "octet of zeros"),
        (0, 14, bytes([Kind.UPLOAD]), "kind 1"),
        (0, 14, b"\x63", "kind 99"),
        (0, 16, b"\0\0\0\0", "an epoch has a number"),
        (6, 16, b"\0\0\0\0", "an epoch has a number"),
        (1, 32, b"\x00", "traits"),
        (1, 32, b"\x03", "traits"),
        (1, 32, b"\x11", "traits"),
        (1, 33, b"\0\0\6", "6 octets"),
        (1, 33, b"\0\0\x08", "8 octets"),
        (1, 28, b"\0\0\0\0", "a number that none is given"),
        (1, 16, b"\0\0\0\0", "a number that none is given"),
        (2, 40, b"\0\0\0\4", "begins at 4"),
        (2, 40, b"\0\0\x0b\x60", "begins at 2912"),
    ],
)
def test_what_no_sampler_sends_is_said_in_a_line(which: int, at: int, octets: bytes, says: str):
    with pytest.raises(SampleError, match=says) as caught:
        read_sample(changed(emitted()[which], at, octets))
    assert "\n" not in str(caught.value)
