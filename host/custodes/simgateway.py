# SPDX-License-Identifier: Apache-2.0
"""Verilated gateways as a `Link`: frames go in at two ports, and leave at three."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from custodes.errors import DeviceError
from custodes.gateway_registers import GatewayPort
from custodes.link import Ingress
from custodes.simlink import SimLink

WAIT_CYCLES = 1 << 12
"""That pass in the device where its host waits."""


class SimPorts(SimLink):
    """The ports of a verilated gateway, with or without control. Raises `DeviceError` where it breaks a rule."""

    @property
    def power(self) -> bool:
        """Whether the server has any."""
        return bool(self._library.custodes_power(self._handle))

    @property
    def unsent(self) -> int:
        """Frames that have not come in yet."""
        return self._library.custodes_unsent(self._handle)

    def draw(self, key: bytes) -> None:
        """Let this be the key of the next epoch, in place of one that the simulation draws."""
        for at in range(0, len(key), 4):
            self._library.custodes_word(self._handle, int.from_bytes(key[at : at + 4]))

    def unplug(self, unplugged: bool) -> None:
        """Pull the recomputer's cable, or put it back."""
        self._library.custodes_unplug(self._handle, unplugged)

    def left(self, port: GatewayPort) -> list[bytes]:
        """Frames that have left at a port since it was last asked."""
        found: list[bytes] = []
        while length := self._library.custodes_left(self._handle, port, self._buffer, len(self._buffer)):
            if length < 0:
                raise DeviceError("the simulated device broke the stream rule on its way out, or a frame is too long")
            found.append(ctypes.string_at(self._buffer, length))
        return found

    def exchange(self, frames: Sequence[Ingress[Any]]) -> NoReturn:
        raise DeviceError("a gateway's frames leave at three ports: they cannot be had one for one")

    def outcomes(self, frames: Sequence[Ingress[Any]]) -> NoReturn:
        self.exchange(frames)


class SimGateway(SimPorts):
    """The verilated gateway without control.

    Args:
        lanes, waveform, library: as of `SimLink`; 1 or 8 lanes.

    Raises:
        DeviceError: not built; from methods: the device breaks a rule.
    """

    def __init__(self, lanes: int = 1, waveform: Path | None = None, library: Path | None = None) -> None:
        super().__init__("gateway", lanes, waveform, library)

    def wait(self, seconds: float) -> None:
        self.step(WAIT_CYCLES)
