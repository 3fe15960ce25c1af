# SPDX-License-Identifier: Apache-2.0
"""A processor made of the specification, that can be told to lie; keys and frames for it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from custodes.control_registers import CONTROL_BASE
from custodes.gateway_registers import GATEWAY_BASE
from custodes.keys import Keys
from custodes.link import Ingress, Link, Outcome
from custodes.macsec import ASSOCIATIONS, SALT_BYTES, Side, Suite
from custodes.model import Opener, Sealer
from custodes.processor import OUTCOMES
from custodes.processor_registers import (
    ADDRESS,
    ASSOCIATION_STATE,
    CHANNEL_IN_USE,
    COMMAND,
    COMMAND_SHIFT,
    COUNTERS,
    IDENTITY_VALUE,
    IN_USE,
    KEY,
    OCTETS,
    PN,
    PN_STATE,
    RECEIVE,
    SALT,
    SCI,
    SSCI,
    STATUS,
    STATUS_BUSY,
    STATUS_REFUSED,
    SUITE_SHIFT,
    VOCABULARY_VALUE,
    WINDOW,
    Command,
    association_register,
)
from custodes.registers import IDENTITY, LANES, VOCABULARY

PEER, OTHER, OWN = (bytes.fromhex(f"0200000000{last}") for last in ("02", "03", "01"))
SCI_OWN, SCI_PEER = OWN + b"\0\1", PEER + b"\0\1"
KEY_A, KEY_B = bytes(range(32)), bytes(range(32, 64))
KEYS_TOML = f"""
[[transmit]]
peer = "{PEER.hex(":")}"
sci = "{OWN.hex(":")}/1"
an = 1
[[transmit.association]]
an = 1
suite = "GCM-AES-256"
key = "{KEY_A.hex()}"

[[receive]]
sci = "{SCI_PEER.hex()}"
window = 4
[[receive.association]]
an = 1
suite = "GCM-AES-256"
key = "{KEY_B.hex()}"
"""
MIRROR_TOML = f"""
[[transmit]]
peer = "{OWN.hex(":")}"
sci = "{SCI_PEER.hex()}"
an = 1
association = [{{ an = 1, suite = "GCM-AES-256", key = "{KEY_B.hex()}" }}]

[[receive]]
sci = "{SCI_OWN.hex()}"
association = [{{ an = 1, suite = "GCM-AES-256", key = "{KEY_A.hex()}" }}]
"""
"""What the station at the other end has."""
START_COUNT, START_OCTETS = (1 << 32) - 1, (1 << 64) - 10
"""What every counter and total reads before anything has been counted."""
BUSY_READS = 2


def plain(size: int = 100, destination: bytes = PEER, source: bytes = OWN) -> bytes:
    """A frame of ``size`` bytes."""
    return (destination + source + b"\x08\x00" + bytes(i * 7 % 251 for i in range(size)))[:size]


class FakeProcessor(Link):
    """A processor that does what the specification does.

    ``spoil`` turns each honest outcome into what the device says; ``registers`` are answered before anything else;
    ``refuses`` are commands that are not carried out.
    """

    def __init__(
        self,
        spoil: Callable[[Outcome[Any]], Outcome[Any]] = lambda outcome: outcome,
        registers: dict[int, int] | None = None,
        refuses: Sequence[Command] = (),
    ) -> None:
        self.lanes = 1
        self.sent: list[Ingress[Any]] = []
        self.keys: list[bytes] = []
        self.closed = False
        self.sealer, self.opener = Sealer(), Opener()
        self._spoil = spoil
        identity = {IDENTITY: IDENTITY_VALUE, LANES: 1, VOCABULARY: VOCABULARY_VALUE, CONTROL_BASE: 0, GATEWAY_BASE: 0}
        self._registers = identity | (registers or {})
        self._refuses = refuses
        self._written: dict[int, int] = {}
        self._refused, self._busy = False, 0
        self._readers = {
            **dict(self._direction_readers(Side.ACCELERATOR, self.sealer)),
            **dict(self._direction_readers(Side.NETWORK, self.opener)),
        }

    def read(self, address: int) -> int:
        if address in self._registers:
            return self._registers[address]
        if address == STATUS:
            self._busy = max(self._busy - 1, 0)
            return STATUS_BUSY * (self._busy > 0) | STATUS_REFUSED * self._refused
        return self._readers[address]()

    def _direction_readers(self, side: Side, direction: Any) -> Iterator[tuple[int, Callable[[], int]]]:
        """Every register of the associations of one direction, and how it is read."""
        for number in range(ASSOCIATIONS):
            octets = association_register(OCTETS, side, number)
            yield octets, lambda number=number: START_OCTETS + direction.octets[number] & 0xFFFF_FFFF
            yield octets + 1, lambda number=number: START_OCTETS + direction.octets[number] >> 32 & 0xFFFF_FFFF
            state = association_register(ASSOCIATION_STATE, side, number)
            yield state, lambda number=number: 0 if direction.pn(number) is None else IN_USE | direction.suite(number)
            pn = association_register(PN_STATE, side, number)
            yield pn, lambda number=number: direction.pn(number) & 0xFFFF_FFFF
            yield pn + 1, lambda number=number: direction.pn(number) >> 32
            for outcome in OUTCOMES[side]:
                counter = association_register(COUNTERS, side, number) + outcome
                yield counter, lambda key=(number, outcome): START_COUNT + direction.counters[key] & 0xFFFF_FFFF

    def write(self, address: int, value: int) -> None:
        self._written[address] = value
        if address == COMMAND:
            assert not self._busy, "a command while the device is busy"
            self._busy = BUSY_READS
            self._refused = not self._carry_out(Command(value >> COMMAND_SHIFT), value)

    def _bytes(self, address: int, size: int) -> bytes:
        words = (self._written[address + at] for at in range(-(-size // 4)))
        return b"".join(word.to_bytes(4, "little") for word in words)[:size]

    def _carry_out(self, command: Command, value: int) -> bool:
        """Whether the command is not refused."""
        if command in self._refuses:
            return False
        number, receive = value & 0x3F, bool(value & RECEIVE)
        direction = self.opener if receive else self.sealer
        if command is Command.LOAD:
            suite = Suite(value >> SUITE_SHIFT & 3)
            pn = self._written[PN] | self._written[PN + 1] << 32
            key, salt = self._bytes(KEY, suite.key_bytes), self._bytes(SALT, SALT_BYTES)
            self.keys.append(key)
            try:
                direction.load(number, suite, key, pn, salt, self._written[SSCI])
            except ValueError:
                return False
        elif command is Command.ZEROISE:
            direction.zeroise(number)
        elif command is Command.SELECT:
            self.sealer.select(number)
        elif not value & CHANNEL_IN_USE:
            direction.clear_channel(number // 4)
        elif receive:
            self.opener.set_channel(number // 4, self._bytes(ADDRESS, 8), self._written[WINDOW])
        else:
            self.sealer.set_channel(number // 4, self._bytes(ADDRESS, 6), self._bytes(SCI, 8))
        return True

    def exchange(self, frames: Sequence[Ingress[Any]]) -> list[Outcome[Any]]:
        self.sent += frames
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Ingress[Any]) -> Outcome[Any]:
        work = self.sealer.seal if frame.port is Side.ACCELERATOR else self.opener.open
        result = work(frame.frame, frame.error)
        return self._spoil(Outcome(result.frame, result.reason))

    def close(self) -> None:
        self.closed = True


def keys(text: str = KEYS_TOML) -> Keys:
    """The keys of a file of this text."""

    return Keys.model_validate(tomllib.loads(text))
