# SPDX-License-Identifier: Apache-2.0
"""What a watcher is given: captures of taps, the shares that were opened, records, and the schedule."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from custodes.capture import Capture
from custodes.errors import CaptureError, PolicyError
from custodes.fingerprint import Record
from custodes.flow_table import FLOWS
from custodes.model import entropy
from custodes.policy import Number, Strict, first_problem, load_policy
from custodes.records import read_records
from custodes.retimer import ADDRESS_BYTES, FRAMES, Policy, Schedule, Size
from custodes.table import Port
from custodes.watch import Limits, Seen
from custodes.watch_epoch import Epoch
from custodes.watch_schedule import DATAPATH_HZ, Timetable

MAX_JSON_BYTES = 1 << 20
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Tap:
    """The frames of capture files, one after the other; read anew whenever it is iterated over.

    Raises `CaptureError`: one cannot be read, a frame was not captured whole, or time runs backwards.
    """

    paths: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(Capture(path).size for path in self.paths)

    def __iter__(self) -> Iterator[Seen]:
        last = 0
        for path in self.paths:
            for number, packet in enumerate(Capture(path), 1):
                if not packet.whole:
                    raise CaptureError(f"{path}: frame {number} was not captured whole")
                if packet.time_ns < last:
                    raise CaptureError(
                        f"{path}: frame {number} is {last - packet.time_ns} ns before the frame before it"
                    )
                last = packet.time_ns
                yield Seen(packet.time_ns, packet.frame)


def _dummy(text: object) -> object:
    if isinstance(text, str):
        found = bytes.fromhex(text.replace(":", ""))
        if len(found) == 2 * ADDRESS_BYTES:
            return found
    raise ValueError(f"{text!r} is not two MAC addresses in hexadecimal digits")


class ScheduleFile(Strict):
    """The keys of a schedule, in TOML: those of `Schedule`, `Size` and `Timetable`."""

    policy: Annotated[str, Field(pattern="^(constant_rate|slot|batch)$")] = "constant_rate"
    slot_cycles: Annotated[Number, Field(ge=1)] = Schedule.slot_cycles
    slot_bytes: Annotated[Number, Field(ge=1)] = Schedule.slot_bytes
    window_cycles: Annotated[Number, Field(ge=1)] = Schedule.window_cycles
    dummy: Annotated[bytes, BeforeValidator(_dummy)] = Schedule.dummy
    lanes: Number = 1
    store_bytes: Number = 1 << 16
    frames: Number = FRAMES
    clock_hz: Annotated[Number, Field(ge=1)] = DATAPATH_HZ
    drift_ppm: Annotated[Number, Field(ge=0, le=10_000)] = 0
    tolerance_ns: Annotated[Number, Field(ge=0)] = Timetable.tolerance_ns
    origin_ns: Annotated[Number, Field(ge=0)] | None = None

    def timetable(self) -> Timetable:
        schedule = Schedule(
            Policy[self.policy.upper()], self.slot_cycles, self.slot_bytes, self.window_cycles, self.dummy
        )
        size = Size(self.lanes, self.store_bytes, self.frames)
        if not schedule.can_be_kept(size):
            raise ValueError("a retimer of that size cannot keep this schedule")
        return Timetable(schedule, size, self.clock_hz, self.drift_ppm, self.origin_ns, self.tolerance_ns)


def load_schedule(path: Path) -> Timetable:
    """Raises `PolicyError` with one line that names what is wrong."""
    try:
        return ScheduleFile.model_validate(tomllib.loads(path.read_text())).timetable()
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise PolicyError(f"{path}: {first_problem(error)}") from None
    except ValueError as error:
        raise PolicyError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Coin:
    """Of an epoch: its number and seed, how many words there are, and were used."""

    number: int
    seed: bytes | None
    limit: int = (1 << 32) - 1
    used: tuple[int, int] | None = None


def load_shares(path: Path) -> Coin:
    """The shares that were opened at the end of an epoch, as `custodes coin check --json` prints them.

    The seed is made from them again, and each share must be what was committed to. Raises `CaptureError` otherwise.
    """
    try:
        data = path.read_bytes()
        if len(data) > MAX_JSON_BYTES:
            raise CaptureError(f"{path}: larger than {MAX_JSON_BYTES} bytes")
        return _coin(json.loads(data))
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError):
        raise CaptureError(f"{path}: holds no opened shares of an epoch") from None
    except ValueError as error:
        raise CaptureError(f"{path}: {error}") from None


def _coin(found: dict[str, Any]) -> Coin:
    number, limit = found["epoch"], found["limit"]
    used = tuple(found["used"])
    if not all(type(value) is int and value >= 0 for value in (number, limit, *used)) or len(used) != 2:
        raise TypeError
    shares, salts, commitments = (
        [bytes.fromhex(one) for one in found[key]] for key in ("shares", "salts", "commitments")
    )
    for party, (share, salt, commitment) in enumerate(zip(shares, salts, commitments, strict=True)):
        if entropy.commitment(party, number, share, salt) != commitment:
            raise ValueError(f"the {('prover', 'verifier')[party]}'s share is not what it committed to")
    prover, verifier = shares
    seed = entropy.seed(number, prover, verifier)
    if seed.hex() != found["seed"]:
        raise ValueError("the seed is not that of the shares")
    return Coin(number, seed, limit, (used[0], used[1]))


def parse_seed(text: str) -> bytes:
    """A seed as 64 hexadecimal digits. Raises `ValueError`."""
    seed = bytes.fromhex(text)
    if len(seed) != entropy.DIGEST_BYTES:
        raise ValueError(f"a seed has {2 * entropy.DIGEST_BYTES} hexadecimal digits")
    return seed


@dataclass(frozen=True)
class Files:
    """The files of an epoch; what is None or empty is not there. ``seed`` stands in for shares, and ``number`` with it."""

    policy: Path
    cluster_sent: tuple[Path, ...]
    cluster_received: tuple[Path, ...]
    world_sent: tuple[Path, ...]
    world_received: tuple[Path, ...]
    shares: Path | None = None
    seed: bytes | None = None
    number: int = 0
    records: Path | None = None
    schedule: Path | None = None
    limits: Limits = field(default_factory=Limits)
    beat_ns: int | None = None
    flows: int = FLOWS

    @property
    def all(self) -> Sequence[Path]:
        """Every file."""
        taps = (*self.cluster_sent, *self.cluster_received, *self.world_sent, *self.world_received)
        return [*taps, *(path for path in (self.policy, self.shares, self.records, self.schedule) if path)]

    def load(self) -> Epoch:
        """Read all that is not a capture, and look at those.

        Raises:
            CaptureError, PolicyError: a file is bad.
        """
        coin = load_shares(self.shares) if self.shares else Coin(self.number, self.seed)
        taps = [
            Tap(paths) for paths in (self.cluster_sent, self.cluster_received, self.world_sent, self.world_received)
        ]
        for tap in taps:
            _ = tap.size
        cluster_sent, cluster_received, world_sent, world_received = taps
        records: list[Record] | None = [*read_records(self.records)] if self.records else None
        return Epoch(
            load_policy(self.policy),
            {Port.CLUSTER: cluster_sent, Port.WORLD: world_sent},
            {Port.CLUSTER: cluster_received, Port.WORLD: world_received},
            coin.number,
            coin.seed,
            coin.limit,
            coin.used,
            records,
            load_schedule(self.schedule) if self.schedule else None,
            self.limits,
            self.beat_ns,
            None,
            self.flows,
        )
