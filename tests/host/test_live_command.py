# SPDX-License-Identifier: Apache-2.0
"""`custodes live` as a command: what it prints, how it ends, and what it says where it cannot begin."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.host.live_run import WAIT_S, arguments, bridged, ping
from tests.host.program import python
from tests.host.test_provision_commands import custodes, fails
from tests.host.wires import Cables, cables, merging, missing

__all__ = ["cables"]
needs_cables = pytest.mark.skipif(bool(missing()), reason=missing() or "")
DEVICE = "specification"
LINE = (
    r"\d+\.\ds  cluster \d+ in, \d+ out, \d+ dropped; world \d+ in, \d+ out, \d+ dropped; flows \d+; delay \d+\.\d ms"
)

SHOW_CURSOR = b"\x1b[?25h"
NET_ADMIN, NET_RAW = 12, 13
WITHOUT = """
import ctypes
libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert not libc.capget(header, sets)
sets[0] &= ~(1 << {0})
sets[1] &= ~(1 << {0})
assert not libc.capset(header, sets)
"""
"""Gives a capability up (capabilities(7))."""


def ends(cables: Cables, directory: Path, *options: str, first: str = "") -> tuple[int, str]:
    """The command with these options besides, or in place of, the usual ones, after other code: its exit code and what it
    says on stderr."""
    code, words = arguments(cables, directory, DEVICE)
    with cables.between.inside():
        program = python(first + code, *words, *options, stdout=subprocess.PIPE)
    output, errors = program.communicate(timeout=WAIT_S)
    assert output == ""
    return program.returncode, errors


@needs_cables
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_and_it_says_what_passed(cables: Cables, tmp_path: Path, number: signal.Signals) -> None:
    with bridged(cables, tmp_path, DEVICE) as live:
        assert ping(cables.client, cables.ip4(cables.SERVER), 1)
        code, output, errors = live.end(number)
    assert code == 130 and re.fullmatch(r"custodes: stopped after \d+\.\d s\n", errors)
    assert "device" in output and re.search(r"from cluster +\d+ frames in at inner", output)
    assert re.search(r"from world +\d+ frames in at outer", output)


@needs_cables
def test_it_ends_by_itself_when_told_so(cables: Cables, tmp_path: Path) -> None:
    began = time.monotonic()
    with bridged(cables, tmp_path, DEVICE, "--seconds", "0.5", "--json") as live:
        code, output, errors = live.end(None)
    assert code == 0 and errors == "" and time.monotonic() - began > 0.5
    told = json.loads(output)
    assert 0.5 <= told["seconds"] < 5
    assert told["device"] == "sim:warden" and told["lanes"] == 1
    assert told["cluster"]["interface"] == "inner" and told["world"]["interface"] == "outer"
    assert set(told["cluster"]) == set(told["world"]) >= {"frames_in", "frames_out", "dropped", "lost", "cut"}


@needs_cables
def test_a_line_in_every_interval(cables: Cables, tmp_path: Path) -> None:
    with bridged(cables, tmp_path, DEVICE, "--seconds", "1.1", "--interval", "0.2") as live:
        assert ping(cables.client, cables.ip4(cables.SERVER), 1)
        _, output, _ = live.end(None)
    lines = [line for line in output.splitlines() if re.fullmatch(LINE, line)]
    assert 3 <= len(lines) <= 7
    assert re.search(r"cluster [1-9]\d* in, [1-9]\d* out, ", lines[-1])
    assert output.splitlines()[0] == lines[0] and not re.fullmatch(LINE, output.splitlines()[-1])


@needs_cables
def test_a_terminal_shows_it_in_place(cables: Cables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen, slave = pty.openpty()
    with bridged(cables, tmp_path, DEVICE, "--interval", "0.1", stdout=slave) as live:
        shown = b""
        while shown.count(b"from cluster") < 3:
            assert select.select([screen], [], [], WAIT_S)[0]
            shown += os.read(screen, 1 << 16)
        code, _, _ = live.end()
    while select.select([screen], [], [], 0)[0]:
        shown += os.read(screen, 1 << 16)
    os.close(slave)
    os.close(screen)
    assert code == 130 and b"\x1b[" in shown
    assert shown.endswith(SHOW_CURSOR), "what was shown last stays, and is not printed again"


@needs_cables
def test_stations_that_the_policy_does_not_name_are_dropped(cables: Cables, tmp_path: Path) -> None:
    cables.client.ip("address add 192.0.2.7/24 dev lan0")
    cables.client.ip(f"route add {cables.ip4(2)} dev lan0 src 192.0.2.7")
    with bridged(cables, tmp_path, DEVICE, "--json") as live:
        assert not ping(cables.client, cables.ip4(cables.SERVER), 1, timeout=0.5)
        cables.client.ip(f"route del {cables.ip4(2)}")
        assert ping(cables.client, cables.ip4(cables.SERVER), 2)
        told = live.report()
    assert told["cluster"]["dropped"]["ADDRESS_SOURCE"] >= 1
    assert sum(told["cluster"]["dropped"].values()) + told["cluster"]["frames_out"] == told["cluster"]["frames_in"]


@needs_cables
@pytest.mark.parametrize("words", ["set outer down", "del outer"])
def test_an_interface_that_goes_ends_it(cables: Cables, tmp_path: Path, words: str) -> None:
    with bridged(cables, tmp_path, DEVICE, "--json") as live:
        cables.between.ip("link", words)
        code, _, errors = live.end(None)
    what = "has gone down" if "down" in words else "is gone"
    assert code == 3 and errors == f"custodes: outer: the interface {what}\n"


@needs_cables
def test_what_keeps_it_from_beginning_is_one_line(cables: Cables, tmp_path: Path) -> None:
    code, said = ends(cables, tmp_path, "--world", "lan7")
    assert code == 2 and said.endswith("custodes: lan7: no such interface; there are inner, outer\n")
    cables.between.ip("link set outer down")
    code, said = ends(cables, tmp_path)
    assert (code, said) == (3, "custodes: outer: is down; bring it up with `ip link set outer up`\n")


@needs_cables
def test_without_permission(cables: Cables, tmp_path: Path) -> None:
    said = ends(cables, tmp_path, first=WITHOUT.format(NET_RAW))
    assert said == (3, "custodes: inner: only root, or who has CAP_NET_RAW, may bridge interfaces\n")


@needs_cables
def test_what_may_not_be_changed_is_pointed_out(cables: Cables, tmp_path: Path) -> None:
    merging(cables.between, "inner", True)
    code, words = arguments(cables, tmp_path, DEVICE)
    with cables.between.inside():
        program = python(WITHOUT.format(NET_ADMIN) + code, *words, "--seconds", "0.1", "--json", stdout=subprocess.PIPE)
    _, errors = program.communicate(timeout=WAIT_S)
    assert program.returncode == 0
    assert "inner: generic receive offload stays on (Operation not permitted): what it merges is cut again\n" in errors


@needs_cables
def test_what_it_changed_is_as_before_also_where_it_could_not_begin(cables: Cables, tmp_path: Path) -> None:
    def settings() -> list[str]:
        with cables.between.inside():
            paths = [f"ipv4/conf/{name}/forwarding" for name in ("inner", "outer")]
            return [Path("/proc/sys/net", path).read_text() for path in paths]

    cables.between.set("ipv4/ip_forward", 1)
    before = settings()
    with bridged(cables, tmp_path, DEVICE, "--json") as live:
        assert settings() == ["0\n", "0\n"] != before
        live.report()
    assert settings() == before
    cables.between.ip("link set outer down")
    assert ends(cables, tmp_path)[0] == 3
    assert settings() == before


def test_wrong_usage(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("")
    both = custodes("live", "--cluster", "lo", "--world", "lo", "--policy", policy)
    fails(both, 2, "lo: both sides are the same interface")
    none = custodes("live", "--cluster", "a", "--world", "b", "--policy", tmp_path / "none.toml")
    fails(none, 4, "none.toml: No such file or directory")
    without = custodes("live", "--cluster", "a", "--world", "b")
    assert without.exit_code == 2 and "--policy" in without.stderr, "nobody is admitted without a policy"
