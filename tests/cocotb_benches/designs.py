# SPDX-License-Identifier: Apache-2.0
"""The designs under test: one verilated executable each, and the bench that runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from amaranth.lib import wiring

from custodes.registers import initial_writes
from custodes.table import Port
from gateware.control import Tally
from gateware.control.uart_link import UartLink
from gateware.devices.control import BAUD, Control
from gateware.devices.ethernet_warden import EthernetWarden
from gateware.ethernet import Mac, RgmiiDelays
from gateware.flow import Translator
from gateware.hash import Sha256
from gateware.scrubber import Scrubber
from gateware.scrubber.bytesum import ByteSum
from gateware.scrubber.counters import WALK_CYCLES, Counters
from gateware.scrubber.lookup import Lookup
from gateware.scrubber.serial_join import SerialJoin
from gateware.session.aes import Aes
from gateware.session.gcm import Gcm
from gateware.session.ghash import Ghash
from gateware.session.rate import Rate
from gateware.stream import (
    ClockCrossing,
    FrameFIFO,
    Queue,
    SkidBuffer,
    StreamChecker,
    WidthConverter,
    beat_layout,
)
from gateware.stream.join import Join
from gateware.trng.trng import Trng
from tests.cocotb_benches.gcm_harness import Opener, SideBySide
from tests.frames import POLICY

HEAD_BYTES = (0, 1, 7, 8, 9, 14, 20, 40, 63, 64, 65, 128)
"""Lengths of the heads that are sent into a Join."""
PIECES = 4
"""Of a frame that a SerialJoin puts together."""
COUNTERS_SPACING = {1: WALK_CYCLES, 8: 5, 64: 1}
"""Lanes -> the least number of cycles between two frames with altered fields; with one lane, between any two."""
TALLY_KINDS, TALLY_SPACING = 11, 2
CONTROL_CLOCK_HZ, CONTROL_BAUD = 10 * BAUD, BAUD
"""So slow a clock makes for short tests, and for no more than 10 cycles per bit."""
CONTROL_TEXT = "a line of text"
UART_SLOW_HZ, UART_BOARD_HZ = CONTROL_CLOCK_HZ, 62_500_000
BLINK_CYCLES = 1000
"""Of the LEDs of a warden."""
FIFO_DEPTHS = {1: 64, 8: 16}
"""Lanes -> beats."""
FLOWS = 64
"""Slots of a Translator."""
SESSION_KEYS = 4
"""Of an AES-GCM engine and its parts."""
AES_LANES = (1, 2, 4, 8, 16, 32)
GHASH_LANES = (1, 2, 4, 8, 16, 32)
SEAL_LANES, OPEN_LANES = (1, 4, 8), (1, 8, 16)
GATE_BYTES = 8192
"""That wait for a sink."""


DESIGN_VARIABLE = "CUSTODES_DESIGN"
"""Tells the simulation the name of its design."""


class Design(NamedTuple):
    """``bench`` is the module of this package with the cocotb tests; ``lanes`` and ``port`` are what they must know;
    ``models`` are Verilog files of what it has instances of; ``clock_hz`` is that of a unit that divides it."""

    make: Callable[[], wiring.Component]
    bench: str
    lanes: int = 1
    port: Port = Port.CLUSTER
    models: tuple[Path, ...] = ()
    clock_hz: int = 0


def _scrubber(lanes: int, port: Port) -> Design:
    return Design(lambda: Scrubber(lanes, port), "bench_scrubber", lanes, port)


def _ethernet_warden() -> wiring.Component:
    delays = RgmiiDelays(rx_data_ps=2000, tx_clock_ps=2000)
    return EthernetWarden([delays, delays], list(initial_writes(POLICY)), BLINK_CYCLES)


def _translator(lanes: int) -> Design:
    return Design(lambda: Translator(lanes, FLOWS), "bench_translator", lanes)


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


def _sealer(lanes: int) -> Design:
    return Design(lambda: Gcm(lanes, SESSION_KEYS, opens=False), "bench_gcm", lanes)


def _opener(lanes: int) -> Design:
    return Design(lambda: Opener(lanes, SESSION_KEYS, GATE_BYTES // lanes), "bench_gcm", lanes)


def _aes() -> wiring.Component:
    return SideBySide({f"lanes_{lanes}": Aes(Rate(lanes), SESSION_KEYS) for lanes in AES_LANES})


def _ghash() -> wiring.Component:
    return SideBySide({f"lanes_{lanes}": Ghash(Rate(lanes), SESSION_KEYS) for lanes in GHASH_LANES})


# The slowest to build come first, so that they do not come last on one of many cores.
DESIGNS: dict[str, Design] = {
    **{f"gcm_open_{lanes}": _opener(lanes) for lanes in reversed(OPEN_LANES)},
    **{f"gcm_seal_{lanes}": _sealer(lanes) for lanes in reversed(SEAL_LANES)},
    "aes": Design(_aes, "bench_aes"),
    "ghash": Design(_ghash, "bench_ghash"),
    "ethernet_warden": Design(
        _ethernet_warden, "bench_ethernet_warden", models=(Path(__file__).with_name("ecp5_io.v"),)
    ),
    "mac": Design(lambda: Mac(125_000_000, "rx", "tx"), "bench_mac"),
    "scrubber_8_world": _scrubber(8, Port.WORLD),
    "scrubber_1_cluster": _scrubber(1, Port.CLUSTER),
    **{f"translator_{lanes}": _translator(lanes) for lanes in (8, 1)},
    "lookup_64_world": _lookup(64, Port.WORLD),
    "lookup_8_cluster": _lookup(8, Port.CLUSTER),
    "lookup_1_world": _lookup(1, Port.WORLD),
    "skid_buffer": Design(lambda: SkidBuffer(beat_layout(8)), "bench_skid_buffer"),
    **{f"frame_fifo_{lanes}": _fifo(lanes) for lanes in FIFO_DEPTHS},
    **{f"width_{i}_{o}": _width(i, o) for i, o in ((1, 8), (8, 1), (8, 64), (64, 8))},
    "clock_crossing": Design(lambda: ClockCrossing(4, 16, i_domain="a", o_domain="b"), "bench_clock_crossing"),
    "stream_checker": Design(lambda: StreamChecker(4), "bench_stream_checker"),
    "queue": Design(lambda: Queue(16, 8), "bench_queue"),
    "queue_distributed": Design(lambda: Queue(16, 8, registers=1), "bench_queue"),
    **{f"byte_sum_{lanes}": _byte_sum(lanes) for lanes in (1, 8, 64)},
    **{f"join_{lanes}": _join(lanes) for lanes in (8, 64)},
    "serial_join": Design(lambda: SerialJoin(PIECES), "bench_serial_join"),
    "sha256": Design(Sha256, "bench_sha256"),
    "trng": Design(Trng, "bench_trng"),
    "tally": Design(lambda: Tally(TALLY_KINDS, TALLY_SPACING), "bench_tally"),
    "control": Design(lambda: Control(CONTROL_CLOCK_HZ, CONTROL_TEXT), "bench_control"),
    "uart_link": Design(lambda: UartLink(UART_SLOW_HZ), "bench_uart_link", clock_hz=UART_SLOW_HZ),
    "uart_speeds": Design(lambda: UartLink(UART_BOARD_HZ), "bench_uart_speeds", clock_hz=UART_BOARD_HZ),
    **{f"counters_{lanes}": _counters(lanes) for lanes in COUNTERS_SPACING},
}


def design_under_test() -> Design:
    """In the simulation: the design that it runs."""
    return DESIGNS[os.environ[DESIGN_VARIABLE]]
