# SPDX-License-Identifier: Apache-2.0
"""What a register map is: data, from which the gateware's decoder, the host's accessors, the firmware's header and the
documentation are made. Addresses count 32-bit words."""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import Any

WORD_BITS = 32


class Access(enum.Enum):
    """What a register does when it is read and written."""

    READ = "ro"
    WRITE = "wo"
    READ_WRITE = "rw"


class Guard(enum.Enum):
    """Who may use a register, and when. A refused access has no effect, and whoever asked is told."""

    ALWAYS = "always"
    BLANK = "blank"
    """The host in the lifecycle state blank only; firmware always."""
    FIRMWARE = "firmware"
    """Never the host."""


@dataclass(frozen=True)
class Field:
    """Bits of a register: ``width`` of them from ``lowest`` on; ``values`` names what they can be."""

    name: str
    lowest: int
    width: int
    description: str
    values: type[enum.IntEnum] | None = None

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1 << self.lowest

    def of(self, value: int) -> int:
        """The field in the value of its register."""
        return (value & self.mask) >> self.lowest


@dataclass(frozen=True)
class Register:
    """A register, or ``count`` of them in a row.

    Attributes:
        name: upper case, unique in its map.
        offset: from its block's base, in words.
        reset: what it reads after reset; None where that depends.
        secret: holds what nobody may read back: reads give 0, except by firmware where ``access`` says so.
    """

    name: str
    offset: int
    access: Access
    description: str
    fields: tuple[Field, ...] = ()
    count: int = 1
    reset: int | None = 0
    secret: bool = False
    guard: Guard = Guard.ALWAYS

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


@dataclass(frozen=True)
class Block:
    """Registers that belong together, from ``base`` on."""

    name: str
    base: int
    description: str
    registers: tuple[Register, ...]


class RegisterMap:
    """Every register of a device.

    Raises:
        ValueError: two registers have one name or one address, or a field does not fit.
    """

    def __init__(self, name: str, description: str, blocks: tuple[Block, ...]) -> None:
        self.name = name
        self.description = description
        self.blocks = blocks
        self._places: dict[str, tuple[Block, Register]] = {}
        taken: dict[int, str] = {}
        for block in blocks:
            for register in block.registers:
                if register.name in self._places:
                    raise ValueError(f"{register.name} stands twice in the map of {name}")
                self._places[register.name] = block, register
                for at in range(self.address(register.name), self.address(register.name) + register.count):
                    if at in taken:
                        raise ValueError(f"{register.name} and {taken[at]} are both at {at:#x}")
                    taken[at] = register.name
                bits = 0
                for field in register.fields:
                    if bits & field.mask or field.mask >> WORD_BITS or not field.width:
                        raise ValueError(f"{field.name} does not fit into {register.name}")
                    bits |= field.mask
        self._names = taken

    def __getitem__(self, name: str) -> Register:
        return self._places[name][1]

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def address(self, name: str, index: int = 0) -> int:
        """Word address of a register, or of one of several in a row."""
        block, register = self._places[name]
        if not 0 <= index < register.count:
            raise IndexError(f"{name} has {register.count}, not {index}")
        return block.base + register.offset + index

    def at(self, address: int) -> tuple[Register, int] | None:
        """The register at a word address, and which of several in a row it is; None where there is none."""
        name = self._names.get(address)
        return None if name is None else (self[name], address - self.address(name))

    def to_json(self) -> dict[str, Any]:
        """The whole map, as plain data."""
        return {
            "name": self.name,
            "description": self.description,
            "blocks": [
                {
                    "name": block.name,
                    "base": block.base,
                    "description": block.description,
                    "registers": [_register_json(block, register) for register in block.registers],
                }
                for block in self.blocks
            ],
        }

    @property
    def digest(self) -> bytes:
        """SHA-256 of the map as canonical JSON: host and device of one map have one digest."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).digest()


def _register_json(block: Block, register: Register) -> dict[str, Any]:
    return {
        "name": register.name,
        "address": block.base + register.offset,
        "count": register.count,
        "access": register.access.value,
        "guard": register.guard.value,
        "secret": register.secret,
        "reset": register.reset,
        "description": register.description,
        "fields": [
            {
                "name": field.name,
                "lowest": field.lowest,
                "width": field.width,
                "description": field.description,
                "values": {value.name: value.value for value in field.values} if field.values else None,
            }
            for field in register.fields
        ],
    }
