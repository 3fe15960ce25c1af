# SPDX-License-Identifier: Apache-2.0
"""Bitstreams: a small one is built for real, twice; the large ones are elaborated, and CI builds one of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from boards import builder, records, toolchain
from boards.__main__ import DRIFT, FAILED, POLICY_ERROR, TIMING, USAGE, main
from boards.builder import BOARDS, DEVICES, Build, Contents, build, expected_clocks
from boards.clocks import output_hz
from boards.toolchain import prepare
from custodes.flash import TARGETS, Loader, Probe, plan

SMALL = ["--board", "icebreaker", "--device", "control"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Build, Path]:
    said: list[str] = []
    return build(BOARDS["icebreaker"], "control", Contents(), tmp_path_factory.mktemp("first"), [1], said.append)


def test_the_same_sources_make_the_same_bitstream(built: tuple[Build, Path], tmp_path: Path):
    again, bitstream = build(BOARDS["icebreaker"], "control", Contents(), tmp_path, [1], lambda line: None)
    assert again == built[0]
    assert bitstream.read_bytes() == built[1].read_bytes()
    assert hashlib.sha256(bitstream.read_bytes()).hexdigest() == again.bitstream


def test_what_was_built_before_is_found_and_what_is_damaged_is_built_again(built: tuple[Build, Path]):
    said: list[str] = []
    arguments = (BOARDS["icebreaker"], "control", Contents(), built[1].parent, [1], said.append)
    content = built[1].read_bytes()
    assert build(*arguments) == built
    assert said == ["icebreaker-control: built before from the same sources"]
    built[1].write_bytes(content[:-1])
    assert build(*arguments) == built
    assert built[1].read_bytes() == content


def test_the_build_is_a_bitstream_for_the_board(built: tuple[Build, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Loader, "__init__", lambda self: setattr(self, "program", "loader"))
    monkeypatch.setattr(Loader, "probes", lambda self: [Probe(1, 2, "probe")])
    writing = plan(Loader(), "icebreaker", built[1], None, None, volatile=False, verify=True)
    assert writing.sha256 == built[0].bitstream


def test_no_seed_that_meets_every_clock_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(builder, "read_clocks", lambda report, expected: [builder.Clock("clk", 12, 11)])
    assert main(["build", *SMALL, "--out", str(tmp_path), "--seed", "1", "--seed", "2"]) == TIMING
    said = capsys.readouterr().err
    assert "no seed of [1, 2] meets every clock" in said
    assert "11 of 12 MHz" in said
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_clock_that_is_not_expected_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(builder, "expected_clocks", lambda board, device: [25_000_000])
    assert main(["build", *SMALL, "--out", str(tmp_path), "--seed", "1"]) == TIMING
    assert "clocks are constrained to 12 MHz, not to 25 MHz" in capsys.readouterr().err


def test_a_tool_that_fails_is_named_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(toolchain.TOOLS, "YOSYS", "false")
    assert main(["build", *SMALL, "--out", str(tmp_path)]) == FAILED
    assert "false failed with exit code 1: it says nothing" in capsys.readouterr().err


def test_a_device_that_does_not_fit_is_wrong_usage(capsys: pytest.CaptureFixture[str]):
    assert main(["build", "--board", "icebreaker", "--device", "warden"]) == USAGE
    assert "warden does not fit icebreaker, which takes: control" in capsys.readouterr().err


def test_a_bad_policy_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    policy = tmp_path / "policy.toml"
    policy.write_text("ttl = 0\n")
    assert main(["build", *SMALL, "--policy", str(policy)]) == POLICY_ERROR
    assert "ttl" in capsys.readouterr().err


def test_only_builds_with_the_policy_of_the_tree_are_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    policy = tmp_path / "policy.toml"
    policy.write_text("ttl = 32\n")
    assert main(["build", *SMALL, "--policy", str(policy), "--record"]) == USAGE


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "00 " * 31 + "0"])
def test_what_is_no_secret_is_refused_and_not_shown(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    secret = tmp_path / "secret"
    secret.write_text(text)
    assert main(["build", *SMALL, "--secret", str(secret)]) == USAGE
    assert capsys.readouterr().err == f"{secret} does not have 64 hexadecimal digits\n"


def test_builds_with_a_secret_are_not_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    secret = tmp_path / "secret"
    secret.write_text("5a" * 32 + "\n")
    assert main(["build", *SMALL, "--secret", str(secret), "--record"]) == USAGE
    assert "without a secret" in capsys.readouterr().err


def test_drift_from_the_record_is_said_and_ends_the_build(
    built: tuple[Build, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "builds.json"
    path.write_text("{}")
    monkeypatch.setattr(records.read_records, "__defaults__", (path,))
    monkeypatch.setattr(records.write_record, "__defaults__", (path,))
    monkeypatch.setattr(records.drift, "__defaults__", (path,))
    out = ["--out", str(built[1].parent)]
    assert main(["build", *SMALL, *out]) == DRIFT
    assert "icebreaker-control is not recorded" in capsys.readouterr().err
    assert main(["build", *SMALL, *out, "--record"]) == 0
    assert main(["build", *SMALL, *out]) == 0
    kept = json.loads(path.read_text())
    kept["icebreaker-control"]["bitstream"] = "0" * 64
    path.write_text(json.dumps(kept))
    assert main(["build", *SMALL, *out]) == DRIFT
    assert f"bitstream: {'0' * 64} was recorded, {built[0].bitstream} was built" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "device"), [(board.name, device) for board in BOARDS.values() for device in board.devices]
)
def test_every_device_elaborates_on_its_boards_with_every_clock_constrained(name: str, device: str):
    board = BOARDS[name]
    files = prepare(board.platform(), board.family, DEVICES[device](board, Contents(writes=[(0x10, 0)]))).files
    constraints = files.get("top.lpf", files.get("top.pcf", b"")).decode()
    assert constraints.count("FREQUENCY PORT") + constraints.count("set_frequency") == 1 + len(board.ports)
    for port in range(len(board.ports)):
        assert f'FREQUENCY PORT "eth_rgmii_{port}__rx_clk__io" 125000000.0 HZ' in constraints
    if board.pll is not None:
        assert output_hz(board.pll, int(board.platform().default_clk_frequency)) == 125_000_000
    control = device in ("border", "gateway", "nic")
    assert len(expected_clocks(board, device)) == (2 + len(board.ports) + control if board.ports else 1)


def test_every_build_is_recorded_and_the_readme_has_the_table():
    recorded = records.read_records()
    assert [*recorded] == sorted(f"{board.name}-{device}" for board in BOARDS.values() for device in board.devices)
    assert all(clock.met for made in recorded.values() for clock in made.clocks)
    assert records.markdown(recorded.values()) in (ROOT / "README.md").read_text()


def test_every_board_can_be_flashed():
    assert [*TARGETS] == [*BOARDS]


def test_list_shows_every_board(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in BOARDS)
