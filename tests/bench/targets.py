# SPDX-License-Identifier: Apache-2.0
"""What the project promised, beside what was measured. No tools: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from .speed import DEVICES
from .units import OPENING, lanes_text

LINE_CLOCK_MHZ = {1: 125.0, 8: 156.25, 64: 195.3125}
"""Lanes -> the clock of 1, 10 and 100 Gbit/s."""
MIN_FRAME_BYTES = 60
WIDE_LANES = (8, 16)
"""The wide point of the curve is the faster of these."""
WIDE_GBIT_PER_S = 10.0
PER_KLUT_GBIT_PER_S = 0.45

Results = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One promise. ``measured`` is None where nothing was measured.

    Args:
        at_least: the measured number is to reach the goal; otherwise it is not to exceed it.
    """

    what: str
    unit: str
    at_least: bool
    goal: float | None
    measured: float | None

    @property
    def ratio(self) -> float | None:
        """1 or more where the target is met: measured to goal, or goal to measured where less is better."""
        if self.goal is None or self.measured is None:
            return None
        return self.measured / self.goal if self.at_least else self.goal / self.measured

    @property
    def verdict(self) -> str:
        if self.ratio is None:
            return "not measured"
        return "met" if self.ratio >= 1 else "missed"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio, "verdict": self.verdict}


def targets(results: Results) -> list[Target]:
    """Every target, out of the sections of `tests.bench.runner`'s results."""
    return [
        Target("clock of the scrubber, 1 lane, LFE5U-25F-6", "MHz", True, 125.0, _scrubber(results, 1, "fmax_mhz")),
        Target("LUT4 cells of the scrubber, 1 lane", "LUT4", False, 3500, _scrubber(results, 1, "lut4")),
        Target(
            "... with carry chains and distributed RAM",
            "TRELLIS_COMB",
            False,
            3500,
            _scrubber(results, 1, "trellis_comb"),
        ),
        Target("clock of the scrubber, 8 lanes, LFE5U-85F-8", "MHz", True, 156.25, _scrubber(results, 8, "fmax_mhz")),
        *_costs(results),
        *(_line_rate(results, device, lanes) for device in DEVICES for lanes in LINE_CLOCK_MHZ),
        *_curve(results),
        *_sessions(results),
        Target("clock of SHA-256, LFE5U-25F-6", "MHz", True, 100.0, _unit(results, "Sha256", 1, "fmax_mhz")),
        Target("LUT4 cells of SHA-256", "LUT4", False, 2500, _unit(results, "Sha256", 1, "lut4")),
        Target("clock of the control, LFE5U-25F-6", "MHz", True, 62.5, _unit(results, "ControlSystem", 1, "fmax_mhz")),
        Target("clock of the TRNG, LFE5U-25F-6", "MHz", True, 62.5, _unit(results, "Trng", 1, "fmax_mhz")),
        Target(
            "clock of the translator, LFE5UM-45F-8", "MHz", True, 125.0, _unit(results, "Translator", 1, "fmax_mhz")
        ),
        Target("clock of the sampler, LFE5UM-45F-8", "MHz", True, 140.0, _unit(results, "Sampler", 1, "fmax_mhz")),
        Target("LUT4 cells of the sampler", "LUT4", False, 4500, _unit(results, "Sampler", 1, "lut4")),
        Target("clock of the upload, LFE5UM-45F-8", "MHz", True, 140.0, _unit(results, "Upload", 1, "fmax_mhz")),
        Target("simulation, 1 lane, slowest frame size, one direction", "MB/s", True, 4.0, _simulation(results)),
        Target("specification, slower of its two inputs", "frames/s", True, 20000, _specification(results)),
    ]


def lut4_per_gbit(lut4: float, lanes: int) -> float:
    """Logic per Gbit/s of line rate."""
    return lut4 / (lanes * 8 * LINE_CLOCK_MHZ[lanes] / 1000)


def _unit(results: Results, name: str, lanes: int, key: str) -> float | None:
    return next((u[key] for u in results["units"] if (u["unit"], u["lanes"]) == (name, lanes)), None)


def _scrubber(results: Results, lanes: int, key: str) -> float | None:
    return _unit(results, "Scrubber", lanes, key)


def _sessions(results: Results) -> Iterator[Target]:
    for name in ("Sealer", "Opener"):
        what = f"clock of the {name.lower()}, 1 lane, LFE5U-25F-6"
        yield Target(what, "MHz", True, LINE_CLOCK_MHZ[1], _unit(results, name, 1, "fmax_mhz"))


def _costs(results: Results) -> Iterator[Target]:
    costs = {
        lanes: None if (lut4 := _scrubber(results, lanes, "lut4")) is None else lut4_per_gbit(lut4, lanes)
        for lanes in LINE_CLOCK_MHZ
    }
    for fewer, lanes in pairwise(LINE_CLOCK_MHZ):
        yield Target(f"LUT4 cells per Gbit/s, {lanes} lanes against {fewer}", "LUT4", False, costs[fewer], costs[lanes])


def _line_rate(results: Results, device: str, lanes: int) -> Target:
    rates = {(row["device"], row["lanes"], row["frame_bytes"]): row["beats_per_cycle"] for row in results["cycles"]}
    what = f"smallest frames back to back, {device}, {lanes_text(lanes)}"
    return Target(what, "beats per cycle", True, 1.0, rates.get((device, lanes, MIN_FRAME_BYTES)))


def _curve(results: Results) -> Iterator[Target]:
    """Of AES-GCM that opens frames, the larger engine."""
    engines = {row["lanes"]: row for row in results["curve"] if row["unit"] == OPENING}

    def found(key: str, lanes: Iterable[int]) -> list[float]:
        return [engines[width][key] for width in lanes if width in engines and engines[width][key] is not None]

    narrow = {key: next(iter(found(key, [1])), None) for key in ("gbit_per_s", "lut4", "fmax_mhz")}
    wide = max(found("gbit_per_s", WIDE_LANES), default=None)
    best = max(found("gbit_per_s_per_klut", engines), default=None)
    yield Target("AES-256-GCM, 1 lane, LFE5U-25F-6", "Gbit/s", True, 1.0, narrow["gbit_per_s"])
    yield Target("LUT4 cells of it", "LUT4", False, 3500, narrow["lut4"])
    yield Target("clock of it", "MHz", True, 125.0, narrow["fmax_mhz"])
    yield Target("AES-256-GCM, 8 or 16 lanes, LFE5U-85F-8", "Gbit/s", True, WIDE_GBIT_PER_S, wide)
    yield Target("AES-256-GCM, for 1,000 LUT4 at its best", "Gbit/s", True, PER_KLUT_GBIT_PER_S, best)


def _simulation(results: Results) -> float | None:
    return min(
        (s["mbytes_per_s"] for s in results["simulation"] if (s["lanes"], s["directions"]) == (1, 1)), default=None
    )


def _specification(results: Results) -> float | None:
    return min((row["frames_per_s"] for row in results["specification"]), default=None)
