# SPDX-License-Identifier: Apache-2.0
"""The retimer does what the specification says, to the cycle."""

import random

import pytest

from custodes.retimer import Event, Policy, Schedule, Size
from tests.gateware.retimer.bench import FRAMES, STORE_BYTES, Script, arrivals, compare
from tests.gateware.stream.bench import Frame
from tests.traffic import KINDS, make

LANES = (1, 8)
DUMMY = bytes(range(1, 13))
KEY = 0x0123_4567_89AB_CDEF


def traffic(seed: int, count: int, longest: int = 300, errors: float = 0.05) -> list[Frame]:
    """Frames of all kinds, some with an error, few too short or too long."""
    source = random.Random(seed)
    frames = []
    for at in range(count):
        data = make(source.choice([*KINDS]), seed + 1000 * at).frame.ljust(60, b"\0")
        size = source.choice((60, 61, 64, len(data), source.randint(60, longest)))
        data = data[:size].ljust(size, b"\xa5")
        if source.random() < 0.03:
            data = data[: source.randint(1, 59)]
        frames.append(Frame(data, source.random() < errors))
    return frames


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("lanes", LANES)
def test_frames_leave_as_specified_to_the_cycle(lanes: int, policy: Policy) -> None:
    source = random.Random(policy + lanes)
    window = Size(lanes, STORE_BYTES, FRAMES).window_min_cycles
    schedule = Schedule(policy, 333, 200, window, DUMMY)
    count = 40 if policy == Policy.BATCH else 20
    came = arrivals(traffic(lanes, count), lanes, source, lambda: source.randrange(400), 0.2)
    cycles = came[-1].cycles[-1] + 3 * window if policy == Policy.BATCH else came[-1].cycles[-1] + 3000
    run, _ = compare(Script(lanes, came, [(0, schedule)], KEY, cycles))
    assert run.counters[Event.RELEASED] >= count // 3
    assert (run.counters[Event.DUMMY] > 1) == (policy == Policy.CONSTANT_RATE), "the first slot is the default one"
