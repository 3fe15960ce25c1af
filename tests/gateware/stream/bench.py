# SPDX-License-Identifier: Apache-2.0
"""Bench of the stream units in Amaranth's simulator: random frames in, frames out, the rule checked on both ports."""

import gc
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth import ClockDomain, Module, ResetSignal, Signal
from amaranth.hdl import UnusedElaboratable
from amaranth.sim import Simulator

from gateware.stream import StreamChecker

PERIOD_S = 1e-8
Pause = Callable[[], bool]  # true: do nothing in this cycle


@dataclass(frozen=True)
class Frame:
    data: bytes
    error: bool = False


def never() -> bool:
    return False


def often(seed: int) -> Pause:
    source = random.Random(seed)
    return lambda: source.random() < 0.5


def bursts(seed: int) -> Pause:
    """Long runs of both kinds, so that every buffer fills and drains."""
    source = random.Random(seed)
    run = {"left": 0, "pause": False}

    def pause() -> bool:
        if not run["left"]:
            run["left"], run["pause"] = source.randrange(1, 12), not run["pause"]
        run["left"] -= 1
        return bool(run["pause"])

    return pause


PAUSES: dict[str, Callable[[int], Pause]] = {"none": lambda _: never, "often": often, "bursts": bursts}


def random_frames(seed: int, count: int, max_bytes: int, error_share: float = 0.0) -> list[Frame]:
    source = random.Random(seed)
    return [Frame(source.randbytes(source.randint(1, max_bytes)), source.random() < error_share) for _ in range(count)]


@dataclass(frozen=True)
class Beat:
    data: bytes
    keep: int
    last: bool
    error: bool


def to_beats(frame: Frame, lanes: int) -> list[Beat]:
    beats = []
    for start in range(0, len(frame.data), lanes):
        part = frame.data[start : start + lanes]
        last = start + lanes >= len(frame.data)
        beats.append(Beat(part.ljust(lanes, b"\xee"), (1 << len(part)) - 1, last, last and frame.error))
    return beats


def pack(beat: Beat, lanes: int) -> int:
    """The beat as the bits of ``beat_layout(lanes)``, worked out here independently of it."""
    low = int.from_bytes(beat.data, "little") | beat.keep << 8 * lanes
    return low | beat.last << 9 * lanes | beat.error << 9 * lanes + 1


def unpack(bits: int, lanes: int) -> Beat:
    data = (bits & (1 << 8 * lanes) - 1).to_bytes(lanes, "little")
    keep = bits >> 8 * lanes & (1 << lanes) - 1
    return Beat(data, keep, bool(bits >> 9 * lanes & 1), bool(bits >> 9 * lanes + 1 & 1))


@dataclass
class Monitor:
    """Collects transfers of one port with the cycle of each."""

    lanes: int
    frames: list[Frame] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    open: bytearray = field(default_factory=bytearray)

    def take(self, bits: int, cycle: int) -> None:
        beat = unpack(bits, self.lanes)
        self.beats.append(beat)
        self.cycles.append(cycle)
        self.open += beat.data[: beat.keep.bit_count()]
        if beat.last:
            self.frames.append(Frame(bytes(self.open), beat.error))
            self.open.clear()


class Bench:
    """One unit with ports ``i`` and ``o``, a driver on ``i``, a taker on ``o`` and a checker on each.

    ``run`` sends ``beats`` with ``idle`` between them, takes with ``stall``, and stops ``settle`` cycles after the last
    transfer on either port. ``reset_at`` holds the reset for one cycle and restarts the driver with ``after_reset``.
    """

    def __init__(self, dut: Any, i_lanes: int, o_lanes: int) -> None:
        self.dut = dut
        self.i = Monitor(i_lanes)
        self.o = Monitor(o_lanes)
        self.pulses: dict[str, list[int]] = {}

    def run(
        self,
        frames: Sequence[Frame],
        idle: Pause = never,
        stall: Pause = never,
        *,
        settle: int = 24,
        reset_at: int | None = None,
        after_reset: Sequence[Frame] = (),
        max_cycles: int = 20000,
    ) -> None:
        m = Module()
        reset = Signal()
        m.domains.sync = ClockDomain()
        m.d.comb += ResetSignal().eq(reset)
        m.submodules.dut = dut = self.dut
        checkers = []
        for name, port, lanes in (("i", dut.i, self.i.lanes), ("o", dut.o, self.o.lanes)):
            m.submodules[f"check_{name}"] = checker = StreamChecker(lanes)
            checker.observe(m, port)
            checkers.append(checker)
        pulses = {name: getattr(dut, name) for name in ("dropped_error", "dropped_overflow") if hasattr(dut, name)}
        self.pulses = {name: [] for name in pulses}

        async def bench(ctx):
            queue = [pack(beat, self.i.lanes) for frame in frames for beat in to_beats(frame, self.i.lanes)]
            position = quiet = 0
            offering = False
            for cycle in range(max_cycles):
                if cycle == reset_at:
                    ctx.set(reset, 1)
                    ctx.set(dut.i.valid, 0)
                    ctx.set(dut.o.ready, 0)
                    await ctx.tick()
                    ctx.set(reset, 0)
                    queue = [
                        pack(beat, self.i.lanes) for frame in after_reset for beat in to_beats(frame, self.i.lanes)
                    ]
                    position, offering = 0, False
                    self.i = Monitor(self.i.lanes)
                    self.o = Monitor(self.o.lanes)
                if not offering and position < len(queue) and not idle():
                    offering = True
                    ctx.set(dut.i.payload.as_value(), queue[position])
                ctx.set(dut.i.valid, offering)
                ctx.set(dut.o.ready, not stall())
                i_moves = offering and ctx.get(dut.i.ready)
                o_moves = ctx.get(dut.o.valid) and ctx.get(dut.o.ready)
                if i_moves:
                    self.i.take(queue[position], cycle)
                    position, offering = position + 1, False
                if o_moves:
                    self.o.take(ctx.get(dut.o.payload.as_value()), cycle)
                for name, signal in pulses.items():
                    if ctx.get(signal):
                        self.pulses[name].append(cycle)
                await ctx.tick()
                quiet = 0 if i_moves or o_moves or (reset_at is not None and cycle < reset_at) else quiet + 1
                if quiet > settle and position == len(queue):
                    break
            else:
                raise AssertionError(f"not finished after {max_cycles} cycles")
            for checker in checkers:
                assert not ctx.get(checker.violation), f"stream rule broken: {ctx.get(checker.code)}"

        simulator = Simulator(m)
        simulator.add_clock(PERIOD_S)
        simulator.add_testbench(bench)
        simulator.run()
        assert not self.o.open, "the output ends inside a frame"


def refusal(make: Callable[[], object]) -> str:
    """The message of the ``ValueError`` that ``make`` raises; the half-made component is not reported as unused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        message = ""
        try:
            make()
        except ValueError as error:
            message = str(error)
        gc.collect()
    return message
