# SPDX-License-Identifier: Apache-2.0
"""A processor behind a `Link`: who it is, its keys, and its counters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from custodes.device import at_rest, identify, opened
from custodes.errors import DeviceError, KeysError
from custodes.keys import Association, Keys
from custodes.link import Link
from custodes.macsec import ASSOCIATIONS, ASSOCIATIONS_PER_CHANNEL, CHANNELS, SALT_BYTES, Opening, Sealing, Side, Suite
from custodes.processor_registers import (
    ASSOCIATION_STATE,
    COMMAND,
    COUNTERS,
    IDENTITY_VALUE,
    IN_USE,
    OCTETS,
    PN_STATE,
    STATUS,
    STATUS_BUSY,
    STATUS_REFUSED,
    STATUS_TAMPERED,
    VOCABULARY_VALUE,
    Command,
    association_register,
    channel_writes,
    command,
    load_writes,
)

OUTCOMES: dict[Side, type[Sealing] | type[Opening]] = {Side.ACCELERATOR: Sealing, Side.NETWORK: Opening}
SIMULATED = "sim:processor"
_PATIENCE = 10_000
"""Reads of the status after which a command that is still being carried out never will be."""

CounterKey = tuple[Side, int, Sealing | Opening]
"""What a counter counts: side where frames enter, number of the association, outcome."""


class Counts(NamedTuple):
    """The 32-bit counters of frames, and the 64-bit totals of octets of secure data by side and association."""

    frames: dict[CounterKey, int]
    octets: dict[tuple[Side, int], int]

    def since(self, before: Counts) -> Counts:
        """By how much each has risen."""
        return Counts(
            {key: (count - before.frames[key]) % (1 << 32) for key, count in self.frames.items()},
            {key: (count - before.octets[key]) % (1 << 64) for key, count in self.octets.items()},
        )


class Processor:
    """A processor that has said who it is.

    Members:
        channels: that it has, each way.

    Raises:
        DeviceError: what answers is no processor, or has another lane count than it was opened with.
    """

    channels = CHANNELS

    def __init__(self, link: Link) -> None:
        self.link = link
        identify(link, "processor", IDENTITY_VALUE, VOCABULARY_VALUE)

    def load(self, keys: Keys) -> None:
        """Put keys into the device, and overwrite those that are there.

        Raises:
            KeysError: there are more channels than the device has.
            DeviceError: it refuses.
        """
        for name, channels in (("transmit", keys.transmit), ("receive", keys.receive)):
            if len(channels) > self.channels:
                raise KeysError(f"{len(channels)} {name} channels; the device has {self.channels}")
        self._wait()
        for address, value in keys_writes(keys):
            self.link.write(address, value)
            if address == COMMAND and self._wait() & STATUS_REFUSED:
                raise DeviceError(f"the device refuses to {Command(value >> 28).name.lower()}")

    def _wait(self) -> int:
        """The status, once no command is being carried out."""
        for _ in range(_PATIENCE):
            status = self.link.read(STATUS)
            if status & STATUS_TAMPERED:
                raise DeviceError("the device has been tampered with: nothing passes until it is reset")
            if not status & STATUS_BUSY:
                return status
        raise DeviceError("the device does not finish a command")

    @property
    def tampered(self) -> bool:
        """Whether everything has been zeroised and nothing passes until a reset."""
        return bool(self.link.read(STATUS) & STATUS_TAMPERED)

    def association(self, side: Side, number: int) -> tuple[Suite, int] | None:
        """The suite of an association, and its next PN or the lowest acceptable; None where it has no key."""
        state = self.link.read(association_register(ASSOCIATION_STATE, side, number))
        if not state & IN_USE:
            return None
        lower = association_register(PN_STATE, side, number)
        return Suite(state & ~IN_USE), self.link.read(lower) | self.link.read(lower + 1) << 32

    def numbers(self, side: Side) -> list[int]:
        """The associations of a direction that have a key."""
        states = self.link.read_many(association_register(ASSOCIATION_STATE, side, 0), ASSOCIATIONS)
        return [number for number, state in enumerate(states) if state & IN_USE]

    def in_use(self, side: Side) -> int:
        """How many associations of a direction have a key."""
        return len(self.numbers(side))

    def counters(self) -> Counts:
        """Every counter and total, once they have come to rest."""
        return at_rest(self._read_counters)

    def _read_counters(self) -> Counts:
        frames: dict[CounterKey, int] = {}
        octets: dict[tuple[Side, int], int] = {}
        for side, outcomes in OUTCOMES.items():
            for association in range(ASSOCIATIONS):
                first = association_register(COUNTERS, side, association)
                for outcome in outcomes:
                    frames[side, association, outcome] = self.link.read(first + outcome)
                lower = association_register(OCTETS, side, association)
                octets[side, association] = self.link.read(lower) | self.link.read(lower + 1) << 32
        return Counts(frames, octets)


def keys_writes(keys: Keys) -> Iterator[tuple[int, int]]:
    """Register writes, (address, value), that overwrite every session of a device and put those of ``keys`` in.

    After each of `COMMAND` the device must have stopped being busy before the next.
    """
    for side in Side:
        for association in range(ASSOCIATIONS):
            yield COMMAND, command(Command.ZEROISE, association, side)
        for channel in range(CHANNELS):
            yield COMMAND, command(Command.CHANNEL, channel * ASSOCIATIONS_PER_CHANNEL, side)
    for number, channel in enumerate(keys.transmit):
        yield from channel_writes(Side.ACCELERATOR, number, channel.peer, channel.sci, 0)
        yield from _loads(Side.ACCELERATOR, number, channel.association)
        selected = number * ASSOCIATIONS_PER_CHANNEL + channel.an
        yield COMMAND, command(Command.SELECT, selected, Side.ACCELERATOR)
    for number, channel in enumerate(keys.receive):
        yield from channel_writes(Side.NETWORK, number, channel.sci, channel.sci, channel.window)
        yield from _loads(Side.NETWORK, number, channel.association)


def _loads(side: Side, channel: int, associations: tuple[Association, ...]) -> Iterator[tuple[int, int]]:
    for one in associations:
        number = channel * ASSOCIATIONS_PER_CHANNEL + one.an
        salt, ssci = one.salt or bytes(SALT_BYTES), one.ssci or 0
        yield from load_writes(side, number, one.suite, one.key, one.pn, salt, ssci, lifetime=0)


def open_processor(name: str, lanes: int = 1, waveform: Path | None = None) -> AbstractContextManager[Processor]:
    """Open a processor by name for the length of a block, as `custodes.device.opened` describes."""
    return opened(Processor, name, lanes, waveform)
