# SPDX-License-Identifier: Apache-2.0
"""Whether every clock is constrained and met: nextpnr's exit code does not tell, and drops a constraint in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class ClockError(Exception):
    """The report is not about the clocks that the board has."""


@dataclass(frozen=True)
class Clock:
    """One clock net as nextpnr reports it."""

    name: str
    asked_mhz: float
    reached_mhz: float

    @property
    def met(self) -> bool:
        return self.reached_mhz >= self.asked_mhz

    @property
    def slack_ns(self) -> float:
        return 1000 / self.asked_mhz - 1000 / self.reached_mhz


def read_clocks(report: Mapping[str, Any], expected_hz: Iterable[int]) -> list[Clock]:
    """The clocks of a report, by name; raises `ClockError` unless they are asked for exactly what is expected."""
    clocks = [
        Clock(name.removeprefix("$glbnet$"), round(found["constraint"], 3), round(found["achieved"], 2))
        for name, found in sorted(report["fmax"].items())
    ]
    asked = Counter(round(clock.asked_mhz * 1e6) for clock in clocks)
    expected = Counter(expected_hz)
    if asked != expected:
        raise ClockError(f"clocks are constrained to {_listed(asked)}, not to {_listed(expected)}")
    return clocks


def _listed(frequencies: Counter[int]) -> str:
    return ", ".join(f"{hz / 1e6:g} MHz" for hz in sorted(frequencies.elements())) or "nothing"
