# SPDX-License-Identifier: Apache-2.0
"""A gateway behind a `Link`: its server's power and weights, its policy, its epochs, and the keys of its sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from custodes.accessors import Registers
from custodes.device import opened
from custodes.errors import DeviceError, RefusedError
from custodes.gateway_formats import WORD_BYTES, Record
from custodes.gateway_registers import (
    GATEWAY_BLOCK,
    GATEWAY_CHANNELS,
    GATEWAY_IDENTITY_VALUE,
    SCRUBBER_BASE,
    Fault,
    Mode,
    UploadOrder,
)
from custodes.link import Link
from custodes.maps import GATEWAY, GATEWAYS
from custodes.policy import Policy
from custodes.processor import Processor
from custodes.processor_registers import words
from custodes.registers import policy_writes
from custodes.samples import End

REASONS = {
    Fault.RESET: "the gateway has had no power",
    Fault.ORDERED: "its host told it to",
    Fault.GUARD: "a unit of the gateway failed, or somebody tampered with it",
    Fault.BACKWARD: "the server sent something before it was allowed to serve",
    Fault.SECOND: "weights came when there were enough",
    Fault.ORDER: "weights came out of order, or were not divided as they must be",
    Fault.MALFORMED: "a frame of weights was malformed",
    Fault.PAUSE: "weights did not come for too long",
    Fault.DIGEST: "the weights are not those that were announced",
    Fault.LENGTH: "the announced number of bits is none of whole octets",
}
"""Why a server has no power."""
PATIENCE_S = 10.0
"""For what a gateway does by itself."""
_POLL_S = 0.001
MAC_BYTES = 6


class EpochRecord(NamedTuple):
    """Of an epoch that has ended."""

    epoch: int
    pairs: int
    kept: int
    threshold: int
    events: dict[str, int]
    """Frames dropped since the server was switched on, by why."""
    root: bytes
    key: bytes

    @classmethod
    def of(cls, record: End) -> EpochRecord:
        """What the words of a record say."""
        events = {word.name.lower(): record.word(word) for word in Record if Record.STORE_FULL <= word < Record.ROOT}
        pairs, kept = record.word(Record.PAIRS), record.word(Record.KEPT)
        return cls(record.epoch, pairs, kept, record.threshold, events, record.root, record.key)


def mac_words(mac: bytes) -> list[int]:
    """An address as its two registers have it."""
    padded = mac.ljust(8, b"\0")
    return [int.from_bytes(padded[:4]), int.from_bytes(padded[4:])]


class Gateway(Processor):
    """A gateway that has said who it is. Its keys, as of a `Processor`, are those of the session to the recomputer, and of
    that in which weights come where they come sealed.

    Members:
        registers: all that it has, by name.

    Raises:
        DeviceError: what answers is no gateway, or of another version.
    """

    channels = GATEWAY_CHANNELS

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.registers = Registers(link, GATEWAY)
        try:
            identity = self.registers.read("GATEWAY_IDENTITY")
        except RefusedError:
            raise DeviceError("the device is no gateway: it has no register where one says so") from None
        if identity != GATEWAY_IDENTITY_VALUE:
            raise DeviceError(
                f"the device is no gateway: its identity is {identity:#010x}, not {GATEWAY_IDENTITY_VALUE:#010x}"
            )
        told = self.registers.read("GATEWAY_MAP")
        known = next((known for known in GATEWAYS if int.from_bytes(known.digest[:4], "little") == told), None)
        if known is None:
            raise DeviceError("the device was built from another version than this host; run `make sim` again")
        self.registers = Registers(link, known)

    @property
    def mode(self) -> Mode:
        return self.registers.field("UPLOAD_STATE", "MODE", Mode)

    @property
    def fault(self) -> Fault:
        """Why the server had no power when it had none last."""
        return self.registers.field("UPLOAD_STATE", "FAULT", Fault)

    @property
    def counted(self) -> int:
        """Octets of weights that have come."""
        return self._bits("UPLOAD_COUNTED") // 8

    def _bits(self, name: str) -> int:
        """A number of bits, which has two registers."""
        lower, upper = self.registers.words(name)
        return upper << 32 | lower

    def off(self) -> DeviceError:
        """What to raise where the server has lost its power."""
        return DeviceError(f"the server has no power: {REASONS[self.fault]}")

    def start(
        self, bits: int, digest: bytes, server: bytes = b"\xff" * MAC_BYTES, pause_cycles: int | None = None
    ) -> None:
        """Give the server power, and take so many bits of weights with this SHA-256.

        Args:
            server: the MAC address that weights are sent to.
            pause_cycles: how long weights may be in coming.

        Raises:
            DeviceError: it does not begin.
        """
        registers = self.registers
        self.wait(lambda: bool(registers.field("UPLOAD_STATE", "READY")), "does not let its server have power again")
        self._announce(bits, digest)
        registers.write_words("SERVER_MAC", mac_words(server))
        if pause_cycles is not None:
            registers.write("UPLOAD_PAUSE_CYCLES", pause_cycles)
        registers.write("UPLOAD_COMMAND", UploadOrder.START)
        if self.mode is Mode.OFF:
            raise self.off()

    def _announce(self, bits: int, digest: bytes) -> None:
        """Say which weights are to come."""
        self.registers.write_words("UPLOAD_BITS", [bits & 0xFFFF_FFFF, bits >> 32])
        self.registers.write_words("UPLOAD_DIGEST", words(digest))

    def take_sealed(self, sealed: bool) -> None:
        """Whether weights come as MACsec, for a receive channel of the sessions; it stays so while the server has power."""
        self.registers.write("SEALED", int(sealed))

    def stop(self) -> None:
        """Take power from the server; all is forgotten."""
        self.registers.write("UPLOAD_COMMAND", UploadOrder.STOP)
        self.wait(lambda: self.mode is Mode.OFF, "does not take its server's power")

    def admit(self, policy: Policy) -> None:
        """Put a policy into the scrubbers: it is forgotten as the server loses its power. Raises `PolicyError` where their
        tables cannot hold it."""
        for address, value in list(policy_writes(policy)):
            self.link.write(SCRUBBER_BASE + address, value)

    def send_samples_to(self, recomputer: bytes, own: bytes) -> None:
        """MAC addresses of samples; forgotten as the server loses its power."""
        self.registers.write_words("RECOMPUTER_MAC", mac_words(recomputer))
        self.registers.write_words("SAMPLER_MAC", mac_words(own))

    def epoch(self, threshold: int) -> int:
        """End the epoch, if there is one, and begin another, whose key the gateway draws; returns its number."""
        registers, before = self.registers, self.registers.read("EPOCH")
        self._settled()
        registers.write_words("THRESHOLD", [threshold & 0xFFFF_FFFF, threshold >> 32])
        registers.write("SAMPLER_COMMAND", 1)
        self._settled()
        now, counts = registers.read("EPOCH"), self.counts
        if now != before + 1 or counts["threshold_high"] << 32 | counts["threshold"] != threshold:
            raise DeviceError("the gateway has not begun the epoch that it was told to")
        return now

    def _settled(self) -> None:
        """Wait until no epoch is being ended or begun, and nothing overwritten."""
        self.wait(lambda: not self.registers.field("SAMPLER_STATE", "BUSY"), "does not end or begin an epoch")

    @property
    def record(self) -> EpochRecord:
        """Of the last epoch that has ended."""
        data = b"".join(word.to_bytes(WORD_BYTES) for word in self.registers.words("RECORD"))
        return EpochRecord.of(End(data))

    @property
    def counts(self) -> dict[str, int]:
        """Of the epoch under way, by name."""
        return {name.lower(): count for name, count in self.registers.named("COUNTS").items()}

    @property
    def commitment(self) -> bytes:
        """To the key of the epoch under way."""
        return self.registers.octets("COMMITMENT")

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Let time pass in the device until it is done. Raises `DeviceError`, which says ``what``, where it never is."""
        until = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until:
                raise DeviceError(f"the gateway {what}")
            self.link.wait(_POLL_S)


def is_gateway(link: Link) -> bool:
    """Whether what has sessions is a gateway."""
    try:
        return link.read(GATEWAY_BLOCK.address("GATEWAY_IDENTITY")) == GATEWAY_IDENTITY_VALUE
    except RefusedError:
        return False


def open_gateway(name: str, lanes: int = 1, waveform: Path | None = None) -> AbstractContextManager[Gateway]:
    """Open a gateway by name for the length of a block, as `custodes.device.opened` describes."""
    return opened(Gateway, name, lanes, waveform)
