# SPDX-License-Identifier: Apache-2.0
"""One simulated processor per lane count, shared by the tests of a process."""

from collections.abc import Iterator

import pytest

from custodes.macsec import Side
from custodes.simlink import LANES
from tests.gateware.session.bench import Bench


@pytest.fixture(scope="session", params=LANES, ids=[f"lanes{lanes}" for lanes in LANES])
def shared_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.link.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Iterator[Bench]:
    """Device and specification without keys and pauses. Afterwards nothing waits that the test has not looked at."""
    shared_bench.link.pause(0, 0)
    shared_bench.reset()
    yield shared_bench
    assert not any(shared_bench.link.has_outcome(side) for side in Side)
