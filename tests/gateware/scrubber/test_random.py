# SPDX-License-Identifier: Apache-2.0
"""Random and damaged frames: the device does, bit for bit, what the specification says."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compare import Pair
from tests.traffic import DAMAGE, KINDS, WHERE, make

FRAMES_PER_BATCH = 200
BATCHES = 40
"""Per lane count: 24,000 frames in a run over three lane counts."""

ingress = st.builds(
    make,
    st.sampled_from(sorted(KINDS)),
    st.integers(0, (1 << 32) - 1),
    st.one_of(st.none(), st.sampled_from(sorted(DAMAGE))),
    st.sampled_from(WHERE),
    st.sampled_from([False] * 31 + [True]),
)
pauses = st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.7), (0.9, 0.9)])


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_random_frames_are_scrubbed_as_the_specification_says(pair: Pair):
    sent: Counter[str] = Counter()

    @settings(
        max_examples=BATCHES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        derandomize=False,
        print_blob=True,
    )
    @given(st.lists(ingress, min_size=FRAMES_PER_BATCH, max_size=FRAMES_PER_BATCH), pauses, st.integers(1, 1 << 40))
    def batch(frames, pause, seed):
        pair.link.pause(*pause, seed=seed)
        sent.update(pair.expected(frame).reason.name for frame in frames)
        assert pair.differences(frames) == []

    batch()
    assert sent.total() >= 7000
    assert 0.2 < sent["FORWARDED"] / sent.total() < 0.9
    assert len(sent) >= 20, f"reasons that never came up: {sent}"
