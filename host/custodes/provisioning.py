# SPDX-License-Identifier: Apache-2.0
"""Provisioning: what a device is to be told once and for good, as one validated TOML file and the files that it names.

`load_provisioning` makes of it the items of `custodes.mailbox.Item`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from custodes.control_registers import CONTROL_BASE
from custodes.deterministic import encode
from custodes.errors import KeysError, PolicyError
from custodes.firmware import provisioning_digest
from custodes.governors import public_key
from custodes.keys import Mac, Sci, twice
from custodes.macsec import CHANNELS, MAX_WINDOW, Side
from custodes.mailbox import DIGEST_BYTES, MAX_GOVERNORS, MAX_ITEM_BYTES, Item
from custodes.maps import NIC
from custodes.policy import MAX_FILE_BYTES, Number, Strict, first_problem
from custodes.register_map import WORD_BITS, Access, Guard

MAX_TEXT_BYTES = 64
_HASHED_AT_ONCE = 1 << 20


def _text(value: object) -> object:
    if isinstance(value, str) and not 1 <= len(value.encode("utf-8", "replace")) <= MAX_TEXT_BYTES:
        raise ValueError(f"should have 1 to {MAX_TEXT_BYTES} bytes")
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("should have printable characters only")
    return value


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-fA-F]{{{2 * DIGEST_BYTES}}}", value):
        raise ValueError(f"is not {2 * DIGEST_BYTES} hexadecimal digits")
    return bytes.fromhex(value)


ShortText = Annotated[str, BeforeValidator(_text), Field(strict=True)]
Digest = Annotated[bytes, BeforeValidator(_digest)]
FileName = Annotated[str, Field(strict=True, min_length=1)]


class DeviceTable(Strict):
    """The name that the device gets; and what it must be to get it, where that is known beforehand."""

    name: ShortText
    serial: ShortText
    identity_key: Digest | None = None
    build_id: Digest | None = None
    rom_digest: Digest | None = None


class GovernorsTable(Strict):
    """Who gives orders: files with public keys, and how many of them must sign."""

    threshold: Annotated[Number, Field(ge=1, le=MAX_GOVERNORS)]
    keys: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=MAX_GOVERNORS)]

    @model_validator(mode="after")
    def _enough(self) -> GovernorsTable:
        if self.threshold > len(self.keys):
            raise ValueError(f"threshold: {self.threshold} of {len(self.keys)} governors can never sign")
        return self


class Model(Strict):
    """Weights that may be loaded: a file of them, or how long they are and their SHA-256."""

    model: ShortText
    file: FileName | None = None
    bytes: Annotated[Number, Field(ge=1, lt=1 << 61)] | None = None
    sha256: Digest | None = None

    @model_validator(mode="after")
    def _known(self) -> Model:
        given = [value is not None for value in (self.file, self.bytes, self.sha256)]
        if given not in ([True, False, False], [False, True, True]):
            raise ValueError("should have either a file, or bytes and sha256")
        return self


class PolicyTable(Strict):
    """A policy file, of which the device keeps the SHA-256, and registers that it sets once it is operational."""

    file: FileName
    registers: dict[str, Annotated[Number, Field(ge=0, lt=1 << WORD_BITS)]] = {}

    @model_validator(mode="after")
    def _settable(self) -> PolicyTable:
        for name in self.registers:
            if name not in NIC:
                raise ValueError(f"registers: the device has no register {name}")
            register = NIC[name]
            if (
                NIC.address(name) >= CONTROL_BASE
                or register.access is Access.READ
                or register.guard is not Guard.ALWAYS
            ):
                raise ValueError(f"registers: {name} is not for a policy to set")
        return self


class Transmit(Strict):
    """A channel that seals for the station ``peer``."""

    peer: Mac
    sci: Sci


class Receive(Strict):
    """A channel that opens what comes from the station with ``sci``."""

    sci: Sci
    window: Annotated[Number, Field(ge=0, le=MAX_WINDOW)] = 0


class Tables(Strict):
    """The file."""

    device: DeviceTable
    governors: GovernorsTable
    policy: PolicyTable
    whitelist: tuple[Model, ...] = ()
    transmit: Annotated[tuple[Transmit, ...], Field(max_length=CHANNELS)] = ()
    receive: Annotated[tuple[Receive, ...], Field(max_length=CHANNELS)] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Tables:
        if (model := twice(entry.model for entry in self.whitelist)) is not None:
            raise ValueError(f"whitelist: {model} is listed twice")
        if (peer := twice(channel.peer for channel in self.transmit)) is not None:
            raise ValueError(f"transmit: peer {peer.hex(':')} is listed twice")
        if (sci := twice(channel.sci for channel in self.receive)) is not None:
            raise ValueError(f"receive: SCI {sci.hex()} is listed twice")
        return self


@dataclass(frozen=True)
class Provisioning:
    """What a device is to be told."""

    device: DeviceTable
    threshold: int
    governors: tuple[bytes, ...]
    """Their public keys; the number of a governor is its place."""
    transmit: tuple[Transmit, ...]
    receive: tuple[Receive, ...]
    whitelist: tuple[tuple[str, int, bytes], ...]
    policy: tuple[bytes, tuple[tuple[int, int], ...]]

    @cached_property
    def items(self) -> dict[Item, bytes]:
        """Every item, as the device keeps it."""
        sessions: list[Any] = [
            [int(Side.ACCELERATOR), number, channel.peer, channel.sci, 0]
            for number, channel in enumerate(self.transmit)
        ]
        sessions += [
            [int(Side.NETWORK), number, channel.sci, channel.sci, channel.window]
            for number, channel in enumerate(self.receive)
        ]
        sha256, registers = self.policy
        return {
            Item.IDENTITY: encode([self.device.name, self.device.serial]),
            Item.GOVERNORS: encode([self.threshold, list(self.governors)]),
            Item.WHITELIST: encode([list(entry) for entry in self.whitelist]),
            Item.POLICY: encode([sha256, [list(write) for write in registers]]),
            Item.SESSIONS: encode(sessions),
        }

    @property
    def digest(self) -> bytes:
        """The provisioning digest, of all items."""
        return provisioning_digest([hashlib.sha256(self.items[item]).digest() for item in Item])


def load_provisioning(path: Path) -> Provisioning:
    """Read and validate a provisioning file and the files that it names, which are sought beside it.

    Raises:
        PolicyError: with one line that names what is wrong.
        KeysError: a governor's key cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise PolicyError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        tables = Tables.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise PolicyError(f"{path}: {first_problem(error)}") from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: not TOML: {error}") from None
    return _resolved(path, tables)


def _resolved(path: Path, tables: Tables) -> Provisioning:
    governors = tuple(public_key(path.parent / name) for name in tables.governors.keys)
    if (key := twice(governors)) is not None:
        raise KeysError(f"{path}: governors.keys: {key.hex()} is listed twice")
    whitelist = []
    for entry in tables.whitelist:
        size, sha256 = _hashed(path, entry.file) if entry.file else (entry.bytes, entry.sha256)
        whitelist.append((entry.model, size or 0, sha256 or b""))
    _, policy = _hashed(path, tables.policy.file)
    writes = sorted((NIC.address(name), value) for name, value in tables.policy.registers.items())
    found = Provisioning(
        tables.device,
        tables.governors.threshold,
        governors,
        tables.transmit,
        tables.receive,
        tuple(whitelist),
        (policy, tuple(writes)),
    )
    for item, encoded in found.items.items():
        if len(encoded) > MAX_ITEM_BYTES:
            raise PolicyError(f"{path}: {item.name.lower()}: {len(encoded)} bytes; the device takes {MAX_ITEM_BYTES}")
    return found


def _hashed(beside: Path, name: str) -> tuple[int, bytes]:
    """Length and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    path = beside.parent / name
    try:
        with path.open("rb") as file:
            while piece := file.read(_HASHED_AT_ONCE):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise PolicyError(f"{beside}: {name!r} is no name of a file") from None
    if not size:
        raise PolicyError(f"{path}: is empty")
    return size, digest.digest()
