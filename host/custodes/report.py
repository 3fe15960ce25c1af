# SPDX-License-Identifier: Apache-2.0
"""What scrubbing a capture did, in numbers.

Where the numbers come from: what became of each frame is the device's word. Which header kinds a forwarded frame
has, and how many bytes were removed from it, is what the specification (`custodes.model`) says of the same frame.

A row of the table with fixed capacity counts its ``bits`` before and ``after`` after for every forwarded frame that
carries the field; a row without counts eight bits for every byte removed, and nothing after. Rows that need per-flow
state pass whole: their capacity is an upper bound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from custodes.admission import Admission, describe_vlans
from custodes.link import Ingress, Outcome
from custodes.model import Result
from custodes.table import PASSED, RESIDUAL_NOTE, SCRUBBED, Field, Port, Reason

NOT_WHOLE = "not captured whole"
SHOWN_MISMATCHES = 5


class Erased(NamedTuple):
    """A row of the table: how many forwarded frames carry it and were altered in it, its bits before and after."""

    row: Field
    frames: int
    altered: int
    before: float
    after: float


class Mismatch(NamedTuple):
    """A frame, by its number in the capture from 1, of which device and specification say different things."""

    number: int
    port: Port
    device: Outcome
    specification: Outcome

    def describe(self) -> str:
        """In one line: verdicts, rows, or the first byte that differs."""
        device, wanted = self.device, self.specification
        text = f"frame {self.number} from {self.port.name.lower()}: "
        if device.reason != wanted.reason:
            return text + f"device says {device.reason.name}, specification {wanted.reason.name}"
        got, want = device.frame or b"", wanted.frame or b""
        if got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
            return text + (
                f"differs from byte {at} on: {got[at : at + 8].hex(' ') or 'ends'}, not "
                f"{want[at : at + 8].hex(' ') or 'the end'} ({len(got)} bytes, not {len(want)})"
            )
        rows = device.altered ^ wanted.altered
        names = [row.key for i, row in enumerate(SCRUBBED) if rows >> i & 1]
        return text + f"altered fields differ in {', '.join(names) or 'a bit without a row'}"


@dataclass
class Report:
    """The numbers of one run; `scrub.scrub_capture` fills them in."""

    input: str
    output: str
    device: str
    lanes: int
    admission: Admission
    checked: bool
    frames_in: int = 0
    not_whole: int = 0
    frames_out: int = 0
    frames_altered: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    """Spent in the device."""
    drops: Counter[Reason] = field(default_factory=Counter)
    mismatches: int = 0
    shown: list[Mismatch] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    """Counters of the device that differ from what it said of the frames."""
    _scopes: Counter[int] = field(default_factory=Counter)
    _altered: Counter[int] = field(default_factory=Counter)
    _removed: Counter[int] = field(default_factory=Counter)

    def count(self, number: int, sent: Ingress, outcome: Outcome, result: Result) -> None:
        """Take in what the device did with a frame, and what the specification says."""
        if outcome.frame is None:
            self.drops[outcome.reason] += 1
        else:
            self.frames_out += 1
            self.bytes_out += len(outcome.frame)
            self.frames_altered += outcome.frame != sent.frame
            self._scopes[result.scope] += 1
            self._altered[outcome.altered] += 1
            for row, count in result.removed:
                self._removed[row] += count
        wanted = Outcome(result.frame, result.reason, result.altered)
        if self.checked and outcome != wanted:
            self.mismatches += 1
            if len(self.shown) < SHOWN_MISMATCHES:
                self.shown.append(Mismatch(number, sent.port, outcome, wanted))

    @property
    def agrees(self) -> bool:
        """Nothing contradicts the specification, nor the device itself."""
        return not self.mismatches and not self.counters

    @property
    def verdict(self) -> str:
        """The outcome of the check in one line."""
        if not self.checked:
            return "not checked against the specification"
        found = self.mismatches + len(self.counters)
        return f"{found} mismatch{'' if found == 1 else 'es'} against the specification"

    @property
    def frames_dropped(self) -> int:
        return self.drops.total() + self.not_whole

    @property
    def drop_titles(self) -> list[tuple[str, int]]:
        """Why frames were dropped, the most frequent first."""
        found = [(reason.title, count) for reason, count in self.drops.items()]
        found += [(NOT_WHOLE, self.not_whole)] if self.not_whole else []
        return sorted(found, key=lambda drop: (-drop[1], drop[0]))

    @property
    def erased(self) -> list[Erased]:
        """Every row that is scrubbed, in the order of the table."""
        found = []
        for i, row in enumerate(SCRUBBED):
            altered = sum(count for mask, count in self._altered.items() if mask >> i & 1)
            frames = self._carrying(row)
            if row.bits is None:
                found.append(Erased(row, frames, altered, 8 * self._removed[i], 0))
            else:
                found.append(Erased(row, frames, altered, row.bits * frames, row.after * frames))
        return found

    @property
    def passed(self) -> list[Erased]:
        """Every row that passes for want of per-flow state, in the order of the table."""
        carried = [(row, self._carrying(row)) for row in PASSED]
        return [Erased(row, n, 0, (row.bits or 0) * n, row.after * n) for row, n in carried]

    def _carrying(self, row: Field) -> int:
        return sum(count for scope, count in self._scopes.items() if scope & row.scope == row.scope)

    @property
    def bits_before(self) -> float:
        """Capacity of the scrubbed rows before."""
        return sum(entry.before for entry in self.erased)

    @property
    def bits_after(self) -> float:
        """Capacity of the scrubbed rows after."""
        return sum(entry.after for entry in self.erased)

    @property
    def frames_per_s(self) -> float:
        return (self.frames_in - self.not_whole) / self.seconds if self.seconds else 0.0

    @property
    def megabytes_per_s(self) -> float:
        return self.bytes_in / 1e6 / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object.

        Keys: ``input``, ``output``, ``device``, ``lanes``; ``policy`` (``source`` "file" or "capture", ``file``,
        ``stations``, ``ip_addresses``, ``vlans``); ``frames`` (``in``, ``out``, ``dropped``, ``altered``,
        ``not_captured_whole``: the dropped include these); ``bytes`` (``in`` to the device, ``out`` of it); ``drops``
        (name of `Reason` -> frames); ``fields`` (per scrubbed row ``key``, ``title``, ``action``, ``frames`` that
        carry it, ``altered`` of them, ``bits_before``, ``bits_after``); ``residual`` (``fields`` that pass whole, with
        the same keys, and ``note``: what headers do not show); ``bits`` (``before``, ``after``, ``erased`` of the
        scrubbed rows); ``speed`` (``seconds`` in the device, ``frames_per_s``, ``megabytes_per_s``); ``check``
        (``done``, ``mismatches`` or null, ``verdict``, ``first``: descriptions, ``counters`` that differ).
        """
        policy = self.admission
        return {
            "input": self.input,
            "output": self.output,
            "device": self.device,
            "lanes": self.lanes,
            "policy": {
                "source": "file" if policy.file else "capture",
                "file": str(policy.file) if policy.file else None,
                "stations": policy.stations,
                "ip_addresses": policy.ip_addresses,
                "vlans": list(describe_vlans(policy.policy)),
            },
            "frames": {
                "in": self.frames_in,
                "out": self.frames_out,
                "dropped": self.frames_dropped,
                "altered": self.frames_altered,
                "not_captured_whole": self.not_whole,
            },
            "bytes": {"in": self.bytes_in, "out": self.bytes_out},
            "drops": {reason.name: count for reason, count in sorted(self.drops.items())},
            "fields": [_row_json(entry) for entry in self.erased],
            "residual": {"fields": [_row_json(entry) for entry in self.passed], "note": RESIDUAL_NOTE},
            "bits": {
                "before": round(self.bits_before, 2),
                "after": round(self.bits_after, 2),
                "erased": round(self.bits_before - self.bits_after, 2),
            },
            "speed": {
                "seconds": round(self.seconds, 6),
                "frames_per_s": round(self.frames_per_s, 1),
                "megabytes_per_s": round(self.megabytes_per_s, 3),
            },
            "check": {
                "done": self.checked,
                "mismatches": self.mismatches + len(self.counters) if self.checked else None,
                "verdict": self.verdict,
                "first": [mismatch.describe() for mismatch in self.shown],
                "counters": self.counters,
            },
        }


def _row_json(entry: Erased) -> dict[str, Any]:
    return {
        "key": entry.row.key,
        "title": entry.row.title,
        "action": entry.row.action.name.lower(),
        "frames": entry.frames,
        "altered": entry.altered,
        "bits_before": round(entry.before, 2),
        "bits_after": round(entry.after, 2),
    }
