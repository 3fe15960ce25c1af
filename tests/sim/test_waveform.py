# SPDX-License-Identifier: Apache-2.0
"""Waveforms of the simulated device: whole, readable, and the truth about the frames."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.errors import CaptureError
from custodes.link import Ingress
from custodes.simlink import SimLink
from custodes.table import Port
from tests.frames import Frame, Icmp, Ip4, Udp
from tests.host.fake import POLICY_TOML, read_capture, write_capture

FRAMES = [
    Ingress(Port.CLUSTER, Frame(Ip4(Udp(b"payload"))).pack()),
    Ingress(Port.CLUSTER, Frame(Ip4(Icmp(), identification=0xBEEF)).pack()),
]
TOP = "TOP.device"
EGRESS = {name: f"{TOP}.o_world_{name}" for name in ("payload_data", "payload_last", "valid", "ready")}


class Waveform:
    """The declarations of a VCD file: ``codes`` by the full name of a signal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.codes: dict[str, str] = {}
        scopes: list[str] = []
        with path.open() as file:
            for line in file:
                match line.split():
                    case ["$scope", _, name, "$end"]:
                        scopes.append(name)
                    case ["$upscope", "$end"]:
                        scopes.pop()
                    case ["$var", _, _, code, name, *_]:
                        self.codes[".".join((*scopes, name))] = code
                    case ["$enddefinitions", "$end"]:
                        return
                    case _:
                        pass
        raise AssertionError("the declarations do not end")

    def cycles(self, names: Iterable[str]) -> Iterator[dict[str, int]]:
        """The values of these signals as the clock rises, cycle by cycle."""
        wanted = {self.codes[name]: name for name in (f"{TOP}.clk", *names)}
        values, before = dict.fromkeys(wanted.values(), 0), dict[str, int]()
        with self._path.open() as file:
            for line in file:
                if line.startswith("#"):
                    if values[f"{TOP}.clk"] and not before[f"{TOP}.clk"]:
                        yield before
                    before = values.copy()
                elif line[0] in "01b":
                    value, code = line[1:].split() if line[0] == "b" else (line[0], line[1:].strip())
                    if code in wanted:
                        values[wanted[code]] = int(value, 2)
        if values[f"{TOP}.clk"]:
            yield before


def scrub(source: Path, output: Path, waveform: Path, *options: str) -> Result:
    arguments = ["scrub", str(source), str(output), "--quiet", "--waveform", str(waveform), *options]
    return CliRunner().invoke(commands.app, arguments)


def test_shows_every_cycle_and_takes_as_many_as_without(tmp_path: Path):
    with SimLink("warden") as plain, SimLink("warden", waveform=tmp_path / "run.vcd") as link:
        assert link.exchange(FRAMES) == plain.exchange(FRAMES)
        cycles = link.cycles
        assert cycles == plain.cycles
    assert sum(1 for _ in Waveform(tmp_path / "run.vcd").cycles([])) == cycles


def test_the_frame_that_leaves_can_be_read_from_it(tmp_path: Path):
    source = write_capture(tmp_path / "in.pcap", [frame.frame for frame in FRAMES])
    output, path, policy = tmp_path / "out.pcap", tmp_path / "run.vcd", tmp_path / "policy.toml"
    policy.write_text(POLICY_TOML)
    assert scrub(source, output, path, "--policy", str(policy)).exit_code == 0
    first = bytearray()
    for cycle in Waveform(path).cycles(EGRESS.values()):
        data, last, valid, ready = (cycle[name] for name in EGRESS.values())
        if valid and ready:
            first.append(data)
            if last:
                break
    assert bytes(first) == read_capture(output)[0][1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.pcap", "out.pcap", "policy.toml", "run.vcd"]


def test_units_are_scopes_and_fields_have_names(tmp_path: Path):
    with SimLink("warden", waveform=tmp_path / "run.vcd"):
        pass
    names = Waveform(tmp_path / "run.vcd").codes
    for direction in ("cluster", "world"):
        scope = f"{TOP}.device.warden.{direction}"
        assert {f"{scope}.i__payload.data", f"{scope}.i__valid", f"{scope}.rewriter.i__valid"} <= names.keys()
        assert any(name.startswith(f"{scope}.verdict.i.") for name in names)


def test_says_that_no_device_with_waveforms_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = write_capture(tmp_path / "in.pcap", [])
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    result = scrub(source, tmp_path / "out.pcap", tmp_path / "run.vcd", "--lanes", "8")
    message = "custodes: sim:warden, lanes 8: not built with waveforms; run `make sim TRACE=1 LANES=8`\n"
    assert (result.exit_code, result.stdout, result.stderr) == (5, "", message)
    assert [file.name for file in tmp_path.iterdir()] == ["in.pcap"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "is not a regular file"),
        ("/dev/full", "is not a regular file"),
        ("none/run.vcd", "cannot be written: No such file or directory"),
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
def test_says_that_it_cannot_be_written(tmp_path: Path, name: str, reason: str):
    source = write_capture(tmp_path / "in.pcap", [])
    result = scrub(source, tmp_path / "out.pcap", tmp_path / name)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"custodes: {tmp_path / name}: {reason}\n"
    assert [file.name for file in tmp_path.iterdir()] == ["in.pcap"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, at_once: bool):
    source = write_capture(tmp_path / "in.pcap", [frame.frame for frame in FRAMES])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096 if at_once else 1 << 21, limits[1]))
    try:
        result = scrub(source, tmp_path / "out.pcap", tmp_path / "run.vcd")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "custodes: the waveform cannot be written: File too large\n"
    assert [file.name for file in tmp_path.iterdir()] == ["in.pcap"]


def test_closing_says_that_the_end_is_lost(tmp_path: Path):
    link = SimLink("warden", waveform=tmp_path / "run.vcd")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(CaptureError, match="the waveform cannot be written: File too large"):
            link.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
