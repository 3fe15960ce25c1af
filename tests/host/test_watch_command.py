# SPDX-License-Identifier: Apache-2.0
"""`custodes watch`: directories and manifests, verdicts and exit codes, what is kept, workers, and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from custodes.capture import CaptureWriter, Format
from custodes.model import Warden
from custodes.model.entropy import Words, commitment, seed
from custodes.records import record_line
from custodes.table import Port
from custodes.watch import Limits, Seen
from custodes.watch_inputs import Files
from custodes.watch_manifest import TAPS, find_epochs
from custodes.watch_run import State, run
from tests.host.fake import POLICY, POLICY_TOML
from tests.host.model.passage import W
from tests.host.test_provision_commands import custodes, fails
from tests.host.watch_traces import NUMBER, SLOTS, Trace
from tests.host.watch_traces import run as traced

SHARES = (bytes(range(32)), bytes(range(32, 64)))
SALTS = (bytes(32), bytes([7] * 32))
LIMITS = ("--uncertainty", 200, "--delay", 8000, "--beat", 25_000)
SCHEDULE_TOML = f"""
slot_cycles = {SLOTS.slot_cycles}
frames = 64
"""


def opened(used: tuple[int, int], number: int = NUMBER) -> dict[str, object]:
    """As the coin's transcript shows it."""
    return {
        "epoch": number,
        "seed": seed(number, *SHARES).hex(),
        "commitments": [commitment(i, number, SHARES[i], SALTS[i]).hex() for i in range(2)],
        "shares": [share.hex() for share in SHARES],
        "salts": [salt.hex() for salt in SALTS],
        "limit": 1000,
        "used": list(used),
    }


def write_tap(path: Path, frames: list[Seen]) -> Path:
    with path.open("wb") as file:
        writer = CaptureWriter(file, Format.of_name(path, Format.PCAP))
        for seen in frames:
            writer.write(seen.time_ns, seen.frame)
    return path


def write_epoch(folder: Path, trace: Trace, number: int = NUMBER) -> Path:
    """A directory with all that a watcher may have."""
    folder.mkdir(exist_ok=True)
    streams = [trace.sent[Port.CLUSTER], trace.left[Port.CLUSTER], trace.sent[W], trace.left[W]]
    for name, frames in zip(TAPS, streams, strict=True):
        write_tap(folder / f"{name}.pcap", frames)
    used = trace.used[-1][1:]
    (folder / "opened.json").write_text(json.dumps(opened((used[0], used[1]), number)))
    (folder / "records.jsonl").write_text("".join(f"{record_line(record)}\n" for record in trace.records))
    (folder / "policy.toml").write_text(POLICY_TOML)
    return folder


def honest(number: int = NUMBER, scheduled: bool = False, traffic: int = 1) -> Trace:
    made = traced(lambda: Warden(POLICY, Words(seed(number, *SHARES))), SLOTS if scheduled else None, seed=traffic)
    return made.record(epoch=number)


@pytest.fixture(scope="module")
def trace() -> Trace:
    return honest()


def test_an_epoch_agrees(tmp_path: Path, trace: Trace):
    result = custodes("watch", write_epoch(tmp_path, trace), *LIMITS)
    assert result.exit_code == 0, result.output
    frames = sum(map(len, trace.left.values()))
    last = result.stdout.splitlines()[-1]
    assert last == f"{frames} frames and {len(trace.records)} records agree, nothing is missing"


def test_a_schedule_is_checked(tmp_path: Path):
    folder = write_epoch(tmp_path, honest(scheduled=True))
    assert custodes("watch", folder, *LIMITS).exit_code == 6
    (folder / "schedule.toml").write_text(SCHEDULE_TOML)
    result = custodes("watch", folder, *LIMITS, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["epochs"][0]["retimed"]["dummy"] > 10


def test_json_and_text_tell_what_does_not_agree(tmp_path: Path, trace: Trace):
    wrong = trace.copy()
    del wrong.left[W][3]
    folder = write_epoch(tmp_path, wrong.record())
    result = custodes("watch", folder, *LIMITS, "--json")
    assert result.exit_code == 6
    found = json.loads(result.stdout)
    assert (found["agrees"], found["verdict"]) == (False, "0 mismatches, 1 missing")
    (epoch,) = found["epochs"]
    assert epoch["epoch"] == NUMBER
    assert epoch["frames"] == {"agrees": sum(map(len, wrong.left.values())), "missing": 1, "mismatch": 0}
    assert epoch["first"][0].startswith("missing: to world, what becomes of frame ")
    text = custodes("watch", folder, *LIMITS)
    assert epoch["first"][0] in text.stdout.splitlines()
    assert text.stderr == "custodes: 0 mismatches, 1 missing\n"


def test_a_seed_may_stand_in_for_shares(tmp_path: Path, trace: Trace):
    folder = write_epoch(tmp_path, trace)
    (folder / "opened.json").unlink()
    right = ("--seed", seed(NUMBER, *SHARES).hex(), "--epoch", NUMBER)
    assert custodes("watch", folder, *LIMITS, *right).exit_code == 0
    assert custodes("watch", folder, *LIMITS, "--seed", bytes(32).hex(), "--epoch", NUMBER).exit_code == 6
    assert custodes("watch", folder, *LIMITS).exit_code == 6
    fails(custodes("watch", folder, "--seed", "abcd"), 2, "--seed: a seed has 64 hexadecimal digits")


def test_a_manifest_names_the_files_of_every_epoch(tmp_path: Path, trace: Trace):
    write_epoch(tmp_path / "one", trace)
    write_epoch(tmp_path / "two", honest(NUMBER + 1, traffic=2), NUMBER + 1)
    lines = ['policy = "one/policy.toml"']
    for name in ("one", "two"):
        lines += ["[[epoch]]", *(f'{tap.replace("-", "_")} = ["{name}/{tap}.pcap"]' for tap in TAPS)]
        lines += [f'shares = "{name}/opened.json"', f'records = "{name}/records.jsonl"']
    (tmp_path / "all.toml").write_text("\n".join(lines))
    result = custodes("watch", tmp_path / "all.toml", *LIMITS, "--json")
    assert result.exit_code == 0, result.output
    assert [epoch["epoch"] for epoch in json.loads(result.stdout)["epochs"]] == [NUMBER, NUMBER + 1]
    both = custodes("watch", tmp_path / "one", tmp_path / "two", *LIMITS, "--json")
    assert json.loads(both.stdout)["epochs"] == json.loads(result.stdout)["epochs"]


def test_captures_of_a_tap_may_be_several(tmp_path: Path, trace: Trace):
    folder = write_epoch(tmp_path, trace)
    first = write_tap(tmp_path / "a.pcapng", trace.left[W][:7])
    second = write_tap(tmp_path / "b.pcap", trace.left[W][7:])
    (common,) = find_epochs([folder], files())
    assert run([common], State(None)).good
    for order, good in (((first, second), True), ((first,), False)):
        assert run([replaced(common, order)], State(None)).good is good


def files() -> Files:
    return Files(Path(), (), (), (), (), limits=Limits(200, 8000), beat_ns=200_000)


def replaced(epoch: Files, world_received: tuple[Path, ...]) -> Files:
    return replace(epoch, world_received=world_received)


class Page(HTMLParser):
    """The text of a page, whose elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_tells_the_verdict(tmp_path: Path, trace: Trace):
    wrong = trace.copy()
    wrong.left[W][3] = wrong.left[W][3]._replace(frame=bytes(64))
    for made, verdict in ((trace, "nothing is missing"), (wrong.record(), "1 mismatch, 0 missing")):
        custodes("watch", write_epoch(tmp_path / "epoch", made), *LIMITS, "--html", tmp_path / "watch.html")
        text = (tmp_path / "watch.html").read_text()
        page = Page()
        page.feed(text)
        assert not page.open and verdict in page.text
        assert "http" not in text and "<script" not in text
    assert "frame 4 differs from byte 0 on" in page.text


def test_what_was_found_is_kept_and_taken_again(tmp_path: Path, trace: Trace, monkeypatch: pytest.MonkeyPatch):
    folder, state = write_epoch(tmp_path / "epoch", trace), tmp_path / "state"
    first = json.loads(custodes("watch", folder, *LIMITS, "--state", state, "--json").stdout)
    assert first["speed"]["epochs_resumed"] == 0 and len([*state.iterdir()]) == 1

    def never(files: Files) -> dict[str, object]:
        raise AssertionError(f"{files} is checked again")

    with monkeypatch.context() as patched:
        patched.setattr("custodes.watch_run.check_files", never)
        again = json.loads(custodes("watch", folder, *LIMITS, "--state", state, "--json").stdout)
    assert again["speed"]["epochs_resumed"] == 1 and again["epochs"] == first["epochs"]
    wrong = trace.copy()
    del wrong.left[W][3]
    write_epoch(folder, wrong)
    assert custodes("watch", folder, *LIMITS, "--state", state).exit_code == 6


def test_an_audit_that_fails_keeps_what_it_has_finished(tmp_path: Path, trace: Trace):
    good = write_epoch(tmp_path / "good", trace)
    bad = write_epoch(tmp_path / "bad", trace)
    whole = (bad / "world-sent.pcap").read_bytes()
    (bad / "world-sent.pcap").write_bytes(whole[:-5])
    state = tmp_path / "state"
    fails(custodes("watch", good, bad, *LIMITS, "--state", state), 3, "world-sent.pcap")
    assert len([*state.iterdir()]) == 1
    (bad / "world-sent.pcap").write_bytes(whole)
    result = json.loads(custodes("watch", good, bad, *LIMITS, "--state", state, "--json").stdout)
    assert result["agrees"] and result["speed"]["epochs_resumed"] == 1


def test_bad_input_is_one_line(tmp_path: Path, trace: Trace):
    folder = write_epoch(tmp_path / "epoch", trace)
    fails(custodes("watch", tmp_path / "nothing"), 3, "No such file")
    fails(custodes("watch", folder, "--workers", 1, "--scheduler", "tcp://127.0.0.1:1"), 2, "a scheduler has its own")
    fails(custodes("watch", folder, "--flows", 100), 2, "--flows: a power of two")
    fails(custodes("watch", folder, "--html", folder / "policy.toml"), 3, "needs a file of its own")
    (tmp_path / "manifest.toml").write_text("[[epoch]]\nworld_sent = ['x']")
    fails(custodes("watch", tmp_path / "manifest.toml"), 3, "epoch.0.cluster_sent: is missing")
    (tmp_path / "manifest.toml").write_text("=")
    fails(custodes("watch", tmp_path / "manifest.toml"), 3, "is neither a directory nor a manifest")
    shares = json.loads((folder / "opened.json").read_text())
    for change, message in (
        ({"salts": [bytes(32).hex()] * 2}, "the verifier's share is not what it committed to"),
        ({"seed": bytes(32).hex()}, "the seed is not that of the shares"),
        ({"used": [1]}, "holds no opened shares"),
        ({"shares": ["x", "y"]}, "opened.json: "),
    ):
        (folder / "opened.json").write_text(json.dumps(shares | change))
        fails(custodes("watch", folder), 3, message)
    (folder / "opened.json").write_text("[]")
    fails(custodes("watch", folder), 3, "holds no opened shares of an epoch")
    (folder / "opened.json").unlink()
    (folder / "schedule.toml").write_text("slot_cycles = 3")
    fails(custodes("watch", folder), 4, "cannot keep this schedule")
    (folder / "schedule.toml").write_text('dummy = "00"')
    fails(custodes("watch", folder), 4, "is not two MAC addresses")
    (folder / "schedule.toml").unlink()
    write_tap(folder / "world-sent.pcap", trace.sent[W][::-1])
    fails(custodes("watch", folder), 3, "ns before the frame before it")
    (folder / "world-sent.pcap").unlink()
    fails(custodes("watch", folder), 3, "holds no world-sent.pcap or .pcapng")
    write_epoch(folder, trace)
    (folder / "policy.toml").unlink()
    fails(custodes("watch", folder), 2, "there is no policy")
