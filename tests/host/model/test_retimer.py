# SPDX-License-Identifier: Apache-2.0
"""The specification of the retimer: the grid, what leaves on it, order, room and drops."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from custodes.model.retimer import Retimer, flow_fields, sort_key
from custodes.retimer import (
    ARRIVAL_CYCLES,
    DEPARTURE_CYCLES,
    POLYNOMIAL,
    SCHEDULE_CYCLES,
    Event,
    Policy,
    Schedule,
    Size,
)
from custodes.table import MAX_FRAME_BYTES, Port
from tests.frames import Frame, Ip4, Ip6, Tcp, Udp

STORE_BYTES, FRAMES = 4096, 16
SIZE = Size(1, STORE_BYTES, FRAMES)
DEFAULT = Schedule()
DUMMY = bytes(range(12))
KEY = 0xFEDC_BA98_7654_3210


def udp(source: int, length: int = 60) -> bytes:
    return Frame(Ip4(Udp(source=source), Port.CLUSTER)).pack().ljust(length, b"\0")


def retimer(schedule: Schedule = DEFAULT, key: int = KEY) -> Retimer:
    """With this schedule from the second boundary on, which is at ``DEFAULT.slot_cycles``."""
    made = Retimer(1, STORE_BYTES, FRAMES)
    made.key = key
    made.set_schedule(schedule, 0)
    return made


def test_constant_rate_sends_a_frame_in_every_slot_whatever_comes():
    quiet, busy = retimer(Schedule(dummy=DUMMY)), retimer(Schedule(dummy=DUMMY))
    busy.receive(udp(1), 1000)
    busy.receive(udp(2), 1100)
    frames = [made.advance(4 * DEFAULT.slot_cycles) for made in (quiet, busy)]
    cycles = [DEPARTURE_CYCLES + at * DEFAULT.slot_cycles for at in range(4)]
    assert [[frame.cycle for frame in some] for some in frames] == [cycles, cycles]
    assert [[len(frame.frame) for frame in some] for some in frames] == [[MAX_FRAME_BYTES] * 4] * 2
    assert [frame.dummy for frame in frames[1]] == [True, False, False, True]
    assert [frame.frame.rstrip(b"\0") for frame in frames[1][1:]] == [
        udp(1).rstrip(b"\0"),
        udp(2).rstrip(b"\0"),
        DUMMY + b"\x88\xb5",
    ]


@pytest.mark.parametrize(("late", "slot"), [(0, 1), (1, 2)])
def test_a_frame_is_there_at_a_boundary_if_it_came_a_few_cycles_before(late: int, slot: int):
    made = retimer(Schedule(Policy.SLOT))
    made.receive(udp(1), DEFAULT.slot_cycles - ARRIVAL_CYCLES + late)
    (leaving,) = [frame for frame in made.advance(4 * DEFAULT.slot_cycles) if not frame.dummy]
    assert leaving.cycle == slot * DEFAULT.slot_cycles + DEPARTURE_CYCLES


@pytest.mark.parametrize(("late", "begins"), [(0, 1), (1, 2)])
def test_a_schedule_is_taken_up_at_a_boundary_if_it_was_written_a_few_cycles_before(late: int, begins: int):
    made = Retimer(1, STORE_BYTES, FRAMES)
    made.set_schedule(Schedule(slot_cycles=500, slot_bytes=100), DEFAULT.slot_cycles - SCHEDULE_CYCLES + late)
    leaving = made.advance(3 * DEFAULT.slot_cycles)
    gaps = [after.cycle - before.cycle for before, after in pairwise(leaving)]
    assert gaps[: begins + 1] == [DEFAULT.slot_cycles] * begins + [500]
    assert [len(frame.frame) for frame in leaving[: begins + 1]] == [MAX_FRAME_BYTES] * begins + [100]


def test_a_batch_leaves_sorted_by_flow_one_frame_behind_the_other():
    window = SIZE.window_min_cycles
    made = retimer(Schedule(Policy.BATCH, window_cycles=window))
    begin = DEFAULT.slot_cycles
    came = [udp(source, 60 + at) for at, source in enumerate((3, 1, 2, 1, 3, 2))]
    for at, frame in enumerate(came):
        made.receive(frame, begin + 100 * at)
    leaving = [frame for frame in made.advance(begin + 2 * window) if not frame.dummy]
    assert [frame.frame for frame in leaving] == sorted(came, key=lambda frame: sort_key(frame, KEY))
    assert leaving[0].cycle == begin + window + DEPARTURE_CYCLES + SIZE.sort_cycles
    assert all(after.cycle - before.cycle == len(before.frame) + SIZE.gap_cycles for before, after in pairwise(leaving))
    by_flow = [
        [frame for frame in (departure.frame for departure in leaving) if flow_fields(frame) == flow_fields(one)]
        for one in came[:3]
    ]
    assert by_flow == [[frame for frame in came if flow_fields(frame) == flow_fields(one)] for one in came[:3]]


def test_without_a_key_a_batch_leaves_in_the_order_of_arrival():
    window = SIZE.window_min_cycles
    made = retimer(Schedule(Policy.BATCH, window_cycles=window), key=0)
    came = [udp(source) for source in (3, 1, 2, 1)]
    for at, frame in enumerate(came):
        made.receive(frame, DEFAULT.slot_cycles + 100 * at)
    assert [frame.frame for frame in made.advance(DEFAULT.slot_cycles + 2 * window) if not frame.dummy] == came


def test_frames_that_find_no_room_are_dropped_until_a_boundary_gives_it_back():
    made = retimer()
    room = SIZE.capacity_beats // 1000
    for at in range(room + 1):
        made.receive(bytes(1000), 10 + at)
    assert made.counters == {Event.DUMMY: 1, Event.FULL: 1}
    second, third = DEFAULT.slot_cycles, 2 * DEFAULT.slot_cycles
    made.receive(bytes(1000), second - ARRIVAL_CYCLES + 1)
    assert made.counters[Event.FULL] == 2, "the one that leaves in this slot needs its room"
    made.receive(bytes(1000), third - ARRIVAL_CYCLES + 1)
    assert made.counters[Event.FULL] == 2


def test_no_more_frames_wait_than_there_are_places():
    made = retimer()
    for at in range(FRAMES):
        made.receive(udp(at), 100 * at)
    assert not made.counters[Event.FULL]
    for at in range(FRAMES, FRAMES + 2):
        made.receive(udp(at), 100 * at)
    assert made.counters[Event.FULL] == 2, "the one that leaves in this slot needs its place"


@pytest.mark.parametrize(
    ("length", "error", "event"),
    [(60, True, Event.ERROR), (59, False, Event.ERROR), (1519, False, Event.TOO_LONG), (1519, True, Event.ERROR)],
)
def test_bad_frames_are_dropped_and_counted(length: int, error: bool, event: Event):
    made = retimer()
    made.receive(bytes(length), 100, error)
    assert made.counters == {Event.DUMMY: 1, event: 1}
    assert all(frame.dummy for frame in made.advance(5000))


@pytest.mark.parametrize("policy", [Policy.CONSTANT_RATE, Policy.SLOT])
def test_a_frame_longer_than_its_slot_is_dropped_as_if_nothing_had_waited(policy: Policy):
    made = retimer(Schedule(policy, 500, 100))
    made.receive(bytes(101), 700)
    made.receive(bytes(100), 900)
    begin = DEFAULT.slot_cycles
    leaving = [frame for frame in made.advance(begin + 501) if frame.cycle >= begin]
    first = [True] if policy == Policy.CONSTANT_RATE else []
    assert [frame.dummy for frame in leaving] == [*first, False]
    assert leaving[-1].cycle == begin + 500 + DEPARTURE_CYCLES
    assert made.counters[Event.OVER_SLOT] == 1


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(slot_cycles=123, slot_bytes=100),
        Schedule(slot_bytes=59),
        Schedule(slot_cycles=5000, slot_bytes=1519),
        Schedule(Policy.BATCH, window_cycles=SIZE.window_min_cycles - 1),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_not_taken_up(schedule: Schedule):
    assert retimer(schedule).advance(9000) == retimer().advance(9000)


def test_a_full_store_leaves_within_the_shortest_window():
    window = SIZE.window_min_cycles
    made = retimer(Schedule(Policy.BATCH, window_cycles=window))
    for at in range(FRAMES):
        made.receive(bytes(SIZE.capacity_beats // FRAMES), DEFAULT.slot_cycles + 200 * at)
    leaving = made.advance(DEFAULT.slot_cycles + window + 1)
    assert made.counters[Event.RELEASED] == FRAMES
    assert leaving[-1].cycle + len(leaving[-1].frame) < DEFAULT.slot_cycles + 2 * window


def test_frames_that_waited_for_slots_are_the_first_batch():
    window = SIZE.window_min_cycles
    made = Retimer(1, STORE_BYTES, FRAMES)
    for at in range(4):
        made.receive(udp(at), 200 + at)
    made.set_schedule(Schedule(Policy.BATCH, window_cycles=window), DEFAULT.slot_cycles + 100)
    leaving = [frame for frame in made.advance(2 * DEFAULT.slot_cycles + 1) if not frame.dummy]
    assert [frame.frame.rstrip(b"\0") for frame in leaving[:1]] == [udp(0).rstrip(b"\0")]
    assert leaving[1].cycle == 2 * DEFAULT.slot_cycles + DEPARTURE_CYCLES + SIZE.sort_cycles
    assert sorted(frame.frame for frame in leaving[1:]) == sorted(udp(at) for at in (1, 2, 3))


@pytest.mark.parametrize("tag", [None, 42])
@pytest.mark.parametrize("network", [Ip4, Ip6])
@pytest.mark.parametrize("transport", [Tcp, Udp])
def test_a_flow_is_told_by_its_addresses_and_ports(network: type, transport: type, tag: int | None):
    def made(**fields: int) -> bytes:
        frame = Frame(network(transport(payload=b"a" * fields.pop("size", 30), **fields), Port.CLUSTER))
        frame.tag = tag
        return frame.pack()

    one = made(source=1000, destination=2000)
    assert flow_fields(one) == flow_fields(made(source=1000, destination=2000, size=40))
    others = [made(source=1001, destination=2000), made(source=1000, destination=2001)]
    assert len({sort_key(frame, KEY) for frame in (one, *others)}) == 3


def test_the_sort_key_is_a_product_over_gf_2():
    random = Random(5)
    frames = [random.randbytes(60) for _ in range(20)]
    for frame in frames:
        fields = int.from_bytes(flow_fields(frame), "little")
        assert sort_key(frame, 1) == remainder(fields) & 0xFF_FFFF
        assert sort_key(frame, 2) == remainder(fields << 1) & 0xFF_FFFF
        one, other = random.getrandbits(64), random.getrandbits(64)
        assert sort_key(frame, one ^ other) == sort_key(frame, one) ^ sort_key(frame, other)
    assert len({sort_key(frame, KEY) for frame in frames}) == len(frames)


def remainder(value: int) -> int:
    """Modulo the polynomial, by long division from the top."""
    while value.bit_length() > 64:
        value ^= POLYNOMIAL << (value.bit_length() - 65)
    return value


@pytest.mark.parametrize("arguments", [(2, 4096, 16), (1, 2048, 16), (1, 5000, 16), (1, 4096, 3)])
def test_sizes_that_cannot_be_built_are_refused(arguments: tuple[int, int, int]):
    with pytest.raises(ValueError, match=r"retimer has|power of two"):
        Retimer(*arguments)
