# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG that stands inside a page: its text is text, and its colours are the page's."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

COLOURS = {"#010101": "--ink", "#020202": "--erased", "#030303": "--left"}
"""Colours that stand in a figure for the custom properties of the page."""
INK, ERASED, LEFT = COLOURS
WIDTH_IN = 5.0
ROW_IN = 0.52
POINTS = 11
CURVES_IN = 3.0
LONGEST = 0.58
"""Share of the width that the longest bar takes; its label has the rest."""


class Bar(NamedTuple):
    """A bar of ``whole``, of which ``left`` stands out, under its title, with its label behind it."""

    title: str
    whole: float
    left: float
    label: str


def bars(name: str, description: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on one linear scale from zero.

    A line of text stands above each and its label behind it, so that they read on a narrow screen.

    Args:
        name: distinguishes the identifiers of this plot from those of others on the page.
        description: what a reader who cannot see it is told.
    """
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": POINTS, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(WIDTH_IN, max(len(rows), 1) * ROW_IN))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        largest = max((row.whole for row in rows), default=0) or 1
        axes.set_xlim(0, largest / LONGEST)
        axes.set_ylim(len(rows) or 1, 0)
        for i, row in enumerate(rows):
            axes.barh(i + 0.7, row.whole, height=0.27, color=ERASED)
            axes.barh(i + 0.7, row.left, height=0.27, color=LEFT)
            axes.text(0, i + 0.44, row.title, color=INK, ha="left")
            axes.text(row.whole + 0.02 * largest, i + 0.7, row.label, color=INK, va="center")
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _for_page(name, description, file.getvalue())


class Point(NamedTuple):
    """A measured value, and the interval in which it may be."""

    x: float
    y: float
    low: float
    high: float


class Curve(NamedTuple):
    """What is expected at some places, and what was measured there."""

    title: str
    expected: Sequence[tuple[float, float]]
    measured: Sequence[Point]


def curves(name: str, description: str, x_title: str, found: Sequence[Curve]) -> str:
    """Curves between 0 and 1 over a logarithmic scale, each with its title at its end, and measured points on them.

    Args:
        name, description: as of `bars`.
        x_title: what stands below.
    """
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": POINTS, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(WIDTH_IN, CURVES_IN))
        axes = figure.add_axes((0.1, 0.17, 0.7, 0.78))
        axes.set_xscale("log", base=2)
        places = sorted({x for curve in found for x, _ in curve.expected})
        axes.set_xticks(places, [f"{x:g}" for x in places], color=INK)
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], color=INK)
        axes.set_ylim(-0.02, 1.04)
        axes.set_xlabel(x_title, color=INK)
        axes.tick_params(color=INK, length=3)
        axes.minorticks_off()
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(INK)
        for curve in found:
            axes.plot(*zip(*curve.expected, strict=True), color=ERASED, linewidth=3)
            for x, y, low, high in curve.measured:
                axes.plot((x, x), (low, high), color=LEFT, linewidth=1)
                axes.plot(x, y, color=LEFT, marker="o", markersize=4)
            x, y = curve.expected[-1]
            axes.annotate(curve.title, (x, y), (8, 0), textcoords="offset points", color=INK, va="center")
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _for_page(name, description, file.getvalue())


def _for_page(name: str, description: str, svg: str) -> str:
    """Make a stand-alone SVG file part of a page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
