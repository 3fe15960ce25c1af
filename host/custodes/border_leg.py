# SPDX-License-Identifier: Apache-2.0
"""The third leg of the demo: a capture through a border that has words of a coin flip, and two watchers who check it.

It passes twice. The first time the device is honest, and both watchers must find that everything agrees. The second time one
bit of one field of one frame is another: the device makes its records of what it does, and both watchers must find it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custodes.admission import Admission
from custodes.border import open_border
from custodes.border_parties import Parties
from custodes.border_registers import STORE_BYTES
from custodes.border_traffic import BEAT_CYCLES, Sabotage, Taps, Traffic
from custodes.capture import Capture
from custodes.coin import Speaker
from custodes.coin_transcript import PARTIES, Opened
from custodes.errors import CaptureError, DeviceError, MismatchError
from custodes.ethernet import TAG_ETHERTYPE
from custodes.output import output_file
from custodes.policy_text import policy_text
from custodes.retimer import Schedule
from custodes.simlink import lanes_of
from custodes.table import Port
from custodes.terminal import Screen, shown
from custodes.watch_manifest import POLICY, SCHEDULE, SHARES
from custodes.watch_schedule import DATAPATH_HZ

DEVICE = "sim:border"
AGREES, DISAGREES = 0, 6
"""Exit codes of a watcher who has found out."""
WATCHED_BIT = 1
"""Of the TTL, which the second run has otherwise."""
PAGE = "watch.html"
LIMITS = ("--beat", str(BEAT_CYCLES), "--uncertainty", "100", "--delay", "100000")
"""What a watcher knows of taps and device: when records are made, by how many nanoseconds times are wrong, and how many the
device may take for a frame."""


@dataclass(frozen=True)
class Watcher:
    """A party's `custodes watch` of an epoch, in a process of its own.

    Attributes:
        command: to repeat it.
        found: what it prints with ``--json``.
    """

    party: Speaker
    command: str
    found: dict[str, Any]

    @property
    def agrees(self) -> bool:
        return self.found["agrees"]

    @property
    def verdict(self) -> str:
        return self.found["verdict"]

    @property
    def first(self) -> str | None:
        """The first finding, if there is any."""
        return next((text for epoch in self.found["epochs"] for text in epoch["first"]), None)

    def to_json(self) -> dict[str, Any]:
        return {"party": self.party.title, "command": self.command} | self.found


@dataclass(frozen=True)
class Crossing:
    """A capture that has gone through the border, and what the watchers say.

    Attributes:
        folder: with a directory for each watcher.
        opened: what each party has of the coin. seconds: that it took, without the watchers.
    """

    folder: Path
    traffic: Traffic
    opened: dict[Speaker, Opened]
    seconds: float
    watchers: tuple[Watcher, ...]

    @property
    def epoch(self) -> Opened:
        return self.opened[PARTIES[0]]

    def to_json(self) -> dict[str, Any]:
        traffic = self.traffic
        return {
            "folder": shown(self.folder),
            "epoch": self.epoch.epoch,
            "seed": self.epoch.seed.hex(),
            "words": list(self.epoch.used),
            "sent": {port.name.lower(): traffic.sent[port] for port in Port},
            "left": {port.name.lower(): len(traffic.left[port]) for port in Port},
            "dropped": {reason.name: count for reason, count in sorted(traffic.dropped.items())},
            "dummies": traffic.dummies,
            "records": traffic.records,
            "cycles": traffic.cycles,
            "seconds": round(self.seconds, 3),
            "alarms": traffic.alarms,
            "watchers": [watcher.to_json() for watcher in self.watchers],
        }


@dataclass(frozen=True)
class BorderLeg:
    """An honest crossing and a sabotaged one."""

    schedule: Schedule
    honest: Crossing
    sabotage: Sabotage
    sabotaged: Crossing

    @property
    def agrees(self) -> bool:
        """The honest crossing agrees for everybody, the sabotaged one for nobody."""
        return (
            all(watcher.agrees for watcher in self.honest.watchers)
            and not any(watcher.agrees for watcher in self.sabotaged.watchers)
            and not self.honest.traffic.alarms
            and len(set(self.honest.opened.values())) == 1
        )

    @property
    def verdict(self) -> str:
        """In one line."""
        agree = sum(watcher.agrees for watcher in self.honest.watchers)
        caught = sum(not watcher.agrees for watcher in self.sabotaged.watchers)
        watchers = len(self.honest.watchers)
        same = "" if len(set(self.honest.opened.values())) == 1 else "; they do not have the same words"
        alarms = "".join(f"; {alarm}" for alarm in self.honest.traffic.alarms)
        return (
            f"border: {agree} of {watchers} watchers agree with the device, {caught} of {watchers} catch the sabotaged one"
            f"{same}{alarms}"
        )

    def facts(self) -> Iterator[tuple[str, str]]:
        """For people."""
        honest, schedule = self.honest, self.schedule
        traffic, epoch = honest.traffic, honest.epoch
        slot_us, beat_ms = schedule.slot_cycles * 1e6 / DATAPATH_HZ, BEAT_CYCLES * 1e3 / DATAPATH_HZ
        yield (
            "border",
            f"{schedule.slot_bytes:,} bytes leave every {slot_us:g} µs, a record is made every {beat_ms:g} ms",
        )
        yield "coin", f"epoch {epoch.epoch}: seed {epoch.seed.hex()}, {sum(epoch.used):,} words used"
        left = sum(map(len, traffic.left.values()))
        yield (
            "frames",
            f"{traffic.sent.total():,} in, {left:,} out, {traffic.dropped.total():,} dropped; {traffic.dummies:,} dummies",
        )
        yield "time", f"{traffic.cycles * 1e3 / DATAPATH_HZ:,.1f} ms at 1 Gbit/s, {honest.seconds:.1f} s of simulation"
        for watcher in honest.watchers:
            yield watcher.party.title, watcher.verdict
        yield "sabotage", self.sabotage.describe()
        for watcher in self.sabotaged.watchers:
            yield watcher.party.title, f"{watcher.verdict}; {watcher.first}" if watcher.first else watcher.verdict

    def to_json(self) -> dict[str, Any]:
        """Keys: ``agrees``; ``schedule``; ``honest`` and ``sabotaged``, as `Crossing.to_json`; ``sabotage``, in words."""
        return {
            "agrees": self.agrees,
            "schedule": {
                "policy": self.schedule.policy.name.lower(),
                "slot_cycles": self.schedule.slot_cycles,
                "slot_bytes": self.schedule.slot_bytes,
                "beat_cycles": BEAT_CYCLES,
            },
            "honest": self.honest.to_json(),
            "sabotage": self.sabotage.describe(),
            "sabotaged": self.sabotaged.to_json(),
        }

    def judge(self) -> None:
        """Raise `MismatchError` where the honest crossing does not agree, or the sabotaged one does."""
        if not self.agrees:
            raise MismatchError(self.verdict)


def border_lanes(lanes: int) -> int:
    """The most that a border is made with, up to so many."""
    return max(known for known in lanes_of("border") if known <= lanes)


def cross_border(source: Path, folder: Path, admission: Admission, display: Screen, lanes: int = 1) -> BorderLeg:
    """Have a capture cross the border twice, and watched by both parties. Everything is written to ``folder``.

    Raises:
        CaptureError: nothing of the capture leaves for the world, or a file cannot be written.
        CoinError: an epoch is void.
        DeviceError: the device is not built, or does not do what it has to.
    """
    frames = [
        (number, admission.port(packet.frame), packet.frame)
        for number, packet in enumerate(Capture(source), 1)
        if packet.whole
    ]
    origin_ns = next((packet.time_ns for packet in Capture(source)), 0)
    parties = Parties(_directory(folder), display.detail)
    cross = _Crossings(parties, admission, frames, origin_ns, border_lanes(lanes), display)
    honest = cross.go(folder / "honest", None)
    sabotage = _sabotage(frames, honest.traffic, admission)
    return BorderLeg(Schedule(), honest, sabotage, cross.go(folder / "sabotaged", sabotage))


def _sabotage(frames: list[tuple[int, Port, bytes]], traffic: Traffic, admission: Admission) -> Sabotage:
    """Of the IPv4 frames that left for the world, the one in the middle."""
    ipv4 = {number for number, _, frame in frames if _ethertype(frame) == b"\x08\0"}
    left = [number for number in traffic.left[Port.WORLD] if number in ipv4]
    if not left:
        raise CaptureError("no IPv4 frame of the capture leaves for the world, and so none can be changed")
    ttl = admission.policy.ttl
    return Sabotage(left[len(left) // 2], ttl ^ WATCHED_BIT, ttl)


def _ethertype(frame: bytes) -> bytes:
    return frame[16:18] if frame[12:14] == TAG_ETHERTYPE.to_bytes(2) else frame[12:14]


def _directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptureError(f"{shown(path)}: cannot be created: {error.strerror}") from None
    return path


@dataclass(frozen=True)
class _Crossings:
    parties: Parties
    admission: Admission
    frames: list[tuple[int, Port, bytes]]
    origin_ns: int
    lanes: int
    display: Screen

    def go(self, folder: Path, sabotage: Sabotage | None) -> Crossing:
        """Once through a device that has just been switched on."""
        folders = {speaker: _directory(folder / speaker.title) for speaker in PARTIES}
        started = time.perf_counter()
        with self.display.waiting() as waiting, open_border(DEVICE, self.lanes) as border:
            border.load(self.admission.policy)
            taps = [Taps(path, self.origin_ns) for path in folders.values()]
            with taps[0], taps[1]:

                def progress(count: int) -> None:
                    waiting(f"border: {count} of {len(self.frames)} frames")

                traffic = Traffic(border, self.frames, taps, sabotage, progress)
                opened = self.parties.flip(border, traffic.run)
        seconds = time.perf_counter() - started
        for speaker, path in folders.items():
            _write(path / SHARES, json.dumps(opened[speaker].to_json(), indent=2))
            _write(path / POLICY, policy_text(self.admission.policy))
            _write(path / SCHEDULE, _schedule_text(self.lanes))
        with self.display.waiting() as waiting:
            waiting("border: prover and verifier watch")
            watchers = tuple(_watch(folders))
        return Crossing(folder, traffic, opened, seconds, watchers)


def _schedule_text(lanes: int) -> str:
    """The schedule that a border has after a reset."""
    schedule = Schedule()
    rows = {
        "policy": json.dumps(schedule.policy.name.lower()),
        "slot_cycles": schedule.slot_cycles,
        "slot_bytes": schedule.slot_bytes,
        "dummy": json.dumps(schedule.dummy.hex()),
        "lanes": lanes,
        "store_bytes": STORE_BYTES,
    }
    return "".join(f"{key} = {value}\n" for key, value in rows.items())


def _write(path: Path, text: str) -> None:
    with output_file(path) as file:
        file.write(f"{text.rstrip()}\n".encode())


def _watch(folders: Mapping[Speaker, Path]) -> Iterator[Watcher]:
    """Both at the same time."""
    running: dict[Speaker, subprocess.Popen[str]] = {}
    for party, folder in folders.items():
        options = ["--html", str(folder / PAGE), "--json", "--quiet"]
        command = [sys.executable, "-m", "custodes", "watch", str(folder), *LIMITS, *options]
        running[party] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for party, process in running.items():
        told, errors = process.communicate()
        if process.returncode not in (AGREES, DISAGREES):
            raise DeviceError(f"the {party.title}'s watcher fails: {errors.strip()}")
        _write(folders[party] / "watch.json", told)
        yield Watcher(party, f"custodes watch {shown(folders[party])} {' '.join(LIMITS)}", json.loads(told))
