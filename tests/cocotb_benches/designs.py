# SPDX-License-Identifier: Apache-2.0
"""The designs under test: one verilated executable each, and the bench that runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from amaranth.lib import wiring

from custodes.table import Port
from gateware.scrubber import Scrubber
from gateware.scrubber.bytesum import ByteSum
from gateware.scrubber.counters import Counters
from gateware.scrubber.join import Join
from gateware.scrubber.lookup import Lookup
from gateware.scrubber.serial_join import SerialJoin
from gateware.stream import (
    ClockCrossing,
    FrameFIFO,
    Queue,
    SkidBuffer,
    StreamChecker,
    WidthConverter,
    beat_layout,
)

HEAD_BYTES = (0, 1, 7, 8, 9, 14, 20, 40, 63, 64, 65, 128)
"""Lengths of the heads that are sent into a Join."""
PIECES = 4
"""Of a frame that a SerialJoin puts together."""
COUNTERS_SPACING = {8: 5, 64: 1}
"""Lanes -> the least number of cycles between two frames with altered fields."""
FIFO_DEPTHS = {1: 64, 8: 16}
"""Lanes -> beats."""


DESIGN_VARIABLE = "CUSTODES_DESIGN"
"""Tells the simulation the name of its design."""


class Design(NamedTuple):
    """``bench`` is the module of this package with the cocotb tests; ``lanes`` and ``port`` are what they must know."""

    make: Callable[[], wiring.Component]
    bench: str
    lanes: int = 1
    port: Port = Port.CLUSTER


def _scrubber(lanes: int, port: Port) -> Design:
    return Design(lambda: Scrubber(lanes, port), "bench_scrubber", lanes, port)


def _lookup(lanes: int, port: Port) -> Design:
    return Design(lambda: Lookup(lanes, port), "bench_lookup", lanes, port)


def _fifo(lanes: int) -> Design:
    return Design(lambda: FrameFIFO(lanes, FIFO_DEPTHS[lanes]), "bench_frame_fifo", lanes)


def _width(i_lanes: int, o_lanes: int) -> Design:
    return Design(lambda: WidthConverter(i_lanes, o_lanes), "bench_width_converter")


def _byte_sum(lanes: int) -> Design:
    return Design(lambda: ByteSum(lanes), "bench_byte_sum", lanes)


def _join(lanes: int) -> Design:
    return Design(lambda: Join(lanes, HEAD_BYTES), "bench_join", lanes)


def _counters(lanes: int) -> Design:
    return Design(lambda: Counters(COUNTERS_SPACING[lanes]), "bench_counters", lanes)


# The slowest to build come first, so that they do not come last on one of many cores.
DESIGNS: dict[str, Design] = {
    "scrubber_8_world": _scrubber(8, Port.WORLD),
    "scrubber_1_cluster": _scrubber(1, Port.CLUSTER),
    "lookup_64_world": _lookup(64, Port.WORLD),
    "lookup_8_cluster": _lookup(8, Port.CLUSTER),
    "lookup_1_world": _lookup(1, Port.WORLD),
    "skid_buffer": Design(lambda: SkidBuffer(beat_layout(8)), "bench_skid_buffer"),
    **{f"frame_fifo_{lanes}": _fifo(lanes) for lanes in FIFO_DEPTHS},
    **{f"width_{i}_{o}": _width(i, o) for i, o in ((1, 8), (8, 1), (8, 64), (64, 8))},
    "clock_crossing": Design(lambda: ClockCrossing(4, 16, i_domain="a", o_domain="b"), "bench_clock_crossing"),
    "stream_checker": Design(lambda: StreamChecker(4), "bench_stream_checker"),
    "queue": Design(lambda: Queue(16, 8), "bench_queue"),
    **{f"byte_sum_{lanes}": _byte_sum(lanes) for lanes in (1, 8, 64)},
    **{f"join_{lanes}": _join(lanes) for lanes in (8, 64)},
    "serial_join": Design(lambda: SerialJoin(PIECES), "bench_serial_join"),
    **{f"counters_{lanes}": _counters(lanes) for lanes in COUNTERS_SPACING},
}


def design_under_test() -> Design:
    """In the simulation: the design that it runs."""
    return DESIGNS[os.environ[DESIGN_VARIABLE]]
