# SPDX-License-Identifier: Apache-2.0
"""AES-GCM from the smallest engine to the widest: what it does with its logic."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from .fabric import Cost
from .targets import PER_KLUT_GBIT_PER_S, WIDE_GBIT_PER_S
from .units import LARGE, OPENING, SMALL, SMALL_LANES, lanes_text

SIZE_IN = (9.0, 4.2)


class Point(NamedTuple):
    """An engine that was placed."""

    lanes: int
    lut4: int
    gbit_per_s: float
    gbit_per_s_per_klut: float


def with_rate(cost: Cost) -> dict[str, Any]:
    """An engine's cost, and its rate in Gbit/s at the clock that it reaches; None where it was not placed."""
    rate = per_klut = None
    if cost.fmax_mhz is not None and cost.lut4 is not None:
        rate = cost.lanes * 8 * cost.fmax_mhz / 1000
        per_klut = round(1000 * rate / cost.lut4, 4)
    return cost.as_json() | {"gbit_per_s": rate, "gbit_per_s_per_klut": per_klut}


def points(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The curve: of the engine that opens frames, which is the larger."""
    return [
        Point(*(found[member] for member in Point._fields))
        for found in rows
        if found["unit"] == OPENING and found["gbit_per_s_per_klut"] is not None
    ]


def plot(curve: Sequence[Point]) -> str:
    """The curve as an SVG file: bits per second over logic, and beside it what 1,000 LUT4 do at each number of lanes."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "curve", "font.size": 10}):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        rate, worth = figure.subplots(1, 2)
        rates = [(p.lut4, p.gbit_per_s, f"{lanes_text(p.lanes)}\n{p.gbit_per_s:.2f}") for p in curve]
        _draw(rate, rates, WIDE_GBIT_PER_S)
        rate.set(title="AES-256-GCM, frames opened", xlabel="LUT4", ylabel="Gbit/s", yscale="log")
        for axis in (rate.xaxis, rate.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:,g}")
        lanes = f"lanes (up to {SMALL_LANES} on {SMALL.name}, more on {LARGE.name})"
        worths = [(p.lanes, p.gbit_per_s_per_klut, f"{p.gbit_per_s_per_klut:.2f}") for p in curve]
        _draw(worth, worths, PER_KLUT_GBIT_PER_S)
        worth.set(title="The same for 1,000 LUT4", xlabel=lanes, ylabel="Gbit/s per 1,000 LUT4", ylim=(0, None))
        worth.set_xticks([p.lanes for p in curve], [str(p.lanes) for p in curve])
        for axes in (rate, worth):
            axes.minorticks_off()
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return file.getvalue()


def _draw(axes: Axes, labelled: Sequence[tuple[float, float, str]], goal: float) -> None:
    """Points with a label each, joined, and a line at the goal."""
    axes.set_xscale("log")
    axes.margins(0.3, 0.15)
    axes.axhline(goal, color="grey", linestyle=":")
    axes.annotate("goal", (0.02, goal), xycoords=("axes fraction", "data"), color="grey", va="bottom")
    axes.plot([x for x, _, _ in labelled], [y for _, y, _ in labelled], marker="o")
    for x, y, label in labelled:
        axes.annotate(label, (x, y), xytext=(8, -2), textcoords="offset points", va="top")
