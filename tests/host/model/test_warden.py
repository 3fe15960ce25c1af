# SPDX-License-Identifier: Apache-2.0
"""The whole warden's specification under random frames: what leaves is canonical, and nothing makes it fail."""

from __future__ import annotations

from random import Random

import pytest

from custodes.model import Scrubber, Warden
from custodes.model.entropy import Words
from custodes.table import INDEX, Port, Reason
from tests.frames import POLICY
from tests.host.model.passage import SEED, C, W
from tests.host.model.test_flow_secrets import conversation, secret
from tests.traffic import DAMAGE, KINDS, WHERE, make

SCRUBBER = Scrubber(POLICY)


def is_canonical(frame: bytes, port: Port) -> bool:
    """Whether scrubbing leaves a frame as it is; that an ICMP error passes is always told."""
    again = SCRUBBER.scrub(frame, port)
    return again.frame == frame and again.altered in (0, 1 << INDEX["icmp_error"])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_leaves_is_canonical(kind: str):
    warden, left = Warden(POLICY, Words(SEED)), 0
    for seed in range(300):
        ingress = make(kind, seed)
        scrubbed, passed = SCRUBBER.scrub(ingress.frame, ingress.port), warden.pass_frame(ingress.frame, ingress.port)
        if scrubbed.frame is None:
            assert passed == scrubbed
        if passed.frame is not None and scrubbed.frame is not None:
            left += 1
            assert is_canonical(passed.frame, ingress.port)
            assert len(passed.frame) == len(scrubbed.frame)
            assert passed.altered & scrubbed.altered == scrubbed.altered
            assert passed.removed == scrubbed.removed
        if seed % 50 == 0:
            warden.tick()
    assert left > 20 or kind.startswith("error")


@pytest.mark.parametrize("seed", range(5))
def test_what_leaves_of_a_conversation_is_canonical(seed: int):
    random = Random(seed)
    for towards, frames in conversation(seed, secret(random), secret(random), C).items():
        assert all(is_canonical(frame, towards.other) for frame in frames if frame is not None)


def test_no_input_makes_the_specification_fail():
    random, warden = Random(2), Warden(POLICY, Words(SEED, 100), 64)
    seen: set[Reason] = set()
    for _ in range(4000):
        damage = random.choice((None, *DAMAGE))
        ingress = make(random.choice(sorted(KINDS)), random.randrange(1 << 32), damage, random.choice(WHERE))
        result = warden.pass_frame(ingress.frame, ingress.port)
        seen.add(result.reason)
        assert (result.frame is None) == (result.reason is not Reason.FORWARDED)
        if random.random() < 0.01:
            warden.tick()
    assert seen >= {Reason.FLOW_UNKNOWN, Reason.FLOW_FULL, Reason.ENTROPY_EMPTY}


def test_a_frame_marked_bad_takes_no_word():
    warden = Warden(POLICY, Words(SEED))
    frames = [make("udp4", seed) for seed in range(50)]
    for ingress in frames:
        assert warden.pass_frame(ingress.frame, ingress.port, error=True).reason is Reason.INGRESS_ERROR
    assert warden.words.used == [0, 0]
    for ingress in frames:
        warden.pass_frame(ingress.frame, ingress.port)
    assert warden.words.used[C] and warden.words.used[W]
