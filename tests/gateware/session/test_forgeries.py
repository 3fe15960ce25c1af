# SPDX-License-Identifier: Apache-2.0
"""Frames that nobody with the key has sealed: none is taken, and no byte of them leaves."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from custodes.macsec import HEADER_BYTES, Opening, Side, Suite
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, plain, to_open

LOWEST_PN = 0x1234_5678
PN_ONES = LOWEST_PN.bit_count()


def flipped(frame: bytes) -> Iterator[bytes]:
    """With each of its bits the other way, one after the other."""
    for at in range(8 * len(frame)):
        copy = bytearray(frame)
        copy[at // 8] ^= 1 << at % 8
        yield bytes(copy)


@pytest.mark.parametrize(
    ("size", "suite"), [*((60, suite) for suite in Suite), (200, Suite.GCM_AES_XPN_256)], ids=lambda value: str(value)
)
def test_no_frame_with_a_flipped_bit_is_taken(bench: Bench, size: int, suite: Suite):
    random = Random(size)
    peer = bench.receive(Sak.random(suite, random), an=1, pn=LOWEST_PN, channel=9)
    frame = peer.seal(plain(size, random, OWN, PEER))
    frames = list(flipped(frame))
    outcomes = bench.link.exchange(to_open(frames))
    assert [outcome.frame for outcome in outcomes if outcome.frame is not None] == []
    assert outcomes == [bench.expected(frame) for frame in to_open(frames)]
    assert Counter(outcome.reason for outcome in outcomes) == {
        Opening.IN_PKTS_NO_TAG: 16,
        Opening.IN_PKTS_BAD_TAG: 6 + 8,
        Opening.IN_PKTS_NOT_USING_SA: 2,
        Opening.IN_PKTS_NO_SCI: 64,
        Opening.IN_PKTS_LATE: PN_ONES,
        Opening.IN_PKTS_NOT_VALID: 96 + 32 - PN_ONES + 8 * (len(frame) - HEADER_BYTES),
    }
    bench.link.step(5000)
    assert not bench.link.has_outcome(Side.NETWORK)
    bench.check(to_open([frame]))
    assert bench.opener.counters[37, Opening.IN_PKTS_OK] == 1


def test_nothing_of_a_forgery_leaves_between_good_frames(bench: Bench):
    """Long and short forgeries, of which the whole text is decrypted before the ICV is known to be wrong."""
    random = Random(7)
    peer = bench.receive(Sak.random(Suite.GCM_AES_256, random))
    good = [peer.seal(plain(random.choice((60, 61, 400, 1518)), random, OWN, PEER)) for _ in range(60)]
    frames = [frame for one in good for frame in (one[:-1] + bytes((one[-1] ^ 1,)), one)]
    bench.link.pause(0.0, 0.3, seed=3)
    bench.check(to_open(frames))
    assert bench.opener.counters == {(0, Opening.IN_PKTS_NOT_VALID): 60, (0, Opening.IN_PKTS_OK): 60}
