# SPDX-License-Identifier: Apache-2.0
"""The commands: what goes to stdout and stderr, and every exit code."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.link import Link, Outcome
from custodes.simlink import LANES
from custodes.table import PASSED, RESIDUAL_NOTE, SCRUBBED, Reason
from tests.host.conftest import FRAMES, Files
from tests.host.fake import PING, POLICY_TOML, FakeLink, read_capture, write_capture

ROOT = Path(__file__).parents[2]
DEVICES = ("warden", "scrubber", "border", "processor", "gateway", "nic", "sng")


def custodes(*arguments: object) -> Result:
    return CliRunner().invoke(commands.app, [str(argument) for argument in arguments], prog_name="custodes")


def fails(result: Result, code: int, message: str) -> None:
    """One line on stderr, nothing on stdout."""
    assert (result.exit_code, result.stdout) == (code, "")
    lines = [line for line in result.stderr.splitlines() if not line.startswith("policy: none given")]
    assert len(lines) == 1 and lines[0].startswith("custodes: ") and message in lines[0], result.stderr


@contextmanager
def named_pipe(text: str) -> Iterator[str]:
    """The name of an open descriptor from which this text is read once."""
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    try:
        yield f"/dev/fd/{read}"
    finally:
        os.close(read)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Callable[[Link], Link]:
    """Make the link given be what every device name opens."""

    def install(link: Link) -> Link:
        monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
        return link

    install(FakeLink())
    return install


Install = Callable[[Link], Link]


def test_scrubs_and_reports_on_stdout(files: Files, device: Install) -> None:
    source, output, policy = files
    result = custodes("scrub", source, output, "--policy", policy, "--check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 in, 2 out (1 of them altered), 1 dropped" in result.stdout
    assert Reason.UDP_PORT.title in result.stdout
    assert RESIDUAL_NOTE in result.stdout
    assert result.stdout.splitlines()[-1] == "0 mismatches against the specification"
    assert len(read_capture(output)) == 2


def test_what_a_seed_makes_stays_the_same_and_another_makes_it_different(files: Files, device: Install) -> None:
    source, output, policy = files
    seed = "51" * 32

    def scrubbed(*options: object) -> list[tuple[int, bytes]]:
        device(FakeLink())
        result = custodes("scrub", source, output, "--policy", policy, "--check", *options)
        assert result.exit_code == 0
        named = options[1] if options else "zeros, which everybody knows"
        assert f"4,096 slots; words are made of {named}" in result.stdout
        return read_capture(output)

    with named_pipe(seed) as first, named_pipe(seed) as second:
        own = scrubbed("--seed", first)
        assert own == scrubbed("--seed", second)
    assert scrubbed() == scrubbed() != own


def test_a_bad_seed_is_exit_4(files: Files, device: Install) -> None:
    source, output, policy = files
    fails(custodes("scrub", source, output, "--policy", policy, "--seed", policy), 4, "64 hexadecimal digits")
    assert not output.exists()


def test_a_seed_for_a_device_without_flows_is_exit_2(files: Files, device: Install) -> None:
    source, output, policy = files
    device(FakeLink(flows=0))
    with named_pipe("51" * 32) as seed:
        result = custodes("scrub", source, output, "--policy", policy, "--seed", seed)
    fails(result, 2, "has no flow table: nothing is made of a seed")
    assert not output.exists()
    assert "no flow table: ports" in custodes("scrub", source, output, "--policy", policy).stdout


def test_says_what_it_admitted_when_no_policy_is_given(files: Files, device: Install) -> None:
    source, output, _ = files
    result = custodes("scrub", source, output)
    line = "none given: admitted the 1 station and 1 IP address found in the capture; the first station is the cluster"
    assert result.stderr == f"policy: {line}\n"
    assert line in result.stdout
    assert custodes("scrub", source, output, "--quiet").stderr == ""
    assert "admitted on cluster: 02:00:00:00:00:01 192.0.2.1" in custodes("scrub", source, output, "-v").stderr


def test_json_has_the_documented_keys(files: Files, device: Install) -> None:
    source, output, policy = files
    result = custodes("scrub", source, output, "--policy", policy, "--check", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["input"] == str(source) and found["output"] == str(output)
    assert (found["device"], found["lanes"]) == ("sim:warden", 1)
    assert found["flows"] == {"slots": 4096, "seed": None}
    assert found["policy"] == {
        "source": "file",
        "file": str(policy),
        "stations": 2,
        "ip_addresses": 4,
        "vlans": ["untagged"],
    }
    assert found["frames"] == {"in": 3, "out": 2, "dropped": 1, "altered": 1, "not_captured_whole": 0}
    assert found["bytes"] == {"in": sum(map(len, FRAMES)), "out": 120}
    assert found["drops"] == {"UDP_PORT": 1}
    row = {"key", "title", "action", "frames", "altered", "bits_before", "bits_after"}
    assert [set(entry) for entry in found["fields"]] == [row] * len(SCRUBBED)
    assert [set(entry) for entry in found["residual"]["fields"]] == [row] * len(PASSED)
    assert "timing" in found["residual"]["note"]
    assert found["bits"]["erased"] == found["bits"]["before"] - found["bits"]["after"] > 0
    assert set(found["speed"]) == {"seconds", "frames_per_s", "megabytes_per_s"}
    verdict = "0 mismatches against the specification"
    assert found["check"] == {"done": True, "mismatches": 0, "verdict": verdict, "first": [], "counters": []}


def test_a_device_that_differs_is_exit_6(files: Files, device: Install) -> None:
    source, output, policy = files
    device(FakeLink(spoil=lambda outcome: outcome if outcome.frame is None else outcome._replace(frame=bytes(60))))
    result = custodes("scrub", source, output, "--policy", policy, "--check")
    assert result.exit_code == 6
    assert "frame 1 from cluster: differs from byte 0 on" in result.stdout
    assert result.stderr == f"custodes: 2 mismatches against the specification; {output} is not written\n"
    assert not output.exists()
    result = custodes("scrub", source, output, "--policy", policy, "--check", "--json")
    assert (result.exit_code, json.loads(result.stdout)["check"]["mismatches"]) == (6, 2)


def test_a_device_that_contradicts_its_counters_is_exit_5(files: Files, device: Install) -> None:
    class Stuck(FakeLink):
        def read(self, address: int) -> int:
            return super().read(address) if address < 0x100 else 0

    source, output, policy = files
    device(Stuck())
    result = custodes("scrub", source, output, "--policy", policy)
    assert result.exit_code == 5
    assert "contradicts its own counters: counter 'cluster FORWARDED' rose by 0, not 2" in result.stderr


CUT = struct.pack("<IIII", 1, 0, 60, 60) + bytes(59)
BAD_CAPTURES = {
    "empty": (b"", "the file is empty"),
    "garbage": (os.urandom(4).replace(b"\n", b"x") + bytes(999), "not a pcap or pcapng file"),
    "cut header": (b"\x4d\x3c\xb2\xa1" + bytes(9), "cut short"),
    "wireless": (b"\xd4\xc3\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, 99, 127), "is not Ethernet"),
    "cut record": (b"\xd4\xc3\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, 99, 1) + CUT, "in the middle of record 1"),
}


@pytest.mark.parametrize("name", BAD_CAPTURES)
@pytest.mark.parametrize("with_policy", [True, False])
def test_a_bad_capture_is_exit_3(files: Files, device: Install, name: str, with_policy: bool) -> None:
    source, output, policy = files
    data, message = BAD_CAPTURES[name]
    source.write_bytes(data)
    options = ("--policy", policy) if with_policy else ()
    fails(custodes("scrub", source, output, *options), 3, message)
    assert not output.exists()


def test_a_bad_input_or_output_name_is_exit_3(files: Files, device: Install) -> None:
    source, output, policy = files
    folder = source.parent
    options = ("--policy", policy)
    fails(custodes("scrub", folder / "none.pcap", output, *options), 3, "No such file or directory")
    fails(custodes("scrub", folder, output, *options), 3, "is a directory")
    fails(custodes("scrub", source, folder, *options), 3, "is not a regular file")
    fails(custodes("scrub", source, folder / "none" / "out.pcap", *options), 3, "No such file or directory")
    fails(custodes("scrub", source, source, *options), 3, "is the input")
    fails(custodes("scrub", source, "/dev/full", *options), 3, "is not a regular file")
    fails(custodes("scrub", source, "-", *options), 3, "cannot write to standard output")
    fails(custodes("scrub", source, folder / ("x" * 300), *options), 3, "File name too long")
    assert len(read_capture(source)) == 3


def test_an_output_does_not_overwrite_another_file_of_the_command(files: Files, device: Install) -> None:
    source, output, policy = files
    for waveform in (source, output, policy):
        result = custodes("scrub", source, output, "--policy", policy, "--waveform", waveform)
        fails(result, 3, "needs a file of its own")
    fails(custodes("scrub", source, policy, "--policy", policy), 3, "needs a file of its own")
    assert len(read_capture(source)) == 3
    assert policy.read_text() == POLICY_TOML


def test_a_bad_policy_is_exit_4(files: Files, device: Install) -> None:
    source, output, policy = files
    fails(custodes("scrub", source, output, "--policy", policy.parent / "none"), 4, "No such file or directory")
    policy.write_text("ttl = 0")
    fails(custodes("scrub", source, output, "--policy", policy), 4, "ttl")
    policy.write_text("= =")
    fails(custodes("scrub", source, output, "--policy", policy), 4, "not TOML")


def test_a_device_that_is_not_there_is_exit_5(files: Files) -> None:
    source, output, _ = files
    fails(custodes("scrub", source, output, "--device", "serial:none"), 5, "no such device")
    fails(custodes("info", "--device", "sim:none"), 5, "sim:none")


@pytest.mark.parametrize("arguments", [("scrub",), ("scrub", "a"), ("scrub", "a", "b", "--lanes", "3"), ("fly",)])
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...]) -> None:
    result = custodes(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr or "Error " in result.stderr


def test_jumbo_frames_are_drops_and_no_error(files: Files, device: Install) -> None:
    source, output, policy = files
    write_capture(source, [bytes(9018), PING])
    result = custodes("scrub", source, output, "--policy", policy, "--json", "--check")
    assert (result.exit_code, json.loads(result.stdout)["drops"]) == (0, {"OVERSIZE": 1})


def test_an_internal_error_is_one_line_and_exit_1(files: Files, device: Install) -> None:
    def fail(outcome: Outcome) -> Outcome:
        raise ZeroDivisionError("by\nnothing")

    source, output, policy = files
    device(FakeLink(spoil=fail))
    fails(custodes("scrub", source, output, "--policy", policy), 1, "internal error: ZeroDivisionError: by nothing")
    assert "Traceback" in custodes("scrub", source, output, "--policy", policy, "-v").stderr
    assert not output.exists()


def test_help_documents_the_exit_codes() -> None:
    own = ("scrub", "seal", "open", "demo", "list", "info", "provision", "key", "status", "counters", "selftest", "log")
    for command in ((), *((name,) for name in own), ("reg",), ("reg", "read"), ("reg", "write"), ("reg", "list")):
        result = custodes(*command, "--help")
        assert result.exit_code == 0
        assert (
            "\n  6    the device disagrees with the specification, or a self-test of it fails\n"
            in result.stdout.replace("\n    ", "\n  ")
        )


def test_list_shows_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "built_lanes", lambda which: [1, 8])
    found = [{"name": f"sim:{which}", "lanes": [1, 8]} for which in DEVICES]
    assert json.loads(custodes("list", "--json").stdout) == {"devices": found}
    assert custodes("list").stdout == "".join(f"sim:{which}  lanes 1, 8\n" for which in DEVICES)
    monkeypatch.setattr(commands, "built_lanes", lambda which: [])
    result = custodes("list")
    assert (result.exit_code, result.stdout) == (0, "") and "make sim" in result.stderr


def test_info_shows_device_policy_and_table(device: Install) -> None:
    found = json.loads(custodes("info", "--json").stdout)
    assert found["device"] == {"name": "sim:warden", "identity": "0x43555354", "lanes": 1}
    assert found["policy_defaults"]["ttl"] == 64
    assert [row["key"] for row in found["table"]] == [row.key for row in (*SCRUBBED, *PASSED)]
    actions = {row["key"]: row["action"] for row in found["table"]}
    assert (actions["tcp_isn"], actions["nd_flags"]) == ("translate", "passes")
    assert found["policy_defaults"]["flow_slots"] == 4096
    text = custodes("info").stdout
    assert "identity 0x43555354" in text and "TCP initial sequence number" in text


def test_info_says_what_passes_without_a_flow_table(device: Install) -> None:
    device(FakeLink(flows=0))
    found = json.loads(custodes("info", "--json").stdout)
    assert found["policy_defaults"]["flow_slots"] == 0
    passing = {row["key"]: row["after"] for row in found["table"] if row["action"] == "passes"}
    assert passing == {row.key: row.bits for row in (*SCRUBBED, *PASSED) if row.stateful or row in PASSED}


@pytest.mark.parametrize("lanes", LANES)
def test_the_simulated_warden_agrees_with_the_specification_on_recorded_traffic(tmp_path: Path, lanes: int) -> None:
    source, output = ROOT / "tests" / "captures" / "small.pcapng", tmp_path / "out.pcapng"
    result = custodes("scrub", source, output, "--check", "--lanes", lanes, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["check"]["verdict"] == "0 mismatches against the specification"
    assert found["frames"]["out"] == len(read_capture(output)) > 100
    assert found["bits"]["erased"] > found["bits"]["after"]
    times = iter([time for time, _ in read_capture(source)])
    assert all(time in times for time, _ in read_capture(output)), "order and times are the input's"
