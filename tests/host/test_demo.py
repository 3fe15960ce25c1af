# SPDX-License-Identifier: Apache-2.0
"""The demo: one page that needs nothing else, and the scrubbed capture beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from custodes import commands
from custodes.admission import admit_capture
from custodes.capture import Format, Packet
from custodes.page import page
from custodes.report import Report
from custodes.table import RESIDUAL_NOTE, Port
from tests.frames import Frame, Icmp, Ip4
from tests.host.fake import ADMISSION, HAND, PING, FakeLink, read_capture, run, write_capture

PONG = Frame(Ip4(Icmp(0), Port.WORLD)).pack()
LOADS = {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "cite", "background"}


class Reader(HTMLParser):
    """Collects what a page loads, its identifiers, its text, and whether its elements close in order."""

    VOID = {"meta", "br", "link", "img", "hr", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self._open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in LOADS]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened under every name: a device with the policy that the capture of `PING` and `PONG` gives."""
    link = FakeLink(admit_capture([Packet(0, frame, len(frame)) for frame in (PING, PONG)]).policy)
    monkeypatch.setattr("custodes.device.open_link", lambda *_: link)


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text = page(run(tmp_path, HAND))
    found = Reader(text)
    assert all(load.startswith("#") for load in found.loads)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(found.tags)
    assert not re.search(r"https?:|@import|url\((?!#)|@font-face", text)
    assert len(text) < 1_000_000


def test_what_the_page_refers_to_is_there_once(tmp_path: Path) -> None:
    found = Reader(page(run(tmp_path, HAND)))
    assert len(found.ids) == len(set(found.ids))
    assert {load[1:] for load in found.loads} <= set(found.ids)


def test_the_page_says_what_the_report_says(tmp_path: Path) -> None:
    report = run(tmp_path, HAND)
    found = Reader(page(report)).text
    assert "0 mismatches against the specification" in found
    assert RESIDUAL_NOTE in found
    for title, _ in report.drop_titles:
        assert title in found
    for entry in report.erased:
        assert (entry.row.title in found) == bool(entry.before or entry.altered), entry.row.key
    assert "TCP initial sequence number" in found


def test_the_page_is_the_same_for_the_same_report(tmp_path: Path) -> None:
    report = run(tmp_path, HAND)
    assert page(report) == page(report)


def test_the_page_shows_mismatches(tmp_path: Path) -> None:
    report = run(tmp_path, HAND, FakeLink(spoil=lambda o: o if o.frame is None else o._replace(frame=bytes(60))))
    found = Reader(page(report)).text
    assert "5 mismatches against the specification" in found
    assert "frame 1 from cluster: differs from byte 0 on" in found


def test_names_cannot_inject_markup() -> None:
    report = Report("<script>$x", "out", "<b>", 1, True, ADMISSION)
    assert "<script>" not in page(report) and "<b>" not in page(report)


@pytest.mark.usefixtures("link")
def test_writes_the_page_and_the_capture(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "mixed.pcapng", [PING, PONG], Format.PCAPNG)
    out = tmp_path / "new" / "folder"
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(out)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == [
        "0 mismatches against the specification",
        f"report: {out / 'warden.html'}",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["mixed-scrubbed.pcapng", "warden.html"]
    assert len(read_capture(out / "mixed-scrubbed.pcapng")) == 2


@pytest.mark.usefixtures("link")
def test_json_names_the_page(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING, PONG])
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path), "--json"])
    assert json.loads(result.stdout)["page"] == str(tmp_path / "warden.html")


def test_says_when_no_capture_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "INSTALLED_CAPTURE", tmp_path / "none.pcap")
    result = CliRunner().invoke(commands.app, ["demo", "--out", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"custodes: no capture is installed at {tmp_path}/none.pcap; give one with --capture FILE\n"


@pytest.mark.usefixtures("link")
def test_the_page_does_not_replace_the_capture(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "warden.html", [PING])
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (3, f"custodes: {source}: needs a file of its own\n")
    assert len(read_capture(source)) == 1


def test_the_environment_of_matplotlib_does_not_matter(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "a.pcap", [])
    nowhere = {"MPLCONFIGDIR": "/proc/none", "MPLBACKEND": "none"}
    command = [
        sys.executable,
        "-m",
        "custodes",
        "demo",
        "--capture",
        source,
        "--out",
        tmp_path / "out",
        "--device",
        "none",
    ]
    result = subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert result.returncode == 5
    assert result.stderr.splitlines()[-1] == "custodes: none: no such device; try sim:warden or sim:processor"
    assert len(result.stderr.splitlines()) == 2


def test_says_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING])
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(source)])
    assert result.exit_code == 3
    assert result.stderr == f"custodes: {source}: cannot be created: File exists\n"
