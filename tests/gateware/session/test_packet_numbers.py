# SPDX-License-Identifier: Apache-2.0
"""Packet numbers: none is used twice, an association ends with its last, and what is too old is not taken."""

from random import Random

import pytest

from custodes.macsec import MAX_WINDOW, Opening, Sealing, Side, Suite
from custodes.processor_registers import COMMAND, LIFETIME, PN
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, Station, load_of, plain, to_open, to_seal
from tests.suites import EXTENDED, SUITES

WRAP = 1 << 32
ENDS = pytest.mark.parametrize("suite", [Suite.GCM_AES_128, Suite.GCM_AES_XPN_256], ids=lambda suite: suite.title)


def plains(count: int, random: Random, size: int = 60) -> list[bytes]:
    return [plain(size, random, OWN, PEER) for _ in range(count)]


def reasons(bench: Bench, frames: list[bytes]) -> list[Opening]:
    """What becomes of frames to be opened, each sent alone; as specified."""
    found: list[Opening] = []
    for frame in to_open(frames):
        wanted = bench.opener.counters.copy()
        bench.check([frame])
        ((_, reason),) = bench.opener.counters - wanted
        found.append(reason)
    return found


@SUITES
@pytest.mark.parametrize("left", [1, 2, 7])
def test_transmit_association_ends_with_its_last_pn(bench: Bench, suite: Suite, left: int):
    random = Random(left)
    peer = bench.transmit(Sak.random(suite, random), an=1, pn=suite.max_pn + 1 - left)
    frames = [plain(60, random) for _ in range(40)]
    outcomes = bench.link.exchange(to_seal(frames))
    sealed = [outcome.frame for outcome in outcomes if outcome.frame is not None]
    assert [peer.open(frame, peer.pn + at) for at, frame in enumerate(sealed)] == frames[:left]
    assert [outcome.reason for outcome in outcomes[left:]] == [Sealing.OUT_PKTS_NOT_USING_SA] * (40 - left)
    assert bench.processor.association(Side.ACCELERATOR, 1) is None
    assert bench.idle() == 0
    bench.sealer.zeroise(1)
    bench.load_sak(Side.ACCELERATOR, 1, Sak.random(suite, random), pn=3)
    bench.check(to_seal(frames))


@ENDS
def test_an_ending_association_leaves_the_others_alone(bench: Bench, suite: Suite):
    random = Random(5)
    bench.send_to(1, OWN)
    bench.load_sak(Side.ACCELERATOR, 4, Sak.random(Suite.GCM_AES_256, random), pn=WRAP - 30)
    bench.transmit(Sak.random(suite, random), pn=suite.max_pn - 9)
    bench.check(to_seal(plain(60, random, random.choice((OWN, PEER))) for _ in range(100)))
    assert bench.sealer.counters[0, Sealing.OUT_PKTS_ENCRYPTED] == 10
    assert bench.sealer.counters[4, Sealing.OUT_PKTS_ENCRYPTED] == 30


@EXTENDED
def test_the_upper_half_of_a_pn_counts_on(bench: Bench, suite: Suite):
    random = Random(6)
    peer = bench.transmit(Sak.random(suite, random), pn=8 * WRAP - 3)
    frames = [plain(60, random) for _ in range(8)]
    sealed = [outcome.frame or b"" for outcome in bench.link.exchange(to_seal(frames))]
    assert [peer.open(frame, 8 * WRAP - 3 + at) for at, frame in enumerate(sealed)] == frames
    assert [frame[16:20].hex() for frame in sealed[2:5]] == ["ffffffff", "00000000", "00000001"]


@pytest.mark.parametrize(
    ("side", "suite", "pn"),
    [
        (Side.ACCELERATOR, Suite.GCM_AES_128, 0),
        (Side.ACCELERATOR, Suite.GCM_AES_XPN_256, 0),
        (Side.ACCELERATOR, Suite.GCM_AES_256, WRAP),
        (Side.NETWORK, Suite.GCM_AES_128, WRAP),
    ],
)
def test_refuses_a_pn_that_does_not_fit_the_suite(bench: Bench, side: Side, suite: Suite, pn: int):
    sak = Sak.random(suite, Random(1))
    assert not bench.tell(load_of(side, 0, sak, pn))
    with pytest.raises(ValueError, match="PN"):
        bench.direction(side).load(0, suite, sak.key, pn, sak.salt, sak.ssci)
    assert bench.processor.association(side, 0) is None
    writes = [(address, value) for address, value in load_of(side, 0, sak) if address in (PN, LIFETIME, COMMAND)]
    assert not bench.tell(writes), "a refused command clears the key"


@SUITES
def test_takes_nothing_below_the_pn_it_begins_with(bench: Bench, suite: Suite):
    random = Random(8)
    peer = bench.receive(Sak.random(suite, random), pn=1000, window=64)
    wanted = {
        998: Opening.IN_PKTS_LATE,
        999: Opening.IN_PKTS_LATE,
        1000: Opening.IN_PKTS_OK,
        999 - 64: Opening.IN_PKTS_LATE,
    }
    frames = [peer.seal(frame, pn) for frame, pn in zip(plains(4, random), wanted, strict=True)]
    assert reasons(bench, frames) == list(wanted.values())
    assert bench.processor.association(Side.NETWORK, 0) == (suite, 1000)


@SUITES
@pytest.mark.parametrize("window", [0, 1, 64, MAX_WINDOW])
def test_takes_late_frames_within_the_window_only(bench: Bench, suite: Suite, window: int):
    random = Random(window)
    top = 3 * MAX_WINDOW
    peer = bench.receive(Sak.random(suite, random), window=window)
    frames = [
        peer.seal(frame, pn) for frame, pn in zip(plains(3, random), (top, top - window, top - window + 1), strict=True)
    ]
    assert reasons(bench, frames[:2]) == [Opening.IN_PKTS_OK, Opening.IN_PKTS_LATE]
    assert bench.processor.association(Side.NETWORK, 0) == (suite, top + 1 - window)
    if window:
        assert reasons(bench, [frames[2], frames[0]]) == [Opening.IN_PKTS_OK] * 2, "replays within the window are taken"


@SUITES
def test_reordered_frames_back_to_back_are_judged_one_after_the_other(bench: Bench, suite: Suite):
    """The lowest acceptable PN that counts is that after the frame in front."""
    random = Random(9)
    for window in (0, 1, 5):
        bench.reset()
        peer = bench.receive(Sak.random(suite, random), pn=50, window=window)
        numbers = [50 + max(0, at + random.randint(-9, 9)) for at in range(150)]
        bench.check(to_open(peer.seal(frame, pn) for frame, pn in zip(plains(150, random), numbers, strict=True)))
        assert bench.opener.counters[0, Opening.IN_PKTS_OK] > 10
        assert bench.opener.counters[0, Opening.IN_PKTS_LATE] > 10


@EXTENDED
@pytest.mark.parametrize("window", [0, 1, 64])
def test_the_upper_half_of_a_received_pn_is_recovered(bench: Bench, suite: Suite, window: int):
    random = Random(window)
    peer = bench.receive(Sak.random(suite, random), pn=5 * WRAP - 40, window=window)
    start = peer.pn
    sealed = [peer.seal(frame) for frame in plains(80, random)]
    bench.check(to_open(sealed))
    assert bench.opener.counters == {(0, Opening.IN_PKTS_OK): 80}
    within = [number for number in (start + 79 - 63, 5 * WRAP - 1, 5 * WRAP) if number > start + 79 - window]
    assert len(within) == (3 if window == 64 else 0)
    assert reasons(bench, [sealed[number - start] for number in within]) == [Opening.IN_PKTS_OK] * len(within)
    assert bench.processor.association(Side.NETWORK, 0) == (suite, start + 80 - window)


@EXTENDED
def test_takes_a_pn_that_is_less_than_half_the_lower_range_ahead(bench: Bench, suite: Suite):
    random = Random(10)
    peer = bench.receive(Sak.random(suite, random))
    half = WRAP // 2
    numbers = [half - 1, 2 * half - 2, 3 * half - 3, 5 * half - 4, 9 * half]
    frames = [peer.seal(frame, pn) for frame, pn in zip(plains(5, random), numbers, strict=True)]
    assert reasons(bench, frames) == [*[Opening.IN_PKTS_OK] * 3, Opening.IN_PKTS_LATE, Opening.IN_PKTS_NOT_VALID]


@ENDS
@pytest.mark.parametrize("window", [0, 1])
def test_the_last_pn_is_taken_once_without_a_window(bench: Bench, suite: Suite, window: int):
    random = Random(11)
    peer = bench.receive(Sak.random(suite, random), pn=suite.max_pn - 1, window=window)
    last = [peer.seal(frame, suite.max_pn) for frame in plains(2, random)]
    again = Opening.IN_PKTS_OK if window else Opening.IN_PKTS_LATE
    assert reasons(bench, last + last) == [Opening.IN_PKTS_OK, *[again] * 3]


@pytest.mark.parametrize("suite", [Suite.GCM_AES_128, Suite.GCM_AES_256], ids=lambda suite: suite.title)
def test_pn_0_is_no_pn_of_32_bits(bench: Bench, suite: Suite):
    random = Random(12)
    sak = Sak.random(suite, random)
    bench.receive(sak, pn=0)
    frames = [Station(sak).seal(frame, 0) for frame in plains(2, random)]
    assert reasons(bench, frames) == [Opening.IN_PKTS_BAD_TAG] * 2


@EXTENDED
def test_pn_0_is_a_pn_of_64_bits_where_none_is_too_low(bench: Bench, suite: Suite):
    random = Random(13)
    peer = bench.receive(Sak.random(suite, random), pn=0)
    frames = [peer.seal(frame, 0) for frame in plains(2, random)]
    assert reasons(bench, frames) == [Opening.IN_PKTS_OK, Opening.IN_PKTS_LATE]
