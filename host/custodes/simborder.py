# SPDX-License-Identifier: Apache-2.0
"""The verilated border as a `Link`. What leaves for the world leaves by a schedule, so it is taken apart from verdicts."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from custodes.errors import DeviceError
from custodes.link import Ingress, Outcome
from custodes.simlink import CYCLES_PER_FRAME, SimLink
from custodes.table import Port, Reason

WAIT_CYCLES = 1 << 14
"""That pass in the device where its host waits."""


class Departure(NamedTuple):
    """A frame that has left, as it was on the wire but for its FCS, and the clock cycle of its first beat."""

    cycle: int
    frame: bytes


class SimBorder(SimLink):
    """The verilated border.

    Args:
        lanes, waveform, library: as of `SimLink`; 1 or 8 lanes.

    Raises:
        DeviceError: not built; from methods: the device breaks a rule, or is stuck.
    """

    def __init__(self, lanes: int = 1, waveform: Path | None = None, library: Path | None = None) -> None:
        super().__init__("border", lanes, waveform, library)
        self._sent = 0

    def send(self, frame: Ingress[Any]) -> None:
        """Queue a frame; `settle`, `step` and every access to a register move it."""
        super().send(frame)
        self._sent += len(frame.frame) // self.lanes + CYCLES_PER_FRAME

    def settle(self) -> None:
        """Run until every frame is judged, and has left for the cluster, or come as far as the schedule."""
        outstanding = self._library.custodes_settle(self._handle, self._sent * 16 + CYCLES_PER_FRAME)
        if outstanding < 0:
            raise DeviceError("the simulated device broke the stream rule on its way out, or its waveform was lost")
        if outstanding:
            raise DeviceError("the simulated device is stuck with frames inside")
        self._sent = 0

    def verdicts(self, port: Port) -> list[Outcome[Reason]]:
        """What the warden said of the frames that came in at a port since it was last asked; none of them has a frame."""
        reason, altered = ctypes.c_uint32(), ctypes.c_uint64()
        found: list[Outcome[Reason]] = []
        while self._library.custodes_judged(self._handle, port, ctypes.byref(reason), ctypes.byref(altered)):
            try:
                found.append(Outcome(None, Reason(reason.value), altered.value))
            except ValueError:
                raise DeviceError(f"the simulated device gave the unknown verdict {reason.value}") from None
        return found

    def left(self, port: Port) -> list[Departure]:
        """What has left at a port since it was last asked, dummies and padding included."""
        cycle = ctypes.c_uint64()
        found: list[Departure] = []
        while length := self._library.custodes_left(
            self._handle, port, ctypes.byref(cycle), self._buffer, len(self._buffer)
        ):
            if length < 0:
                raise DeviceError("an egress frame is too long")
            found.append(Departure(cycle.value, ctypes.string_at(self._buffer, length)))
        return found

    def exchange(self, frames: Sequence[Ingress[Any]]) -> NoReturn:
        raise DeviceError("what leaves a border leaves by its schedule: it cannot be had frame by frame")

    def outcomes(self, frames: Sequence[Ingress[Any]]) -> NoReturn:
        self.exchange(frames)

    def wait(self, seconds: float) -> None:
        self.step(WAIT_CYCLES)
