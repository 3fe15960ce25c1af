# SPDX-License-Identifier: Apache-2.0
"""Timing channels: bits in when frames are sent, how many, and in which order; and what of it is seen behind a retimer.

Each channel knows the schedule that it is up against, and its phase. Two kinds of observers are told apart: one sees when
something leaves and how long it is, the other reads frames too, and so tells dummies and flows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from custodes.model.retimer import Retimer
from custodes.retimer import DEPARTURE_CYCLES, Policy, Schedule, Size
from tests.frames import Frame, Ip4, Udp

SIZE = Size(lanes=1, store_bytes=8192, frames=64)
KEY = 0x0123_4567_89AB_CDEF
FLOWS = [Frame(Ip4(Udp(b"flow", port, 53))).pack() for port in (40000, 40001)]
SCHEDULES = {
    Policy.CONSTANT_RATE: Schedule(Policy.CONSTANT_RATE, slot_cycles=256, slot_bytes=128),
    Policy.SLOT: Schedule(Policy.SLOT, slot_cycles=256, slot_bytes=128),
    Policy.BATCH: Schedule(Policy.BATCH, window_cycles=12_288),
}


class Sent(NamedTuple):
    """A frame of a flow, its last beat in this cycle."""

    cycle: int
    flow: int = 0


class Seen(NamedTuple):
    """What leaves, its first beat in this cycle, with the delay taken off that everything has.

    Members:
        flow: to which it belongs; None: it is a dummy; 0 for an observer who does not read.
    """

    cycle: int
    flow: int | None


@dataclass(frozen=True)
class Timing:
    """A timing channel. ``send`` puts symbols of ``width`` bits into times, beginning at 0; ``read`` gets them from what is
    seen. Both know the span of time that they have for a symbol."""

    name: str
    width: int
    send: Callable[[Sequence[int], int], Iterable[Sent]]
    read: Callable[[Sequence[Seen], int, int], list[int]]
    reads_frames: bool = False
    """It is of no use to an observer who does not."""


def _spans(seen: Sequence[Seen], span: int, count: int) -> list[list[Seen]]:
    found: list[list[Seen]] = [[] for _ in range(count)]
    for frame in seen:
        if frame.flow is not None and 0 <= frame.cycle < span * count:
            found[frame.cycle // span].append(frame)
    return found


def _on_off(symbols: Sequence[int], span: int) -> Iterable[Sent]:
    return (Sent(at * span + span // 4) for at, symbol in enumerate(symbols) if symbol)


JITTER_CYCLES = 128
"""Less than a slot."""


def _jitter(symbols: Sequence[int], span: int) -> Iterable[Sent]:
    """After JitterBug (Shah, Molina and Blaze, 2006): a frame that would leave anyhow is delayed a little, to the first or
    the second half of a period that both know."""
    return (Sent(at * span + span // 4 + symbol * JITTER_CYCLES // 2) for at, symbol in enumerate(symbols))


def _read_jitter(seen: Sequence[Seen], span: int, count: int) -> list[int]:
    firsts = [frames[0].cycle if frames else 0 for frames in _spans(seen, span, count)]
    return [(cycle - span // 4) % JITTER_CYCLES // (JITTER_CYCLES // 2) for cycle in firsts]


def _count(symbols: Sequence[int], span: int) -> Iterable[Sent]:
    return (Sent(at * span + span // 4 + 100 * (i + 1)) for at, symbol in enumerate(symbols) for i in range(symbol))


def _order(symbols: Sequence[int], span: int) -> Iterable[Sent]:
    """A frame of each of two flows: the first is the symbol."""
    for at, symbol in enumerate(symbols):
        yield Sent(at * span + span // 4, symbol)
        yield Sent(at * span + span // 4 + 100, 1 - symbol)


CHANNELS = [
    Timing("on/off", 1, _on_off, lambda seen, span, count: [bool(frames) for frames in _spans(seen, span, count)]),
    Timing("jitter", 1, _jitter, _read_jitter),
    Timing("count", 2, _count, lambda seen, span, count: [len(frames) for frames in _spans(seen, span, count)]),
    Timing(
        "order of flows",
        1,
        _order,
        lambda seen, span, count: [frames[0].flow or 0 if frames else 0 for frames in _spans(seen, span, count)],
        reads_frames=True,
    ),
]


def span_of(policy: Policy) -> int:
    """What a channel takes for a symbol: four slots, so that what is sent in one leaves in one, or one window."""
    return 4 * SCHEDULES[policy].slot_cycles if policy != Policy.BATCH else SCHEDULES[policy].window_cycles


def directly(sent: Iterable[Sent]) -> list[Seen]:
    """What is seen where nothing is between."""
    return [Seen(cycle, flow) for cycle, flow in sent]


def retimed(sent: Iterable[Sent], policy: Policy, reads_frames: bool, cycles: int) -> list[Seen]:
    """What is seen behind a retimer of what is sent in so many cycles."""
    retimer = Retimer(SIZE.lanes, SIZE.store_bytes, SIZE.frames)
    retimer.key = KEY
    retimer.set_schedule(SCHEDULES[policy], 0)
    start = Schedule().slot_cycles  # the schedule of the reset runs out
    for cycle, flow in sent:
        if cycle < cycles:
            retimer.receive(FLOWS[flow], start + cycle)
    delay = start + DEPARTURE_CYCLES + SCHEDULES[policy].period
    if policy == Policy.BATCH:
        delay += SIZE.sort_cycles
    seen: list[Seen] = []
    for departure in retimer.advance(delay + cycles):
        flow = (
            None if departure.dummy else next(i for i, frame in enumerate(FLOWS) if departure.frame.startswith(frame))
        )
        if departure.cycle < delay + cycles:
            seen.append(Seen(departure.cycle - delay, flow if reads_frames else 0))
    return seen
