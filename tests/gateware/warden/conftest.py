# SPDX-License-Identifier: Apache-2.0
"""One simulated warden per lane count, shared by the tests of a process."""

from collections.abc import Iterator

import pytest

from custodes.simlink import lanes_of
from tests.compare import WholePair
from tests.frames import POLICY


@pytest.fixture(scope="session", params=lanes_of("warden"), ids=[f"lanes{lanes}" for lanes in lanes_of("warden")])
def shared_pair(request: pytest.FixtureRequest) -> Iterator[WholePair]:
    pair = WholePair(POLICY, request.param)
    yield pair
    pair.link.close()


@pytest.fixture
def pair(shared_pair: WholePair) -> WholePair:
    """Device and specification under `POLICY`, with nothing inside, no flows and no pauses."""
    shared_pair.link.pause(0, 0)
    shared_pair.reset()
    return shared_pair
