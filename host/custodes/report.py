# SPDX-License-Identifier: Apache-2.0
"""What scrubbing a capture did, in numbers.

Where the numbers come from: what became of each frame is the device's word. Which header kinds a forwarded frame
has, and how many bytes were removed from it, is what the specification (`custodes.model`) says of the same frame.

A row of the table with fixed capacity counts its ``bits`` before and ``after`` after for every forwarded frame that
carries the field; a row without counts eight bits for every byte removed, and nothing after. Rows that pass whole are
listed as residual; where the device has no flow table, those that need one are among them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from custodes.admission import Admission, describe_vlans
from custodes.link import Ingress, Outcome
from custodes.model import Result
from custodes.passage import Passage
from custodes.table import PASSED, RESIDUAL_NOTE, SCRUBBED, Field, Port, Reason


class Erased(NamedTuple):
    """A row of the table: how many forwarded frames carry it and were altered in it, its bits before and after."""

    row: Field
    frames: int
    altered: int
    before: float
    after: float


@dataclass
class Report(Passage):
    """The numbers of one run; `scrub.scrub_capture` fills them in."""

    admission: Admission
    seed: str | None = None
    """The file with what words are made of; None: everybody knows it."""
    flows: int = field(default=0, init=False)
    """Slots of the device's flow table."""
    frames_altered: int = field(default=0, init=False)
    _scopes: Counter[int] = field(default_factory=Counter, init=False)
    _altered: Counter[int] = field(default_factory=Counter, init=False)
    _removed: Counter[int] = field(default_factory=Counter, init=False)

    def count(self, number: int, sent: Ingress[Port], outcome: Outcome[Reason], result: Result) -> None:
        """Take in what the device did with a frame, and what the specification says."""
        self.take(outcome)
        if outcome.frame is not None:
            self.frames_altered += outcome.frame != sent.frame
            self._scopes[result.scope] += 1
            self._altered[outcome.altered] += 1
            for row, count in result.removed:
                self._removed[row] += count
        if self.checked:
            self.compare(number, sent.port, outcome, Outcome(result.frame, result.reason, result.altered))

    @property
    def erased(self) -> list[Erased]:
        """Every row that is scrubbed, in the order of the table."""
        found = []
        for i, row in enumerate(SCRUBBED):
            if row.stateful and not self.flows:
                continue
            altered = sum(count for mask, count in self._altered.items() if mask >> i & 1)
            frames = self._carrying(row)
            if row.bits is None:
                found.append(Erased(row, frames, altered, 8 * self._removed[i], 0))
            else:
                found.append(Erased(row, frames, altered, row.bits * frames, row.after * frames))
        return found

    @property
    def passed(self) -> list[Erased]:
        """Every row that passes whole, in the order of the table."""
        unknown = [] if self.flows else [row for row in SCRUBBED if row.stateful]
        carried = [(row, (row.bits or 0) * self._carrying(row)) for row in (*unknown, *PASSED)]
        return [Erased(row, self._carrying(row), 0, bits, bits) for row, bits in carried]

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

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object.

        Keys: ``input``, ``output``, ``device``, ``lanes``; ``flows`` (``slots``, ``seed``: the file, or null for zeros), or
        null where the device has no flow table; ``policy`` (``source`` "file" or "capture", ``file``,
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
            "flows": {"slots": self.flows, "seed": self.seed} if self.flows else None,
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
            "speed": self.speed_json(),
            "check": self.check_json(),
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
