# SPDX-License-Identifier: Apache-2.0
"""The demo: one page that needs nothing else, and the scrubbed capture beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from custodes import commands, sealed_leg
from custodes.admission import admit_capture
from custodes.capture import Format, Packet
from custodes.leak import SLOT, measure
from custodes.link import DIALECTS, Link
from custodes.macsec import CHANNELS, Sealing
from custodes.model import Sealer
from custodes.page import page
from custodes.report import Report
from custodes.sealed_leg import seal_scrubbed
from custodes.table import RESIDUAL_NOTE, Port
from custodes.terminal import Screen
from custodes.timing_channels import OnOff
from tests.frames import MACS, Arp, Frame, Icmp, Ip4
from tests.host.fake import ADMISSION, HAND, PING, FakeLink, read_capture, run, write_capture
from tests.host.fake_leg import FINDING, leg
from tests.host.fake_processor import KEY_A, KEY_B, KEYS_TOML, FakeProcessor, keys, plain

PONG = Frame(Ip4(Icmp(0), Port.WORLD)).pack()
SEALED = (
    "1 frame sealed for 1 peer by sim:processor: 0 mismatches against the specification; "
    "scapy opens 1 of them to the frames that were scrubbed"
)
Install = Callable[[Link], None]
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
def link(monkeypatch: pytest.MonkeyPatch) -> Callable[[Link], None]:
    """A warden with the policy that the capture of `PING` and `PONG` gives, a processor that can be replaced, and a border
    of which nothing but its report is there."""
    warden = FakeLink(admit_capture([Packet(0, frame, len(frame)) for frame in (PING, PONG)]).policy)

    def install(processor: Link) -> None:
        links = {"sim:warden": warden, "sim:processor": processor}
        monkeypatch.setattr("custodes.device.open_link", lambda name, *_: links[name])

    monkeypatch.setattr(commands, "cross_border", lambda *_: leg())
    monkeypatch.setattr(commands, "measure_all", lambda: [measure(OnOff, SLOT, 100)])
    install(FakeProcessor())
    return install


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
    assert "4 mismatches against the specification" in found
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
    lines = result.stdout.splitlines()
    assert lines[lines.index(SEALED) - 1] == "0 mismatches against the specification"
    assert f"prover    1 mismatch, 0 missing; {FINDING}" in lines
    assert lines[-2:] == [leg().verdict, f"report: {out / 'warden.html'}"]
    assert sorted(path.name for path in out.iterdir()) == [
        "demo.json",
        "mixed-scrubbed.pcapng",
        "mixed-sealed.pcapng",
        "warden.html",
    ]
    scrubbed, sealed = (read_capture(out / f"mixed-{what}.pcapng") for what in ("scrubbed", "sealed"))
    assert len(scrubbed) == 2
    assert [(time, frame[:14], len(frame)) for time, frame in sealed] == [
        (time, frame[:12] + b"\x88\xe5", len(frame) + 32) for time, frame in scrubbed[:1]
    ], "only what leaves for the world is sealed"
    page = Reader((out / "warden.html").read_text())
    assert SEALED in page.text and FINDING in page.text and "on/off, slot" in page.text
    assert all(load.startswith("#") for load in page.loads) and len(page.ids) == len(set(page.ids))


@pytest.mark.usefixtures("link")
def test_json_names_the_page_and_what_was_sealed(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING, PONG])
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path), "--json"])
    found = json.loads(result.stdout)
    assert found["page"] == str(tmp_path / "warden.html")
    assert found["sealed"]["frames"] == {"in": 1, "out": 1, "dropped": 0, "not_captured_whole": 0}
    assert found["sealed"]["scapy"] == {"opened": 1}
    assert found["border"] == json.loads(json.dumps(leg().to_json()))
    assert [leak["within_bound"] for leak in found["leaks"]] == [True]
    assert json.loads((tmp_path / "demo.json").read_text()) == found


def test_every_peer_has_a_key_of_its_own_on_every_run(tmp_path: Path, link: Install) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING, PONG, Frame(Arp(), destination=b"\xff" * 6).pack()])
    seen: list[bytes] = []
    for _ in range(2):
        processor = FakeProcessor()
        link(processor)
        result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path)])
        assert "2 frames sealed for 2 peers" in result.stdout
        seen += processor.keys
    assert len(seen) == len(set(seen)) == 4


def test_peers_that_the_device_has_no_channel_for_are_counted(tmp_path: Path, link: Install) -> None:
    frames = [plain(60, bytes((2, 0, 0, 0, 1, number)), MACS[Port.CLUSTER]) for number in range(CHANNELS + 1)]
    scrubbed = write_capture(tmp_path / "scrubbed.pcap", [*frames, *frames])
    leg = seal_scrubbed(scrubbed, tmp_path / "sealed.pcap", ADMISSION, 1, Screen(-1))
    assert (leg.report.frames_out, leg.opened, leg.agrees) == (2 * CHANNELS, 2 * CHANNELS, True)
    assert leg.report.drops == {Sealing.OUT_PKTS_NO_PEER: 2}
    assert "OutPktsNoPeer2" in Reader(page(Report("in", "out", "fake", 1, True, ADMISSION), leg)).text


def test_a_processor_that_differs_is_exit_6(tmp_path: Path, link: Install) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING, PONG])
    link(FakeProcessor(lambda outcome: outcome._replace(frame=bytes(92))))
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path)])
    wrong = "1 frame sealed for 1 peer by sim:processor: 1 mismatch against the specification"
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (6, f"custodes: {wrong}")
    assert result.stdout.splitlines()[-2] == wrong
    text = Reader((tmp_path / "warden.html").read_text()).text
    assert wrong in text and "frame 1 from accelerator: differs from byte 0 on" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a-scrubbed.pcap",
        "a.pcap",
        "demo.json",
        "warden.html",
    ]


@pytest.mark.usefixtures("link")
def test_a_border_that_watchers_do_not_agree_with_is_exit_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = leg(honest=(True, False))
    monkeypatch.setattr(commands, "cross_border", lambda *_: wrong)
    source = write_capture(tmp_path / "a.pcap", [PING, PONG])
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path)])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (6, f"custodes: {wrong.verdict}")
    assert "The watchers do not agree with the device" in Reader((tmp_path / "warden.html").read_text()).text


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("back", [None, PONG], ids=["nothing", "another"])
def test_frames_that_scapy_does_not_get_back_are_exit_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bytes | None
) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING, PONG])
    monkeypatch.setattr(sealed_leg, "_opened_by_scapy", lambda sealed, keys: [back] * len(sealed))
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(tmp_path)])
    assert result.exit_code == 6
    assert "scapy opens 0 of them to the frames that were scrubbed" in result.stderr


def test_scapy_does_not_open_what_another_key_sealed() -> None:
    wire = Sealer.of(keys()).seal(plain()).frame or b""
    others = keys(KEYS_TOML.replace(KEY_A.hex(), KEY_B.hex()))
    assert list(sealed_leg._opened_by_scapy([wire], keys())) == [plain()]
    assert list(sealed_leg._opened_by_scapy([wire], others)) == [None]


def test_says_when_scapy_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy", None)
    result = CliRunner().invoke(commands.app, ["demo", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr == (
        "custodes: what is sealed is opened by scapy, which is not installed: pip install 'custodes[demo]'\n"
    )
    assert not (tmp_path / "out").exists()


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
    known = " or ".join(f"sim:{name}" for name in DIALECTS)
    assert result.stderr.splitlines()[-1] == f"custodes: none: no such device; try {known} or serial:PORT"
    assert len(result.stderr.splitlines()) == 2


def test_says_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    source = write_capture(tmp_path / "a.pcap", [PING])
    result = CliRunner().invoke(commands.app, ["demo", "--capture", str(source), "--out", str(source)])
    assert result.exit_code == 3
    assert result.stderr == f"custodes: {source}: cannot be created: File exists\n"
