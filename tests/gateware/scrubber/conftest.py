# SPDX-License-Identifier: Apache-2.0
"""One simulated warden per lane count, shared by the tests of a process."""

from collections.abc import Iterator

import pytest

from custodes.simlink import LANES
from custodes.table import Port
from tests.compare import Pair
from tests.frames import POLICY


@pytest.fixture(scope="session", params=LANES, ids=[f"lanes{lanes}" for lanes in LANES])
def shared_pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(POLICY, request.param)
    yield pair
    pair.link.close()


@pytest.fixture
def pair(shared_pair: Pair) -> Pair:
    """Device and specification under `POLICY`, with nothing inside and no pauses."""
    shared_pair.link.pause(0, 0)
    if shared_pair.link.run(1) or any(shared_pair.link.has_outcome(port) for port in Port):
        shared_pair.reset()
    return shared_pair
