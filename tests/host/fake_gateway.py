# SPDX-License-Identifier: Apache-2.0
"""A gateway made of its specification: the models of upload, scrubbers, sampler and sessions behind its registers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

from custodes.gateway_formats import RECORD_WORDS, Record
from custodes.gateway_registers import (
    GATEWAY_IDENTITY_VALUE,
    SAMPLER_BLOCK,
    UPLOAD_BLOCK,
    GatewayPort,
    Mode,
    UploadOrder,
)
from custodes.keys import Keys
from custodes.link import Ingress
from custodes.maps import GATEWAY
from custodes.model.sampler import Macs, Sampler
from custodes.model.scrubber import Scrubber
from custodes.model.session import Sealer
from custodes.model.upload import Left, Upload
from custodes.policy import Policy
from custodes.processor_registers import IDENTITY_VALUE, VOCABULARY_VALUE
from custodes.registers import IDENTITY, LANES, VOCABULARY
from custodes.simgateway import SimGateway
from custodes.table import Port

WORD = (1 << 32) - 1
MAP_WORD = int.from_bytes(GATEWAY.digest[:4], "little")


class FakeGateway(SimGateway):
    """Takes as policy and keys what it was made with, whatever is written.

    Args:
        policy, keys: what is admitted, and what samples are sealed with.
        mangled: what becomes of each frame of weights on its way to the gateway.
    """

    def __init__(self, policy: Policy, keys: Keys, mangled: Callable[[bytes], bytes] = lambda frame: frame) -> None:
        self.lanes = 1
        self.upload = Upload()
        self.upload.ready = True
        self.sampler: Sampler | None = None
        self._policy, self._sealer = policy, Sealer.of(keys)
        self._mangled = mangled
        self._waiting: deque[Ingress[Any]] = deque()
        self._left: dict[GatewayPort, list[bytes]] = {port: [] for port in GatewayPort}
        self._written: dict[int, int] = {}
        self._emitted = 0
        self._keys: deque[bytes] = deque()

    def draw(self, key: bytes) -> None:
        self._keys.append(key)

    def close(self) -> None:
        pass

    @property
    def cycles(self) -> int:
        return 0

    @property
    def power(self) -> bool:
        return self.upload.power

    @property
    def unsent(self) -> int:
        return len(self._waiting)

    def unplug(self, unplugged: bool) -> None:
        if self.sampler:
            self.sampler.stall() if unplugged else self.sampler.release()

    def send(self, frame: Ingress[Any]) -> None:
        self._waiting.append(frame)

    def left(self, port: GatewayPort) -> list[bytes]:
        found, self._left[port] = self._left[port], []
        return found

    def wait(self, seconds: float) -> None:
        self.step(1)

    def step(self, cycles: int) -> None:
        """All that waits passes; then there has been time for the digest."""
        while self._waiting:
            self._pass(self._waiting.popleft())
        self.upload.digested()
        self._settle()

    def _pass(self, sent: Ingress[Any]) -> None:
        from_server = sent.port == GatewayPort.SERVER
        serving = self.upload.mode is Mode.SERVING
        frame = sent.frame if from_server or serving else self._mangled(sent.frame)
        left: Left = self.upload.from_server(frame) if from_server else self.upload.from_world(frame)
        if not serving:
            self._left[GatewayPort.SERVER] += left.server
            return
        for passed in (*left.server, *left.world):
            scrubbed = Scrubber(self._policy).scrub(passed, Port.CLUSTER if from_server else Port.WORLD).frame
            sampler = self.sampler
            if scrubbed is not None and sampler and sampler.frame(from_server, scrubbed) is not None:
                self._left[GatewayPort.WORLD if from_server else GatewayPort.SERVER].append(scrubbed)

    def _mac(self, name: str) -> bytes:
        first = GATEWAY.address(name)
        return b"".join(self._written.get(first + at, 0).to_bytes(4) for at in range(2))[:6]

    def _settle(self) -> None:
        if not self.upload.power:
            self.sampler = None
            self.upload.ready = True
            return
        if self.sampler is None:
            return
        for frame in self.sampler.emitted[self._emitted :]:
            sealed = self._sealer.seal(frame).frame
            assert sealed is not None
            self._left[GatewayPort.RECOMPUTER].append(sealed)
        self._emitted = len(self.sampler.emitted)

    def write(self, address: int, value: int) -> None:
        self._written[address] = value
        if address == UPLOAD_BLOCK.address("UPLOAD_COMMAND"):
            first = UPLOAD_BLOCK.address("UPLOAD_BITS")
            self.upload.announce(
                self._written.get(first, 0) | self._written.get(first + 1, 0) << 32,
                self._octets("UPLOAD_DIGEST", UPLOAD_BLOCK),
            )
            self.upload.server, self.upload.gateway = self._mac("SERVER_MAC"), self._mac("UPLOAD_MAC")
            self.upload.order(UploadOrder(value))
            self._settle()
        elif address == SAMPLER_BLOCK.address("SAMPLER_COMMAND") and self.upload.power:
            first = SAMPLER_BLOCK.address("THRESHOLD")
            threshold = self._written.get(first, 0) | self._written.get(first + 1, 0) << 32
            if self.sampler is None:
                addresses = [self._mac("RECOMPUTER_MAC"), self._mac("SAMPLER_MAC")]
                self.sampler, self._emitted = Sampler(16, 16, 4096, Macs(*addresses)), 0
            self.sampler.epoch(self._keys.popleft() if self._keys else os.urandom(32), threshold)
            self._settle()

    def _octets(self, name: str, block: Any) -> bytes:
        first = block.address(name)
        return b"".join(self._written.get(first + at, 0).to_bytes(4, "little") for at in range(8))

    def read(self, address: int) -> int:
        known = {
            IDENTITY: IDENTITY_VALUE,
            LANES: 1,
            VOCABULARY: VOCABULARY_VALUE,
            GATEWAY.address("GATEWAY_IDENTITY"): GATEWAY_IDENTITY_VALUE,
            GATEWAY.address("GATEWAY_MAP"): MAP_WORD,
            UPLOAD_BLOCK.address("UPLOAD_STATE"): self.upload.mode
            | self.upload.ready << 4
            | self.upload.power << 5
            | self.upload.fault << 8,
            UPLOAD_BLOCK.address("UPLOAD_COUNTED"): self.upload.counted & WORD,
            UPLOAD_BLOCK.address("UPLOAD_COUNTED") + 1: self.upload.counted >> 32,
        }
        if address in known:
            return known[address]
        found = GATEWAY.at(address)
        if self.sampler is None or found is None:
            return 0
        register, index = found
        sampler = self.sampler
        if register.name == "COUNTS":
            return sampler.counts[Record(Record.PAIRS + index)]
        if register.name == "RECORD":
            return int.from_bytes(sampler.record.ljust(4 * RECORD_WORDS, b"\0")[4 * index : 4 * index + 4])
        if register.name == "COMMITMENT":
            return int.from_bytes(sampler.commitment[4 * index : 4 * index + 4], "little")
        states = {
            "SAMPLER_STATE": sampler.live | sampler.flows << 8 | sampler.slots << 16,
            "EPOCH": sampler.epoch_number,
        }
        return states.get(register.name, 0)
