# SPDX-License-Identifier: Apache-2.0
"""A clock that is not constrained, or not as it must be, is an error whatever nextpnr's exit code says."""

import pytest

from boards.clock_report import Clock, ClockError, read_clocks

MHZ = 1_000_000


def report(**clocks: tuple[float, float]) -> dict[str, object]:
    """What nextpnr writes of clocks, by name: (asked, reached)."""
    return {"fmax": {f"$glbnet${name}": {"constraint": a, "achieved": r} for name, (a, r) in clocks.items()}}


def test_reads_name_frequencies_and_slack():
    found = read_clocks(report(clk=(125, 130.004), rx=(125, 100)), [125 * MHZ] * 2)
    assert found == [Clock("clk", 125, 130.0), Clock("rx", 125, 100)]
    assert [clock.met for clock in found] == [True, False]
    assert found[1].slack_ns == -2


def test_a_clock_reached_exactly_is_met():
    assert Clock("clk", 125, 125).met


@pytest.mark.parametrize(
    ("clocks", "said"),
    [
        ({"clk": (125, 130), "rx": (12, 130)}, "clocks are constrained to 12 MHz, 125 MHz, not to 125 MHz, 125 MHz"),
        ({"clk": (125, 130)}, "clocks are constrained to 125 MHz, not to 125 MHz, 125 MHz"),
        (dict.fromkeys(("a", "b", "c"), (125, 130)), "to 125 MHz, 125 MHz, 125 MHz, not to"),
        ({}, "clocks are constrained to nothing"),
    ],
)
def test_a_dropped_constraint_is_an_error(clocks: dict[str, tuple[float, float]], said: str):
    with pytest.raises(ClockError, match=said):
        read_clocks(report(**clocks), [125 * MHZ] * 2)
