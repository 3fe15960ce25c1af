# SPDX-License-Identifier: Apache-2.0
"""The retimer does what the specification says, to the cycle."""

import random

import pytest

from custodes.retimer import Event, Policy, Schedule, Size
from custodes.retimer_registers import POLICY, STATUS, WINDOW_MIN, schedule_writes
from custodes.table import MAX_FRAME_BYTES
from tests.gateware.retimer.bench import FRAMES, STORE_BYTES, Script, arrivals, compare, simulate
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


@pytest.mark.parametrize("lanes", LANES)
def test_policies_are_switched_at_boundaries(lanes: int) -> None:
    source, window = random.Random(lanes), Size(lanes, STORE_BYTES, FRAMES).window_min_cycles
    batch, slot = Schedule(Policy.BATCH, window_cycles=window), Schedule(Policy.SLOT, 400, 300)
    begin = Schedule().slot_cycles
    schedules = [
        (0, slot),
        (begin + 1000, batch),
        (begin + 2500, slot),
        (begin + 1500 + 2 * window, Schedule(Policy.CONSTANT_RATE, 350, 310)),
    ]
    came = arrivals(traffic(10 + lanes, 24, 200), lanes, source, lambda: source.randrange(600))
    run, _ = compare(Script(lanes, came, schedules, KEY, begin + 3000 + 2 * window))
    assert run.counters[Event.OVER_SLOT] + run.counters[Event.RELEASED] >= 15


@pytest.mark.parametrize(("lanes", "length"), [(1, 1000), (1, 60), (8, 1500), (8, 61)])
def test_what_finds_no_room_is_dropped_and_counted(lanes: int, length: int) -> None:
    source = random.Random(length)
    frames = [Frame(source.randbytes(length - source.randrange(20) if length > 99 else length)) for _ in range(24)]
    came = arrivals(frames, lanes, source, lambda: source.randrange(60), begin=100)
    schedule = Schedule(Policy.SLOT, 800, MAX_FRAME_BYTES) if lanes == 8 else Schedule(Policy.SLOT, 1600)
    run, _ = compare(Script(lanes, came, [(0, schedule)], 0, came[-1].cycles[-1] + 4000))
    assert run.counters[Event.FULL] >= 3
    assert run.counters[Event.RELEASED] >= 2


@pytest.mark.parametrize("lanes", LANES)
def test_longest_and_shortest_frames_pass_and_longer_and_shorter_ones_do_not(lanes: int) -> None:
    frames = [Frame(bytes([1]) * length) for length in (59, 60, 1518, 1519, 1526, 3000, 61)]
    came = arrivals(frames, lanes, random.Random(0), lambda: 20)
    run, _ = compare(Script(lanes, came, [(0, Schedule(Policy.SLOT))], 0, 8 * Schedule().slot_cycles))
    assert (run.counters[Event.ERROR], run.counters[Event.TOO_LONG], run.counters[Event.RELEASED]) == (1, 3, 3)


@pytest.mark.parametrize("lanes", LANES)
def test_is_as_new_after_a_reset_in_the_middle(lanes: int) -> None:
    source, schedule = random.Random(1), Schedule(Policy.SLOT, 400, 300)
    came = arrivals(traffic(1, 8), lanes, source, lambda: source.randrange(200))
    before = Script(lanes, came, [(0, schedule)], KEY, came[3].cycles[len(came[3].cycles) // 2])
    compare(Script(lanes, came, (), KEY, 4 * Schedule().slot_cycles, before=before))


def test_schedules_that_cannot_be_kept_are_refused() -> None:
    bad = Schedule(slot_cycles=123, slot_bytes=100)
    run, _ = compare(Script(1, (), [(0, bad)], 0, 2 * Schedule().slot_cycles))
    status = simulate(Script(1, (), [(0, bad)], 0, 1600), [STATUS, POLICY, WINDOW_MIN]).registers
    assert status[STATUS] & 15 == 8 | Policy.CONSTANT_RATE
    assert status[WINDOW_MIN] == Size(1, STORE_BYTES, FRAMES).window_min_cycles
    assert len(run.departures) == 2


def test_registers_read_what_was_written_and_say_what_waits() -> None:
    schedule = Schedule(Policy.SLOT, 70_000, 777, 5_000_000, DUMMY)
    writes = [*schedule_writes(schedule)]
    came = arrivals([Frame(bytes(60))] * 3, 1, random.Random(0), lambda: 5, begin=1600)
    run = simulate(Script(1, came, [(10, schedule)], 0, 2000), [*(register for register, _ in writes), STATUS])
    assert [(register, run.registers[register]) for register, _ in writes] == writes
    assert run.registers[STATUS] == Policy.SLOT | 3 << 16


def test_a_stalled_port_makes_boundaries_go_by_and_the_grid_stays() -> None:
    schedule, begin = Schedule(slot_cycles=200, slot_bytes=100), Schedule().slot_cycles
    cycles = begin + 2000
    steady = simulate(Script(8, (), [(0, schedule)], 0, cycles))
    stalls = frozenset(range(begin + 20, begin + 700))
    stalled = simulate(Script(8, (), [(0, schedule)], 0, cycles, stalls))
    assert (steady.counters[Event.LATE], stalled.counters[Event.LATE]) == (0, 2), "one more was begun and had to wait"
    after = [[cycle for cycle, _ in run.departures if cycle >= begin + 800] for run in (steady, stalled)]
    assert after[0] == after[1]
    assert len(stalled.departures) == len(steady.departures) - 2
