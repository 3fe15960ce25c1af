# SPDX-License-Identifier: Apache-2.0
"""A border made of the specification, whose beats come when it is told to, and that can be told to lie."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from custodes.border_registers import BORDER_IDENTITY_VALUE, MAX_RECORDS
from custodes.fingerprint import DEFAULT_BEAT_CYCLES, Flag, Record
from custodes.maps import BORDER
from custodes.model.fingerprint import Fingerprint
from custodes.retimer import Policy, Schedule
from custodes.table import Port
from tests.host.fake import FakeLink

NAMES = {Port.CLUSTER: "EGRESS", Port.WORLD: "INGRESS"}


class FakeBorder(FakeLink):
    """A border without frames of its own: `leave` says what has left, `beat` that a record closes.

    Args:
        beats: makes so many beats whenever somebody waits.
        spoil: turns the bytes of each record into what is read.
    """

    def __init__(self, beats: int = 0, spoil: Callable[[bytes], bytes] = lambda record: record) -> None:
        super().__init__()
        self.waits = 0
        self._beats = beats
        self._spoil = spoil
        self._chains = {port: Fingerprint(port) for port in Port}
        self._kept: dict[Port, deque[Record]] = {port: deque() for port in Port}
        self._lost = dict.fromkeys(Port, False)
        default = Schedule()
        self.pending = 0
        """How often a schedule that was written is not taken up yet."""
        self.refuses = False
        self._values = {
            "BORDER_IDENTITY": BORDER_IDENTITY_VALUE,
            "BORDER_MAP": int.from_bytes(BORDER.digest[:4], "little"),
            "BEAT_CYCLES": DEFAULT_BEAT_CYCLES,
            "RECORD_ALARM": 0,
            "RETIMER_SLOT_CYCLES": default.slot_cycles,
            "RETIMER_SLOT_BYTES": default.slot_bytes,
            "RETIMER_WINDOW_CYCLES": default.window_cycles,
            "RETIMER_POLICY": int(default.policy),
        }
        self._words: dict[int, int] = {}

    def set(self, name: str, value: int) -> None:
        """What a register reads."""
        self._values[name] = value

    def leave(self, direction: Port, frame: bytes) -> None:
        self._chains[direction].leave(frame)

    def beat(self, **fields: int) -> None:
        for port, chain in self._chains.items():
            record = chain.close(**fields, flags=Flag.LOST if self._lost[port] else Flag(0))
            self._lost[port] = len(self._kept[port]) == MAX_RECORDS
            if not self._lost[port]:
                self._kept[port].append(record)

    def read(self, address: int) -> int:
        found = BORDER.at(address)
        if found is None or found[0].name in ("IDENTITY", "LANES", "VOCABULARY"):
            return super().read(address)
        register, at = found
        for port, name in NAMES.items():
            kept = self._kept[port]
            if register.name == f"{name}_RECORDS":
                return len(kept)
            if register.name == f"{name}_RECORD":
                data = self._spoil(kept[0].encode()) if kept else bytes(72)
                return int.from_bytes(data[4 * at : 4 * at + 4], "little")
        if register.name == "RETIMER_STATUS":
            self.pending = max(self.pending - 1, 0)
            return Policy.SLOT | (self.pending > 0) << 2 | self.refuses << 3 | 7 << 16
        if register.name in self._values:
            return self._values[register.name]
        return self._words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        found = BORDER.at(address)
        assert found is not None
        for port, name in NAMES.items():
            if found[0].name == f"{name}_TAKE" and self._kept[port]:
                self._kept[port].popleft()
        if found[0].name in self._values:
            self._values[found[0].name] = value
        self._words[address] = value

    def wait(self, seconds: float) -> None:
        self.waits += 1
        for _ in range(self._beats):
            self.beat()
