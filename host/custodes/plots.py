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
CURVES_IN = 3.4
ASIDE = 1.09
"""So much further on the logarithmic scale points of dashed curves stand, where those of others would hide them."""
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
    """What is expected, as a line through some places, and what was measured. A dashed one has open points, a little to the
    right of where they belong."""

    title: str
    expected: Sequence[tuple[float, float]]
    measured: Sequence[Point]
    dashed: bool = False


def curves(name: str, description: str, titles: tuple[str, str], found: Sequence[Curve]) -> str:
    """Curves between 0 and 1 over a logarithmic scale, each with its title at its end, and measured points on them.

    Args:
        name, description: as of `bars`.
        titles: of the axes: what stands below, and what beside.
    """
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": POINTS, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(WIDTH_IN, CURVES_IN))
        axes = figure.add_axes((0.13, 0.15, 0.59, 0.81))
        axes.set_xscale("log", base=2)
        places = sorted({point.x for curve in found for point in curve.measured})
        axes.set_xticks(places, [f"{x:g}" for x in places], color=INK)
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], color=INK)
        axes.set_ylim(-0.02, 1.04)
        axes.set_xlabel(titles[0], color=INK)
        axes.set_ylabel(titles[1], color=INK)
        axes.tick_params(color=INK, length=3)
        axes.minorticks_off()
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(INK)
        for curve in found:
            style = "--" if curve.dashed else "-"
            axes.plot(*zip(*curve.expected, strict=True), color=ERASED, linewidth=2, linestyle=style)
            for x, y, low, high in curve.measured:
                at = x * ASIDE if curve.dashed else x
                axes.plot((at, at), (low, high), color=LEFT, linewidth=1)
                axes.plot(at, y, color=LEFT, marker="o", markersize=5, fillstyle="none" if curve.dashed else "full")
            x, y = curve.expected[-1]
            axes.annotate(curve.title, (x, y), (14, 0), textcoords="offset points", color=INK, va="center")
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
