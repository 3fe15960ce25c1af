# SPDX-License-Identifier: Apache-2.0
"""Connections through a sampler, as tests speak them, and the transcripts that they must make."""

from __future__ import annotations

from custodes.model.sampler import Macs, Sampler
from custodes.table import Port
from tests.frames import Frame, Ip4, Ip6, Tcp

MACS = Macs(bytes.fromhex("0200000000f0"), bytes.fromhex("0200000000f1"))
ACK, PSH, RST, SYN, FIN = 0x10, 0x08, 0x04, 0x02, 0x01
KEY = bytes(range(32))
LOWER = (1 << 32) - 1


class Talk:
    """A connection of the world with a server.

    Args:
        port: of the station in the world.
        first: sequence numbers of its first octet and the server's.
    """

    def __init__(
        self, sampler: Sampler, port: int = 50000, first: tuple[int, int] = (1000, 9000), version: int = 4
    ) -> None:
        self.sampler = sampler
        self.next = [*first]
        self._port = port
        self._ip = Ip4 if version == 4 else Ip6

    def segment(self, from_server: bool, sequence: int, payload: bytes = b"", flags: int = ACK) -> bytes:
        ports = (80, self._port) if from_server else (self._port, 80)
        tcp = Tcp(flags, b"", payload, *ports, sequence & LOWER)
        return Frame(self._ip(tcp, Port.CLUSTER if from_server else Port.WORLD)).pack()

    def at(self, from_server: bool, sequence: int, payload: bytes = b"", flags: int = ACK) -> bool:
        """Whether a segment with this sequence number passes."""
        frame = self.segment(from_server, sequence, payload, flags)
        passed = self.sampler.frame(from_server, frame)
        assert passed in (None, frame)
        return passed is not None

    def say(self, from_server: bool, payload: bytes, flags: int = ACK) -> bool:
        """Whether what comes next passes."""
        passed = self.at(from_server, self.next[from_server], payload, flags)
        if passed:
            self.next[from_server] = (self.next[from_server] + len(payload)) & LOWER
        return passed

    def ask(self, payload: bytes, flags: int = ACK) -> bool:
        return self.say(False, payload, flags)

    def answer(self, payload: bytes, flags: int = ACK) -> bool:
        return self.say(True, payload, flags)

    def close(self) -> None:
        assert self.ask(b"", ACK | FIN)
        assert self.answer(b"", ACK | FIN)


def sampler(flows: int = 4, slots: int = 4, slot_bytes: int = 4096, threshold: int | None = (1 << 64) - 1) -> Sampler:
    """In its first epoch, unless there is no threshold."""
    made = Sampler(flows, slots, slot_bytes, MACS)
    if threshold is not None:
        made.epoch(KEY, threshold)
    return made
