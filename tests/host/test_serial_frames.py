# SPDX-License-Identifier: Apache-2.0
"""The frames of the serial link: what is encoded is decoded, and nothing else is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.serial_frames import (
    CRC_POLYNOMIAL,
    CRC_RESIDUE,
    MAX_FRAME_BYTES,
    MAX_WORDS,
    REPLY_SYNC,
    REQUEST_SYNC,
    FrameError,
    FrameScanner,
    Operation,
    Reply,
    Request,
    Status,
)

WORDS = st.integers(0, 0xFFFF_FFFF)
BYTES = st.integers(0, 0xFF)
ADDRESSES = st.integers(0, 0xFFFF)
VALUES = st.lists(WORDS, min_size=1, max_size=MAX_WORDS)
REQUESTS = st.one_of(
    st.builds(Request.hello, BYTES, WORDS),
    st.builds(Request.read, BYTES, ADDRESSES, st.integers(1, MAX_WORDS)),
    st.builds(Request.write, BYTES, ADDRESSES, VALUES),
)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    operation = draw(st.sampled_from(Operation))
    values = tuple(draw(VALUES)) if operation == Operation.READ else ()
    words = len(values) if values else draw(st.integers(0, MAX_WORDS))
    return Reply(operation, draw(st.sampled_from(Status)), draw(BYTES), draw(WORDS), words, values)


@given(REQUESTS)
def test_requests_come_back(request: Request):
    frame = request.encode()
    assert Request.decode(frame) == request
    assert len(frame) <= MAX_FRAME_BYTES


@given(replies())
def test_replies_come_back(reply: Reply):
    assert Reply.decode(reply.encode()) == reply


@given(REQUESTS, st.data())
def test_no_frame_with_a_flipped_bit_is_one(request: Request, data: st.DataObject):
    frame = bytearray(request.encode())
    for bit in data.draw(st.sets(st.integers(0, 8 * len(frame) - 1), min_size=1, max_size=3)):
        frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        Request.decode(bytes(frame))


@given(st.binary(max_size=MAX_FRAME_BYTES + 1))
def test_garbage_is_no_frame(garbage: bytes):
    with pytest.raises(FrameError):
        Request.decode(garbage)
    with pytest.raises(FrameError):
        Reply.decode(garbage)


@given(st.lists(replies(), max_size=4), st.data())
def test_frames_are_found_however_they_are_cut(sent: list[Reply], data: st.DataObject):
    stream = b"".join(reply.encode() for reply in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    scanner = FrameScanner(REPLY_SYNC)
    pieces = [stream[a:b] for a, b in itertools.pairwise((0, *cuts, len(stream)))]
    assert [Reply.decode(frame) for piece in pieces for frame in scanner.feed(piece)] == sent
    assert scanner.skipped == scanner.held == 0


@given(st.binary(max_size=64), replies())
def test_a_frame_is_found_after_garbage_and_a_pause(garbage: bytes, reply: Reply):
    scanner = FrameScanner(REPLY_SYNC)
    assert scanner.feed(garbage) == []
    scanner.idle()
    assert scanner.feed(reply.encode()) == [reply.encode()]
    assert scanner.skipped == len(garbage)


@given(REQUESTS)
def test_an_echo_of_the_request_is_no_reply(request: Request):
    scanner = FrameScanner(REPLY_SYNC)
    for frame in scanner.feed(request.encode()):
        assert not Reply.decode(frame).answers(request.encode())


def test_a_reply_belongs_to_one_request():
    asked, other = (Request.read(7, address).encode() for address in (1, 2))
    reply = Reply(Operation.READ, Status.OK, 7, int.from_bytes(asked[-4:], "little"), 1, (5,))
    assert reply.answers(asked)
    assert not reply.answers(other)


@pytest.mark.parametrize(
    "request_", [Request.read(0, 0x10000), Request.read(0, 0, 65), Request.read(0, 0, 0), Request.write(256, 0, [0])]
)
def test_what_does_not_fit_is_not_encoded(request_: Request):
    with pytest.raises(ValueError, match=r"do not fit|8 bits"):
        request_.encode()


def test_words_that_contradict_each_other_are_refused():
    frame = Request.read(1, 0x1000, 2).encode()
    body = frame[:6] + b"\x03\x00"
    assert crc(body) != CRC_RESIDUE
    with pytest.raises(FrameError, match="differ"):
        Request.decode(body + (crc(body) ^ 0xFFFF_FFFF).to_bytes(4, "little"))


def test_operations_differ_in_four_bits():
    assert all((a ^ b).bit_count() >= 4 for a, b in itertools.combinations(Operation, 2))
    assert (REQUEST_SYNC ^ REPLY_SYNC).bit_count() == 8


def crc(data: bytes) -> int:
    """The register of the CRC, bit by bit, after these bytes."""
    register = 0xFFFF_FFFF
    for byte in data:
        for place in range(8):
            feedback = (register ^ byte >> place) & 1
            register = register >> 1 ^ (CRC_POLYNOMIAL if feedback else 0)
    return register


@given(REQUESTS)
def test_the_residue_says_that_a_frame_is_good(request: Request):
    frame = request.encode()
    assert crc(frame) == CRC_RESIDUE
    assert crc(frame[:-1] + bytes([frame[-1] ^ 1])) != CRC_RESIDUE
