# SPDX-License-Identifier: Apache-2.0
"""Keys change under load: the next is loaded and selected before the old one goes, and no frame is lost."""

from collections.abc import Iterator
from random import Random

import pytest

from custodes.macsec import MAX_PLAIN_BYTES, Opening, Sealing, Side, Suite
from custodes.processor_registers import Command
from tests.gateware.session.bench import OWN, PEER, SCI_OWN, Bench, Sak, Station, load_of, plain, to_open, to_seal

FRAMES = 160


def size(bench: Bench) -> int:
    """Of frames of which `FRAMES` take longer than it takes to load a key."""
    return min(40 * bench.link.lanes + 40, MAX_PLAIN_BYTES)


def opened_by(stations: list[Station], frames: list[bytes]) -> Iterator[bytes]:
    """What was sealed, if no PN is missing; the AN says by which of the stations."""
    for frame in frames:
        station = stations[frame[14] & 3]
        yield station.open(frame, station.pn)
        station.pn += 1


@pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.title)
def test_the_sender_changes_keys_without_losing_a_frame(bench: Bench, suite: Suite):
    random = Random(f"{suite}")
    old = bench.transmit(Sak.random(suite, random))
    new = Station(Sak.random(Suite(3 - suite), random), 1, 77, SCI_OWN)
    frames = [plain(size(bench), random) for _ in range(2 * FRAMES)]
    bench.send(to_seal(frames[:FRAMES]))
    assert bench.tell(load_of(Side.ACCELERATOR, 1, new.sak, new.pn))
    bench.idle()
    assert bench.order(Command.SELECT, 1)
    assert bench.link.run(1), "frames are still inside when the new key is selected"
    assert bench.link.run(1 << 22) == 0
    bench.send(to_seal(frames[FRAMES:]))
    assert bench.order(Command.ZEROISE, 0)
    assert bench.link.run(1 << 22) == 0
    sealed = [bench.link.take(Side.ACCELERATOR).frame or b"" for _ in frames]
    ans = [frame[14] & 3 for frame in sealed]
    assert ans == sorted(ans)
    assert 0 < ans.count(0) < FRAMES
    assert list(opened_by([old, new], sealed)) == frames
    bench.idle()
    assert bench.processor.association(Side.ACCELERATOR, 0) is None


def test_the_receiver_changes_keys_without_losing_a_frame(bench: Bench):
    random = Random(2)
    old = bench.receive(Sak.random(Suite.GCM_AES_256, random), window=8)
    new = Station(Sak.random(Suite.GCM_AES_XPN_128, random), 1, 500)
    frames = [plain(size(bench), random, OWN, PEER) for _ in range(3 * FRAMES)]
    first, both, last = (frames[at : at + FRAMES] for at in range(0, 3 * FRAMES, FRAMES))
    bench.send(to_open(map(old.seal, first)))
    assert bench.tell(load_of(Side.NETWORK, 1, new.sak, new.pn))
    bench.idle()
    bench.send(to_open(random.choice((old, new)).seal(frame) for frame in both))
    assert bench.link.run(1 << 22) == 0
    bench.send(to_open(map(new.seal, last)))
    assert bench.order(Command.ZEROISE, 0, Side.NETWORK)
    assert bench.link.run(1 << 22) == 0
    assert [bench.link.take(Side.NETWORK).frame for _ in frames] == frames


def test_a_key_taken_away_under_load_ends_the_frames_at_once(bench: Bench):
    random = Random(3)
    bench.transmit(Sak.random(Suite.GCM_AES_256, random))
    peer = bench.receive(Sak.random(Suite.GCM_AES_128, random))
    bench.send(to_seal(plain(size(bench), random) for _ in range(FRAMES)))
    bench.send(to_open(peer.seal(plain(size(bench), random, OWN, PEER)) for _ in range(FRAMES)))
    bench.link.step(size(bench) * FRAMES // bench.link.lanes // 2)
    for side in Side:
        assert bench.order(Command.ZEROISE, 0, side)
    assert bench.link.run(1 << 22) == 0
    for side, good, bad in (
        (Side.ACCELERATOR, Sealing.OUT_PKTS_ENCRYPTED, Sealing.OUT_PKTS_NOT_USING_SA),
        (Side.NETWORK, Opening.IN_PKTS_OK, Opening.IN_PKTS_NOT_USING_SA),
    ):
        reasons = [bench.link.take(side).reason for _ in range(FRAMES)]
        passed = reasons.count(good)
        assert 0 < passed < FRAMES
        assert reasons == [good] * passed + [bad] * (FRAMES - passed)
    bench.idle()
    assert [bench.processor.in_use(side) for side in Side] == [0, 0]


def test_zeroising_one_leaves_the_others_alone(bench: Bench):
    random = Random(4)
    bench.transmit(Sak.random(Suite.GCM_AES_256, random))
    for number in (1, 2, 3):
        bench.load_sak(Side.ACCELERATOR, number, Sak.random(Suite(number), random), pn=10 * number)
    frames = to_seal([plain(60, random)])
    bench.check(frames)
    bench.zeroise(Side.ACCELERATOR, 0)
    bench.check(frames)
    for number in (2, 3, 1):
        bench.select(number)
        bench.check(frames)
    assert bench.sealer.counters == {
        (0, Sealing.OUT_PKTS_NOT_USING_SA): 1,
        **{(number, Sealing.OUT_PKTS_ENCRYPTED): 1 for number in range(4)},
    }


def test_an_association_without_key_that_is_selected_drops_all(bench: Bench):
    random = Random(5)
    bench.transmit(Sak.random(Suite.GCM_AES_256, random), an=2)
    bench.select(3)
    bench.check(to_seal(plain(60, random) for _ in range(5)))
    bench.select(2)
    bench.check(to_seal(plain(60, random) for _ in range(5)))
    assert bench.sealer.counters == {(3, Sealing.OUT_PKTS_NOT_USING_SA): 5, (2, Sealing.OUT_PKTS_ENCRYPTED): 5}


@pytest.mark.parametrize("side", Side)
def test_refuses_to_load_an_association_that_is_in_use(bench: Bench, side: Side):
    random = Random(6)
    bench.transmit(Sak.random(Suite.GCM_AES_256, random))
    peer = bench.receive(Sak.random(Suite.GCM_AES_256, random))
    assert not bench.tell(load_of(side, 0, Sak.random(Suite.GCM_AES_128, random)))
    bench.check(to_seal([plain(60, random)]) + to_open([peer.seal(plain(60, random, OWN, PEER))]))
    assert [direction.counters.total() for direction in (bench.sealer, bench.opener)] == [1, 1]


def test_refuses_to_load_while_it_is_loading(bench: Bench):
    random = Random(7)
    first, second = (Sak.random(Suite.GCM_AES_256, random) for _ in range(2))
    bench.send_to(0, PEER)
    assert bench.tell(load_of(Side.ACCELERATOR, 0, first))
    assert not bench.tell(load_of(Side.ACCELERATOR, 1, second))
    bench.idle()
    bench.sealer.load(0, first.suite, first.key, 1)
    bench.check(to_seal([plain(60, random)]))
    assert bench.processor.association(Side.ACCELERATOR, 1) is None
