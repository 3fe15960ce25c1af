# SPDX-License-Identifier: Apache-2.0
"""Records and their chain: layout byte by byte, and what may and may not change a chain."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from random import Random

import pytest

from custodes.fingerprint import HEAD_BYTES, RECORD_BYTES, Flag, Record
from custodes.model.fingerprint import Fingerprint
from custodes.table import Port

RECORD = Record(
    Port.WORLD,
    Flag.OVERFLOW | Flag.LOST,
    beat=0x0102030405060708,
    epoch=0x1112131415161718,
    frames_in=0x21222324,
    frames_out=0x31323334,
    words=0x41424344,
    ticks=0x51525354,
    chain=bytes(range(0x60, 0x80)),
)
LAYOUT = (
    "43465231 01 03 0000 0102030405060708 1112131415161718 21222324 31323334 41424344 51525354"
    " 606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
)


def test_a_record_has_this_layout():
    assert RECORD.encode() == bytes.fromhex(LAYOUT)
    assert len(RECORD.encode()) == RECORD_BYTES == 72
    assert Record.decode(RECORD.encode()) == RECORD


@pytest.mark.parametrize("at", [0, 3, 4, 5, 6, 7])
def test_what_is_no_record_is_refused(at: int):
    data = bytearray(RECORD.encode())
    data[at] |= 0x80
    with pytest.raises(ValueError, match="is no record"):
        Record.decode(bytes(data))
    for wrong in (RECORD.encode()[:-1], RECORD.encode() + b"\0"):
        with pytest.raises(ValueError, match="is no record"):
            Record.decode(wrong)


def test_the_chain_is_the_digest_that_the_format_says():
    chain = Fingerprint(Port.CLUSTER)
    chain.leave(b"\xaa" * 60)
    chain.leave(b"\xbb" * 300)
    first = chain.close(epoch=5, frames_in=3, words=2, ticks=1)
    head = bytes.fromhex("43465231 00 00 0000 0000000000000000 0000000000000005 00000003 00000002 00000002 00000001")
    left = hashlib.sha256(b"\x00\x3c" + b"\xaa" * 60 + b"\x01\x2c" + b"\xbb" * 300).digest()
    assert first.encode() == head + hashlib.sha256(bytes(32) + head + left).digest()
    second = chain.close()
    head = bytes.fromhex("43465231 00 00 0000 0000000000000001") + bytes(24)
    assert second.encode() == head + hashlib.sha256(first.chain + head + hashlib.sha256(b"").digest()).digest()


def test_after_an_overflow_zeros_stand_for_what_left():
    chain, other = Fingerprint(Port.CLUSTER), Fingerprint(Port.CLUSTER)
    for one in (chain, other):
        one.leave(b"\x01" * 60 if one is chain else b"\x02" * 60)
        one.overflow()
    record = chain.close()
    assert record == other.close()
    assert record.flags is Flag.OVERFLOW and record.frames_out == 2
    assert record.chain == hashlib.sha256(bytes(32) + record.encode()[:HEAD_BYTES] + bytes(32)).digest()
    assert chain.close().flags is Flag(0)


def test_every_change_of_what_left_changes_every_chain_after_it():
    random = Random(1)
    beats = [[random.randbytes(random.randrange(60, 200)) for _ in range(4)] for _ in range(3)]

    def chains(beats: list[list[bytes]]) -> list[bytes]:
        fingerprint = Fingerprint(Port.WORLD)
        found = []
        for frames in beats:
            for frame in frames:
                fingerprint.leave(frame)
            found.append(fingerprint.close().chain)
        return found

    honest = chains(beats)
    first, second, third, fourth = beats[1]
    for changed in (
        [first, second, third[:-1] + bytes([third[-1] ^ 1]), fourth],
        [first, third, second, fourth],
        [first, second, third],
        [first, second, third + fourth[:1], fourth[1:]],
        [first + second, third, fourth],
        [first, second, third, fourth, b""],
    ):
        before, *after = chains([beats[0], changed, beats[2]])
        assert before == honest[0]
        assert all(one != other for one, other in zip(after, honest[1:], strict=True))
    moved = chains([beats[0], beats[1][:-1], [beats[1][-1], *beats[2]]])
    assert moved[0] == honest[0] and moved[1] != honest[1] and moved[2] != honest[2]


def test_every_field_is_in_the_chain():
    def chain(**fields: int) -> bytes:
        return Fingerprint(Port.CLUSTER).close(**fields).chain  # pyright: ignore[reportArgumentType]

    plain = chain()
    found = [chain(**{name: 1}) for name in ("epoch", "frames_in", "words", "ticks")]
    found += [Fingerprint(Port.WORLD).close().chain, Fingerprint(Port.CLUSTER, beat=1).close().chain]
    found += [Fingerprint(Port.CLUSTER).close(flags=Flag.LOST).chain]
    assert len({plain, *found}) == len(found) + 1


def test_goes_on_from_a_record():
    whole = Fingerprint(Port.CLUSTER)
    first = whole.close(epoch=1)
    later = Fingerprint(Port.CLUSTER, first.chain, first.beat + 1)
    assert later.close(epoch=2) == whole.close(epoch=2)
    assert replace(first, chain=first.chain) == first
