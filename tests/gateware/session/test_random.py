# SPDX-License-Identifier: Apache-2.0
"""Random sessions and frames of every kind, in both directions at once: bit for bit what the specification says."""

import os
from collections import Counter
from random import Random, SystemRandom

from custodes.macsec import Opening, Sealing, Suite
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, plain, to_open, to_seal
from tests.gateware.session.traffic import Traffic

FRAMES_PER_BATCH = 600
BATCHES = 10
"""Per lane count: 18,000 frames in a run over three lane counts."""
PAUSES = ((0.0, 0.0), (0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.7))


def test_random_frames_become_what_the_specification_says(bench: Bench):
    seed = int(os.environ.get("SEED", SystemRandom().randrange(1 << 32)))
    print(f"SEED={seed} repeats this run")
    outcomes: Counter[Sealing | Opening] = Counter()
    for batch in range(BATCHES):
        bench.reset()
        traffic = Traffic(bench, seed + batch)
        bench.link.pause(*PAUSES[batch % len(PAUSES)], seed=seed + batch)
        bench.check(traffic.frames(FRAMES_PER_BATCH))
        bench.link.pause(0, 0)
        for direction in (bench.sealer, bench.opener):
            for (_, reason), count in direction.counters.items():
                outcomes[reason] += count
    assert outcomes.total() == BATCHES * FRAMES_PER_BATCH
    for good, reasons in ((Sealing.OUT_PKTS_ENCRYPTED, Sealing), (Opening.IN_PKTS_OK, Opening)):
        counts = [outcomes[reason] for reason in reasons]
        assert min(counts) >= 10, f"{reasons.__name__}: {counts}"
        assert 0.3 < outcomes[good] / sum(counts) < 0.8


def test_every_length_of_a_truncated_frame_is_dropped(bench: Bench):
    random = Random(1)
    peer = bench.receive(Sak.random(Suite.GCM_AES_XPN_256, random))
    for size in (14, 60, 91):
        whole = peer.seal(plain(size, random, OWN, PEER))
        bench.check(to_open([*(whole[:length] for length in range(1, len(whole))), whole]))
    assert bench.opener.counters[0, Opening.IN_PKTS_OK] == 3
    assert bench.opener.counters[0, Opening.IN_PKTS_NO_TAG] == 3 * 13
    assert bench.opener.counters[0, Opening.IN_PKTS_BAD_TAG] == 46 - 14 + 92 - 14 + 92 - 14


def test_every_length_passes_both_ways(bench: Bench):
    random = Random(2)
    bench.transmit(Sak.random(Suite.GCM_AES_256, random))
    peer = bench.receive(Sak.random(Suite.GCM_AES_128, random))
    sizes = [*range(14, 200), *range(1500, 1519)]
    frames = to_seal(plain(size, random) for size in sizes)
    frames += to_open(peer.seal(plain(size - 1, random, OWN, PEER)) for size in sizes)
    bench.check(frames)
    assert bench.sealer.counters == {(0, Sealing.OUT_PKTS_ENCRYPTED): len(sizes)}
    assert bench.opener.counters == {(0, Opening.IN_PKTS_OK): len(sizes)}
