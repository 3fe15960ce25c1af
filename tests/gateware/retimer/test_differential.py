# SPDX-License-Identifier: Apache-2.0
"""When frames leave follows from the schedule alone: two inputs with the same public schedule give the same egress times."""

import random

import pytest

from custodes.retimer import Event, Policy, Schedule, Size
from tests.gateware.retimer.bench import FRAMES, STORE_BYTES, Arrival, Run, Script, arrivals, simulate
from tests.gateware.stream.bench import Frame, to_beats

LANES = (1, 8)
KEY = 0x9E37_79B9_7F4A_7C15
BEGIN = Schedule().slot_cycles
"""The boundary at which the schedule of a script has been taken up."""
FLOWS = [bytes([flow]) * 12 + b"\x08\0\x45" + bytes(8) + b"\x11" + bytes(14) for flow in range(5)]


def frame(flow: int, length: int) -> Frame:
    return Frame(FLOWS[flow].ljust(length, b"\0"))


def times(run: Run) -> list[tuple[int, int]]:
    """What who cannot read headers sees: first beats and lengths."""
    return [(cycle, len(data)) for cycle, data in run.departures]


@pytest.mark.parametrize("lanes", LANES)
def test_constant_rate_is_the_same_for_any_two_inputs(lanes: int) -> None:
    slots, schedule = 18, Schedule(slot_cycles=350, slot_bytes=250)
    cycles = BEGIN + slots * schedule.slot_cycles - 50
    seen = []
    for seed, gap, count in ((1, 900, 8), (2, 60, 40), (3, 1, 0)):
        source = random.Random(seed)
        frames = [frame(source.randrange(5), source.randint(60, 250)) for _ in range(count)]
        came = arrivals(frames, lanes, source, lambda gap=gap, source=source: source.randrange(gap), 0.1)
        kept = [arrival for arrival in came if arrival.cycles[-1] < cycles]
        seen.append(simulate(Script(lanes, kept, [(0, schedule)], seed, cycles)))
    assert times(seen[0]) == times(seen[1]) == times(seen[2])
    assert len(seen[0].departures) == 1 + slots
    assert [run.counters[Event.RELEASED] > 3 for run in seen] == [True, True, False], "the inputs do not differ"


@pytest.mark.parametrize("lanes", LANES)
def test_slots_are_the_same_wherever_in_its_slot_a_frame_comes(lanes: int) -> None:
    schedule = Schedule(Policy.SLOT, 600, 120)
    taken = random.Random(1).choices((False, True), k=10)
    seen = []
    for seed in (1, 2, 3):
        source, came = random.Random(seed), []
        for slot, one in enumerate(taken):
            if one:
                sent = frame(source.randrange(5), source.randint(60, 120))
                first = BEGIN + 600 * slot + source.randrange(440)
                came.append(Arrival(sent, range(first, first + len(to_beats(sent, lanes)))))
        seen.append(simulate(Script(lanes, came, [(0, schedule)], KEY, BEGIN + 600 * 11)))
        assert seen[-1].counters[Event.RELEASED] == sum(taken)
    assert times(seen[0]) == times(seen[1]) == times(seen[2])


@pytest.mark.parametrize("lanes", LANES)
def test_batches_are_the_same_whenever_in_its_window_and_in_which_order_flows_come(lanes: int) -> None:
    window = Size(lanes, STORE_BYTES, FRAMES).window_min_cycles
    schedule = Schedule(Policy.BATCH, window_cycles=window)
    composition = [[(flow, 60 + 10 * flow) for flow in flows] for flows in ((0, 1, 1, 2, 4), (3, 3, 2))]
    seen = []
    for seed in (1, 2):
        source, came = random.Random(seed), []
        for at, batch in enumerate(composition):
            order = source.sample(batch, len(batch))
            starts = sorted(source.sample(range(0, window - 200, 150), len(batch)))
            for start, (flow, length) in zip(starts, order, strict=True):
                first = BEGIN + at * window + start
                sent = frame(flow, length)
                came.append(Arrival(sent, range(first, first + len(to_beats(sent, lanes)))))
        seen.append(simulate(Script(lanes, came, [(0, schedule)], KEY, BEGIN + 3 * window)))
    assert seen[0].departures == seen[1].departures
    assert seen[0].counters[Event.RELEASED] == sum(map(len, composition))
