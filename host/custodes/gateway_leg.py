# SPDX-License-Identifier: Apache-2.0
"""The demo of a gateway: a server gets its weights, answers the world, and is watched; then it lies, until it has no power.

Server and world are programs with network stacks of their own, whose only cables end at the simulated gateway.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.errors import MismatchError
from custodes.gateway import REASONS, EpochRecord, Gateway
from custodes.gateway_registers import Fault, GatewayPort, Mode
from custodes.gateway_site import Site
from custodes.keys import Keys
from custodes.macsec import Suite
from custodes.output import output_file
from custodes.policy import Policy
from custodes.recompute import Verdict
from custodes.recomputer import Recomputer
from custodes.recomputer_orders import read_shutdown
from custodes.recomputer_store import Store
from custodes.sampling_statistics import Interval, observed, threshold
from custodes.station import NAME, Station
from custodes.terminal import Screen, plural
from custodes.transformer import make_weights
from custodes.upload import through, upload
from custodes.weights_manifest import Manifest, digest_of, load_manifest, signed_manifest

SERVER, WORLD = (bytes([2, 0, 0, 0, 0, number]) for number in (1, 2))
RECOMPUTER, GATEWAY = (bytes([2, 0, 0, 0, 0, number]) for number in (3, 4))
SERVER_IP, WORLD_IP = "192.0.2.1", "192.0.2.2"
MODEL, SEED = "small", 7
EPSILON = 0.5
HONEST, LYING = 32, 64
"""Questions that are answered honestly, and how many more there are at most. That nothing is kept of the first, or of the
others, happens with a probability of 2^-32 at most."""
EPOCH_QUESTIONS = 8
"""After so many answers another epoch begins."""
PAUSE_CYCLES = 1 << 31
"""For which weights may not come: a simulated second is many real ones."""
PATIENCE_TURNS = 40_000
GOVERNORS, MUST_SIGN = 3, 2
KEY_BYTES = 32


@dataclass
class GatewayRun:
    """What has come of it.

    Attributes:
        upload_cycles: of the datapath's clock, that the weights took.
        answers: that the world has had, by whether the server lied then.
        verdicts: on pairs that were kept.
        order: what the recomputer ordered; fault: why the server has no power.
        told: what the recomputer said, line by line.
    """

    manifest: Manifest
    epsilon: float = EPSILON
    upload_cycles: int = 0
    answers: Counter[bool] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    records: list[EpochRecord] = field(default_factory=list)
    order: str = ""
    fault: Fault | None = None
    told: list[str] = field(default_factory=list)
    frames: dict[GatewayPort, int] = field(default_factory=dict)
    cycles: int = 0
    seconds: float = 0.0

    @property
    def pairs(self) -> int:
        return sum(record.pairs for record in self.records)

    @property
    def kept(self) -> int:
        return sum(record.kept for record in self.records)

    @property
    def interval(self) -> Interval:
        """In which epsilon is, by what was kept."""
        return observed(self.kept, self.pairs)

    @property
    def agrees(self) -> bool:
        """Everything was as it has to be: honest answers pass, a lie is found, and then there is no power."""
        return (
            self.verdicts[Verdict.PASS] > 0
            and self.verdicts[Verdict.FAIL] == 1
            and self.answers[False] == HONEST
            and self.answers[True] > 0
            and self.fault is Fault.ORDERED
        )

    @property
    def verdict(self) -> str:
        """In a line."""
        if not self.agrees:
            return f"the gateway's demo did not go as it has to: {'; '.join(self.told) or 'nobody said why'}"
        return (
            f"{self.verdicts[Verdict.PASS]} of {self.answers[False]} honest answers were recomputed and are the same; after"
            f" {plural(self.answers[True], 'wrong one')} the recomputer had the server switched off"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.manifest.model,
            "bits": self.manifest.bits,
            "sha256": self.manifest.sha256.hex(),
            "upload_cycles": self.upload_cycles,
            "epsilon": self.epsilon,
            "pairs": self.pairs,
            "kept": self.kept,
            "interval": [*self.interval],
            "answers": {"honest": self.answers[False], "wrong": self.answers[True]},
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "order": self.order,
            "power_off": None if self.fault is None else REASONS[self.fault],
            "recomputer": self.told,
            "frames": {port.name.lower(): count for port, count in self.frames.items()},
            "cycles": self.cycles,
            "seconds": round(self.seconds, 3),
            "agrees": self.agrees,
        }

    def judge(self) -> None:
        """Raise `MismatchError` unless it agrees."""
        if not self.agrees:
            raise MismatchError(self.verdict)


def session_keys() -> tuple[Keys, Keys]:
    """Fresh ones: the gateway's, and the recomputer's."""
    suite = Suite.GCM_AES_XPN_256
    association = {
        "an": 0,
        "suite": suite.title,
        "key": os.urandom(suite.key_bytes).hex(),
        "salt": os.urandom(12).hex(),
        "ssci": 1,
    }
    sci = f"{GATEWAY.hex(':')}/1"
    sealing = {"peer": RECOMPUTER.hex(":"), "sci": sci, "association": [association]}
    return (
        Keys.model_validate({"transmit": [sealing]}),
        Keys.model_validate({"receive": [{"sci": sci, "association": [association]}]}),
    )


def server_policy() -> Policy:
    """What passes between server and world: TCP, and what it takes to find each other."""
    return Policy.model_validate(
        {
            "ethertypes": ["arp", "ipv4"],
            "protocols": ["tcp"],
            "cluster": [{"mac": SERVER.hex(":"), "ip": [SERVER_IP]}],
            "world": [{"mac": WORLD.hex(":"), "ip": [WORLD_IP]}],
        }
    )


def announce(folder: Path) -> tuple[Path, Manifest]:
    """Weights, and their manifest as governors have signed it."""
    weights, path = folder / "weights.bin", folder / "weights.manifest"
    with output_file(weights) as file:
        file.write(make_weights(SEED))
    octets, digest = digest_of(weights)
    keys = [Ed25519PrivateKey.generate() for _ in range(GOVERNORS)]
    with output_file(path) as file:
        file.write(signed_manifest(Manifest(MODEL, 8 * octets, digest), keys[:MUST_SIGN]))
    manifest = load_manifest(path, [key.public_key().public_bytes_raw() for key in keys], MUST_SIGN)
    manifest.check(weights)
    return weights, manifest


class _Scene:
    """Everybody, and what has come of it so far."""

    def __init__(self, gateway: Gateway, folder: Path, display: Screen) -> None:
        self.gateway, self.folder, self._display = gateway, folder, display
        self.weights, manifest = announce(folder)
        self.run = GatewayRun(manifest)
        self._lies, self._got = folder / "lies", folder / "answers.jsonl"
        self._mine, theirs = session_keys()
        self.site = Site(gateway, theirs, self._sample)
        self._key = Ed25519PrivateKey.generate()
        self._identity = os.urandom(KEY_BYTES)
        self._serial = -1
        self._store = Store(folder / "recomputer.sqlite", owned=True)
        self._recomputer = Recomputer(self._store, self._identity, self._key, self._ordered, self._said)
        with self._store.transaction():
            self._store.set_value("plugin", {"kind": "transformer", "weights": str(self.weights)})

    def _said(self, line: str) -> None:
        self.run.told.append(line)
        self._display.note(f"recomputer: {line}")

    def _sample(self, frame: bytes) -> None:
        for done in self._recomputer.feed([frame]):
            if done.judgement is not None:
                self.run.verdicts[done.judgement.verdict] += 1

    def _ordered(self, message: bytes) -> None:
        """The gateway's host gets an order: it is carried out if it is the recomputer's, for this gateway, and new."""
        order = read_shutdown(message, self._key.public_key().public_bytes_raw(), self._identity, self._serial)
        self._serial, self.run.order = order.serial, order.reason
        self.gateway.stop()

    def epoch(self) -> None:
        """End one, and begin another."""
        before = self.gateway.registers.field("SAMPLER_STATE", "LIVE")
        self.gateway.epoch(threshold(EPSILON))
        if before:
            self.run.records.append(self.gateway.record)

    def upload(self) -> None:
        """From no power to a server that answers."""
        gateway, site, manifest = self.gateway, self.site, self.run.manifest
        gateway.load(self._mine)
        gateway.start(manifest.bits, manifest.sha256, SERVER, PAUSE_CYCLES)
        gateway.admit(server_policy())
        gateway.send_samples_to(RECOMPUTER, GATEWAY)
        self.epoch()
        received = self.folder / "server.bin"
        for name in ("", ".ready", ".served"):
            Path(f"{received}{name}").unlink(missing_ok=True)
        python = [sys.executable, "-m"]
        serving = [*python, "custodes.gateway_server", str(received), "80", str(self._lies)]
        taking = [*python, "custodes.weights_receiver", NAME, str(received), str(manifest.octets)]
        site.server = Station(SERVER, SERVER_IP, [*taking, *serving])
        site.until(Path(f"{received}.ready").exists, PATIENCE_TURNS, "the server does not wait for weights")
        began = site.link.cycles
        with self._display.progress(manifest.octets, "uploading") as told:

            def turned(octets: int) -> None:
                told(octets)
                site.turn()

            upload(gateway, manifest, self.weights, through(site.link), turned)
        self.run.upload_cycles = site.link.cycles - began
        site.until(Path(f"{received}.served").exists, PATIENCE_TURNS, "the server does not serve")

    def ask(self, questions: int, lying: bool) -> None:
        """Let the world ask, until it has had so many answers or gets none any more."""
        site = self.site
        self._got.unlink(missing_ok=True)
        if lying:
            self._lies.touch()
        client = [sys.executable, "-m", "custodes.gateway_client", SERVER_IP, str(questions), str(self._got)]
        answered = due = 0
        with Station(WORLD, WORLD_IP, client) as world:
            site.world = world
            while world.runs and site.server is not None:
                site.turn()
                answered = _lines(self._got)
                if answered >= due + EPOCH_QUESTIONS:
                    due = answered
                    self.epoch()
            site.turn()
            site.world = None
        self.run.answers[lying] += _lines(self._got)

    def close(self) -> None:
        if self.site.server is not None:
            self.site.server.close()
        self._store.close()


def _lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


@contextmanager
def _scene(gateway: Gateway, folder: Path, display: Screen) -> Iterator[_Scene]:
    scene = _Scene(gateway, folder, display)
    try:
        yield scene
    finally:
        scene.close()


def run_gateway(gateway: Gateway, folder: Path, display: Screen) -> GatewayRun:
    """Everything, in a folder that may be there; what is in it from an earlier run is replaced.

    Raises:
        InterfaceError: there can be no networks here. DeviceError: the gateway does not do what it must.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in ("recomputer.sqlite", "recomputer.sqlite-wal", "recomputer.sqlite-shm", "lies"):
        (folder / old).unlink(missing_ok=True)
    began = time.monotonic()
    with _scene(gateway, folder, display) as scene:
        scene.upload()
        display.note(f"the server has its weights, and serves {scene.run.manifest.model}")
        scene.ask(HONEST, lying=False)
        if gateway.counts["pairs"]:
            scene.epoch()
        display.note(
            f"{scene.run.answers[False]} answers, {scene.run.verdicts[Verdict.PASS]} of them recomputed: now it lies"
        )
        scene.ask(LYING, lying=True)
        run, link = scene.run, scene.site.link
        run.frames, run.cycles, run.seconds = dict(scene.site.passed), link.cycles, time.monotonic() - began
        if gateway.mode is Mode.OFF:
            run.fault = gateway.fault
    with output_file(folder / "gateway.json") as file:
        file.write(f"{json.dumps(run.to_json(), indent=2)}\n".encode())
    return run
