# SPDX-License-Identifier: Apache-2.0
"""What the bench makes of numbers; no tool runs here."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from custodes.table import Port
from tests.bench import fabric
from tests.bench.fabric import Cost, complaint, count_cells, digest, read_report, usable
from tests.bench.speed import CYCLE_SIZES, frames
from tests.bench.tables import Table, tables
from tests.bench.targets import Target, lut4_per_gbit, targets
from tests.bench.units import NAMES, Unit, units


def results(**sections: Any) -> dict[str, Any]:
    return {"cycles": [], "units": [], "simulation": [], "specification": [], "not_measured": []} | sections


def scrubber(lanes: int, **numbers: Any) -> dict[str, Any]:
    return Cost("Scrubber", lanes, "part", 125.0, **numbers).as_json()


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
        {"lanes": 8, "frame_bytes": size, "beats_per_cycle": rate, "latency_cycles": 9}
        for size, rate in ((60, 0.9), (64, 1))
    ]
    verdicts = [target.verdict for target in targets(results(cycles=rows)) if target.unit == "beats per cycle"]
    assert verdicts == ["not measured", "missed", "not measured"]


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


def test_markdown_table_has_a_rule_and_as_many_columns_in_every_line():
    table = Table("Title", ["name", "number"], [["a|b", "1"]])
    assert table.markdown() == "## Title\n\n| name | number |\n| --- | ---: |\n| a/b | 1 |\n"


def test_every_section_becomes_a_table_that_can_be_printed():
    full = results(
        cycles=[{"lanes": 1, "frame_bytes": 60, "beats_per_cycle": 1.0, "latency_cycles": 141}],
        units=[
            scrubber(1, lut4=3400, fmax_mhz=100.5, slowest_path="a to b"),
            scrubber(64, status="not measured", reason="too large"),
        ],
        simulation=[{"lanes": 1, "frame_bytes": 60, "directions": 2, "mbytes_per_s": 1.5}],
        specification=[{"frames": "mixed.pcap", "count": 10, "frames_per_s": 30000}],
        not_measured=[{"what": "Scrubber, 64 lanes", "reason": "too large"}],
    )
    console = Console(width=160, record=True, quiet=True)
    shown = list(tables(full, targets(full)))
    for table in shown:
        console.print(table.rich())
    text = "\n".join(table.markdown() for table in shown)
    assert len(shown) == 7
    for part in ("1.000 ·   141", "| 3,400 |", "100.5", "a to b", "too large", "30,000"):
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


@pytest.mark.parametrize("unit", units([1], list(NAMES)), ids=lambda unit: unit.name)
def test_unit_has_flat_ports_only(unit: Unit):
    ports = [line for line in unit.rtlil().splitlines() if " input " in line or " output " in line]
    assert ports
    assert not any("width 0 " in line for line in ports)


@pytest.mark.parametrize("size", CYCLE_SIZES)
def test_frames_of_the_bench_have_the_size_asked_for(size: int):
    batch = frames(size, 100, Port.WORLD)
    assert len(batch) == 100
    assert {(frame.port, len(frame.frame)) for frame in batch} == {(Port.WORLD, size)}
