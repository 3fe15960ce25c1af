# SPDX-License-Identifier: Apache-2.0
"""What the bench makes of numbers; no tool runs here."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from custodes.table import Port
from tests.bench import fabric
from tests.bench.curve import plot, points, with_rate
from tests.bench.fabric import Cost, complaint, count_cells, digest, lacking, read_report, usable
from tests.bench.speed import CYCLE_SIZES, frames
from tests.bench.tables import Table, tables
from tests.bench.targets import Target, lut4_per_gbit, targets
from tests.bench.units import BORDER, LARGE, NAMES, OPENING, SEALING, SMALL, Unit, engines, units


def results(**sections: Any) -> dict[str, Any]:
    return {
        "cycles": [],
        "units": [],
        "curve": [],
        "simulation": [],
        "specification": [],
        "audits": [],
        "not_measured": [],
    } | sections


def scrubber(lanes: int, **numbers: Any) -> dict[str, Any]:
    return Cost("Scrubber", lanes, "part", 125.0, **numbers).as_json()


def engine(lanes: int, unit: str = OPENING, **numbers: Any) -> dict[str, Any]:
    return with_rate(Cost(unit, lanes, "part", 125.0, **numbers))


def test_target_to_reach_is_met_from_its_goal_on():
    assert Target("clock", "MHz", True, 125.0, 125.0).verdict == "met"
    missed = Target("clock", "MHz", True, 125.0, 100.0)
    assert (missed.verdict, missed.ratio) == ("missed", 0.8)


def test_target_not_to_exceed_is_met_up_to_its_goal():
    assert Target("logic", "LUT4", False, 3500, 3500).verdict == "met"
    missed = Target("logic", "LUT4", False, 3500, 7000)
    assert (missed.verdict, missed.ratio) == ("missed", 0.5)


def test_without_measurement_no_target_has_a_verdict():
    assert {(target.verdict, target.ratio) for target in targets(results())} == {("not measured", None)}


def test_targets_take_the_slowest_measurement():
    rows = [
        {"lanes": lanes, "frame_bytes": size, "directions": directions, "mbytes_per_s": speed}
        for lanes, size, directions, speed in ((1, 60, 1, 5.0), (1, 512, 1, 3.0), (1, 60, 2, 2.0), (8, 60, 1, 1.0))
    ]
    specification = [
        {"frames": "a", "count": 1, "frames_per_s": 30000},
        {"frames": "b", "count": 1, "frames_per_s": 9000},
    ]
    found = {target.unit: target for target in targets(results(simulation=rows, specification=specification))}
    assert found["MB/s"].measured == 3.0
    assert found["frames/s"].measured == 9000


def test_line_rate_is_judged_at_the_smallest_frame():
    rows = [
        {"device": device, "lanes": 8, "frame_bytes": size, "beats_per_cycle": rate, "latency_cycles": 9}
        for device, size, rate in (("scrubber", 60, 1.0), ("warden", 60, 0.9), ("warden", 64, 1.0))
    ]
    verdicts = [target.verdict for target in targets(results(cycles=rows)) if target.unit == "beats per cycle"]
    assert verdicts == ["not measured", "met", "not measured", "not measured", "missed", "not measured"]


def test_cost_per_gbit_is_compared_with_the_next_smaller_lane_count():
    assert lut4_per_gbit(3000, 1) == 3000
    assert lut4_per_gbit(30000, 8) == 3000
    assert lut4_per_gbit(300000, 64) == 3000
    units = [scrubber(1, lut4=3000), scrubber(8, lut4=15000), scrubber(64, lut4=300000)]
    found = [target for target in targets(results(units=units)) if "per Gbit/s" in target.what]
    assert [(target.goal, target.measured, target.verdict) for target in found] == [
        (3000, 1500, "met"),
        (1500, 3000, "missed"),
    ]


def test_rate_of_an_engine_is_that_of_its_own_clock():
    found = engine(8, lut4=10000, fmax_mhz=150.0)
    assert (found["gbit_per_s"], found["gbit_per_s_per_klut"]) == (9.6, 0.96)
    assert engine(8, lut4=10000)["gbit_per_s"] is None


def test_curve_is_of_the_opening_engines_that_were_placed():
    rows = [
        engine(1, lut4=2000, fmax_mhz=125.0),
        engine(2, lut4=4000, fmax_mhz=125.0),
        engine(32, lut4=40000),
        engine(1, SEALING, lut4=1000, fmax_mhz=125.0),
    ]
    assert points(rows) == [(1, 2000, 1.0, 0.5), (2, 4000, 2.0, 0.5)]


def test_curve_shows_every_point_with_its_lanes_and_rate():
    picture = ElementTree.fromstring(plot(points([engine(lanes, lut4=2000, fmax_mhz=125.0) for lanes in (1, 8)])))
    texts = ["".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"1 lane", "1.00", "8 lanes", "8.00", "0.50", "4.00", "goal"} <= {*texts}


def test_targets_of_the_curve_take_the_larger_engine_and_the_best_point():
    curve = [
        engine(1, lut4=4000, fmax_mhz=120.0),
        engine(1, SEALING, lut4=2000, fmax_mhz=130.0),
        engine(8, lut4=9000, fmax_mhz=150.0),
        engine(16, lut4=32000, fmax_mhz=125.0),
        engine(32, lut4=40000),
    ]
    found = {target.what: target for target in targets(results(curve=curve)) if target.measured is not None}
    assert [(target.measured, target.verdict) for target in found.values()] == [
        (0.96, "missed"),
        (4000, "missed"),
        (120.0, "missed"),
        (16.0, "met"),
        (1.0667, "met"),
    ]


def test_part_lacks_what_is_more_than_it_has():
    cells = {"lut4": SMALL.logic_cells, "bram": SMALL.block_rams}
    assert lacking(SMALL, cells) == ""
    assert lacking(SMALL, cells | {"bram": 60}) == "60 DP16KD of 56"
    assert lacking(SMALL, {"lut4": 30000, "bram": 60}) == "30000 LUT4 of 24288, 60 DP16KD of 56"


def test_netlist_is_placed_with_the_registers_that_boards_give_block_rams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "unit.json").write_text("synthesised")
    monkeypatch.setattr(fabric.output_registers, "absorb", lambda netlist: netlist.write_text("registered"))
    placed = fabric._registered(tmp_path)
    assert (tmp_path / placed).read_text() == "registered"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([placed, "unit.json"])
    assert (tmp_path / "unit.json").read_text() == "synthesised"


def test_engines_of_up_to_four_lanes_are_placed_on_the_small_part():
    found = engines([1, 4, 8])
    assert [(unit.name, unit.lanes, unit.part) for unit in found] == [
        (OPENING, 1, SMALL),
        (OPENING, 4, SMALL),
        (OPENING, 8, LARGE),
        (SEALING, 1, SMALL),
    ]


def test_what_only_a_border_has_is_placed_on_its_part():
    found = units([1, 8], ["Scrubber", "Fingerprint", "Coin"])
    assert [(unit.name, unit.lanes, unit.part) for unit in found] == [
        ("Scrubber", 1, SMALL),
        ("Scrubber", 8, LARGE),
        ("Fingerprint", 1, BORDER),
        ("Fingerprint", 8, LARGE),
        ("Coin", 1, BORDER),
    ]


def test_markdown_table_has_a_rule_and_as_many_columns_in_every_line():
    table = Table("Title", ["name", "number"], [["a|b", "1"]])
    assert table.markdown() == "## Title\n\n| name | number |\n| --- | ---: |\n| a/b | 1 |\n"


def test_every_section_becomes_a_table_that_can_be_printed():
    full = results(
        cycles=[{"device": "warden", "lanes": 1, "frame_bytes": 60, "beats_per_cycle": 1.0, "latency_cycles": 141}],
        units=[
            scrubber(1, lut4=3400, fmax_mhz=100.5, slowest_path="a to b"),
            scrubber(64, status="not measured", reason="too large"),
        ],
        curve=[engine(16, lut4=20000, bram=170, fmax_mhz=156.25), engine(64, lut4=70000)],
        simulation=[{"lanes": 1, "frame_bytes": 60, "directions": 2, "mbytes_per_s": 1.5}],
        specification=[{"frames": "mixed.pcap", "count": 10, "frames_per_s": 30000}],
        audits=[
            {"workers": workers, "epochs": 4, "frames": 800, "frames_per_s": speed}
            for workers, speed in ((None, 1000), (2, 1500))
        ],
        not_measured=[{"what": "Scrubber, 64 lanes", "reason": "too large"}],
    )
    console = Console(width=160, record=True, quiet=True)
    shown = list(tables(full, targets(full)))
    for table in shown:
        console.print(table.rich())
    text = "\n".join(table.markdown() for table in shown)
    assert len(shown) == 9
    for part in (
        "1.000 ·   141",
        "| 3,400 |",
        "100.5",
        "a to b",
        "| 170 | 156.2 | 125 | 20.00 | 1.000 |",
        "too large",
        "30,000",
        "| 2 | 4 | 800 | 1,500 | 1.50 |",
    ):
        assert part in text


def test_targets_survive_json():
    for target in targets(results()):
        assert json.loads(json.dumps(target.as_json()))["what"] == target.what


def test_cache_key_depends_on_every_part_and_its_place():
    keys = {digest("a", "b"), digest("b", "a"), digest("ab"), digest("a", "b", ""), digest("a", "c")}
    assert len(keys) == 5
    assert digest("a", "b") == digest("a", "b")


def test_stopped_tool_gets_another_chance_only_with_more_time():
    stopped = {"failure": "took longer", "limit_s": 100}
    assert usable(stopped, 100)
    assert not usable(stopped, 101)
    assert usable({"seconds": 3.0}, 10**6)
    assert usable({"failure": "does not fit"}, 10**6)


def test_kept_result_is_used_instead_of_the_tool(tmp_path: Path):
    (tmp_path / "kept.json").write_text('{"seconds": 2.5}')
    assert fabric._cached(tmp_path / "kept.json", ["/nowhere/tool"], "product", 10) == {"seconds": 2.5}


def test_kept_failure_is_reported_again(tmp_path: Path):
    (tmp_path / "kept.json").write_text('{"failure": "ERROR: no"}')
    with pytest.raises(fabric.ToolError, match="ERROR: no"):
        fabric._cached(tmp_path / "kept.json", ["/nowhere/tool"], "product", 10)


def test_cells_that_are_not_there_count_as_none():
    cells = {"LUT4": 7, "TRELLIS_FF": 3, "$scopeinfo": 9}
    assert count_cells({"design": {"num_cells_by_type": cells}}) == {
        "lut4": 7,
        "ccu2c": 0,
        "ff": 3,
        "bram": 0,
        "dpr16x4": 0,
    }


def path(clock: str, *steps: tuple[str, float]) -> dict[str, Any]:
    ends = {"from": {"cell": f"device.{clock}.first"}, "to": {"cell": f"device.{clock}.second"}}
    return {
        "from": f"posedge {clock}",
        "to": f"posedge {clock}",
        "path": [{"type": kind, "delay": delay} | ends for kind, delay in steps],
    }


def test_clock_of_a_unit_is_its_slowest():
    report = {
        "fmax": {"a": {"achieved": 200.0}, "b": {"achieved": 150.126}},
        "utilization": {"TRELLIS_COMB": {"used": 5, "available": 10}},
        "critical_paths": [
            path("a", ("clk-to-q", 5.0)),
            path("b", ("clk-to-q", 0.5), ("routing", 1), ("routing", 2.25)),
        ],
    }
    assert read_report(report) == {
        "trellis_comb": 5,
        "fmax_mhz": 150.13,
        "slowest_path": "b.first to b.second: 0.5 ns clk-to-q + 3.2 ns routing",
    }
    assert read_report(report | {"fmax": {}}) == {"trellis_comb": 5}


def test_complaint_is_the_first_error_or_else_the_last_line():
    assert complaint("Info: a\nERROR: b\nERROR: c\nend\n") == "ERROR: b"
    assert complaint("a\nb\n\n") == "b"
    assert complaint("") == ""


def test_width_converters_count_as_their_wider_side():
    names = ["WidthConverter 1-8", "SkidBuffer"]
    assert [unit.label for unit in units([1], names)] == ["SkidBuffer, 1 lane"]
    assert [unit.label for unit in units([8], names)] == ["SkidBuffer, 8 lanes", "WidthConverter 1-8, 8 lanes"]


@pytest.mark.parametrize("unit", [*units([1], list(NAMES)), *engines([1])], ids=lambda unit: unit.name)
def test_unit_has_flat_ports_only(unit: Unit):
    ports = [line for line in unit.rtlil().splitlines() if " input " in line or " output " in line]
    assert ports
    assert not any("width 0 " in line for line in ports)


@pytest.mark.parametrize("size", CYCLE_SIZES)
def test_frames_of_the_bench_have_the_size_asked_for(size: int):
    batch = frames(size, 100, Port.WORLD)
    assert len(batch) == 100
    assert {(frame.port, len(frame.frame)) for frame in batch} == {(Port.WORLD, size)}
