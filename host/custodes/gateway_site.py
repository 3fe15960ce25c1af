# SPDX-License-Identifier: Apache-2.0
"""What stands around a simulated gateway: a server whose power it switches, somebody in the world, and a recomputer."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence

from custodes.errors import DeviceError
from custodes.gateway import Gateway
from custodes.gateway_registers import GatewayPort
from custodes.keys import Keys
from custodes.link import Ingress
from custodes.model.session import Opener
from custodes.simgateway import SimGateway
from custodes.station import Station

TURN_CYCLES = 4000
"""That pass in the device between two looks at the cables."""
IDLE_S = 0.005
"""That a look waits for a frame where none is on its way."""


class Site:
    """Cables, and whoever is behind them.

    Args:
        gateway: a simulated one.
        keys: with which the recomputer opens samples.
        sampled: takes every sample frame, opened.

    Members:
        server, world: who is there; None: nobody.
        passed: frames that have left, by port.
    """

    def __init__(self, gateway: Gateway, keys: Keys, sampled: Callable[[bytes], object]) -> None:
        if not isinstance(gateway.link, SimGateway):
            raise DeviceError("only a simulated gateway has cables that end here")
        self.link = gateway.link
        self.server: Station | None = None
        self.world: Station | None = None
        self.passed = dict.fromkeys(GatewayPort, 0)
        self._opener = Opener.of(keys)
        self._sampled = sampled

    def turn(self, cycles: int = TURN_CYCLES) -> None:
        """Take to the device what has been sent, let time pass in it, and give out what has left."""
        arrived = False
        for port, station in ((GatewayPort.SERVER, self.server), (GatewayPort.WORLD, self.world)):
            for frame in station.receive() if station else ():
                self.link.send(Ingress(port, frame))
                arrived = True
        self.link.step(cycles)
        if self.server and not self.link.power:
            self.server.kill()
            self.server.close()
            self.server = None
        left = self._deal(GatewayPort.SERVER, self.server) + self._deal(GatewayPort.WORLD, self.world)
        for sealed in self.link.left(GatewayPort.RECOMPUTER):
            self.passed[GatewayPort.RECOMPUTER] += 1
            opened = self._opener.open(sealed)
            if opened.frame is None:
                raise DeviceError(f"a sample cannot be opened: {opened.reason.title}")
            self._sampled(opened.frame)
        if not arrived and not left and not self.link.unsent:
            cables = [station for station in (self.server, self.world) if station]
            select.select(cables, [], [], IDLE_S)

    def until(self, done: Callable[[], bool], turns: int, what: str) -> None:
        """Turn until it is done. Raises `DeviceError`, which says ``what``, where it never is."""
        for _ in range(turns):
            if done():
                return
            self.turn()
        raise DeviceError(what)

    def _deal(self, port: GatewayPort, station: Station | None) -> int:
        frames: Sequence[bytes] = self.link.left(port)
        self.passed[port] += len(frames)
        if station:
            for frame in frames:
                station.send(frame)
        return len(frames)
