# SPDX-License-Identifier: Apache-2.0
"""What a register map is: data, from which the gateware's decoder, the host's accessors, the firmware's header and the
documentation are made. Addresses count 32-bit words."""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any, NamedTuple

WORD_BITS = 32
DATAPATH_WORDS = 0x1000
"""Word addresses below belong to a device's datapath, those from here on to its control."""


class Access(enum.Enum):
    """Which accesses a register has. One that it has not is refused, and a read then gives 0."""

    READ = "ro"
    WRITE = "wo"
    READ_WRITE = "rw"

    @property
    def readable(self) -> bool:
        return self is not Access.WRITE

    @property
    def writable(self) -> bool:
        return self is not Access.READ


class Guard(enum.Enum):
    """Who may use a register, and when. A refused access has no effect, and whoever asked is told."""

    ALWAYS = "always"
    BLANK = "blank"
    """The host in the lifecycle state blank only; firmware always."""
    WRITE_BLANK = "write blank"
    """The host reads it in every state, and writes it in blank only; firmware always."""
    FIRMWARE = "firmware"
    """Never the host."""


@dataclass(frozen=True)
class Field:
    """Bits of a register: ``width`` of them from ``lowest`` on; ``values`` names what they can be. What is read may have
    other fields than what is written: see ``access``."""

    name: str
    lowest: int
    width: int
    description: str
    values: type[enum.IntEnum] | None = None
    access: Access = Access.READ_WRITE

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1 << self.lowest

    def place(self, value: int) -> int:
        """What the field adds to the value of its register. Raises `ValueError` where it does not fit."""
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"{self.name} has {self.width} bits: {value:#x} does not fit")
        return value << self.lowest

    def of(self, value: int) -> int:
        """The field in the value of its register."""
        return (value & self.mask) >> self.lowest


@dataclass(frozen=True)
class Register:
    """A register, or ``count`` of them in a row.

    Attributes:
        name: upper case, unique in its map.
        offset: from its block's base, in words.
        reset: what it reads after reset, if it can be read; None where that depends.
        secret: holds what no host may ever read; firmware may where ``access`` says so.
        names: what each of several in a row is, by its number.
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
    names: tuple[str, ...] = ()

    @property
    def fields_read(self) -> tuple[Field, ...]:
        """Those of what is read."""
        return tuple(field for field in self.fields if self.access.readable and field.access.readable)

    @property
    def fields_written(self) -> tuple[Field, ...]:
        """Those of what is written."""
        return tuple(field for field in self.fields if self.access.writable and field.access.writable)

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)


@dataclass(frozen=True)
class Block:
    """Registers that belong together, from ``base`` on."""

    name: str
    base: int
    description: str
    registers: tuple[Register, ...]

    def __getitem__(self, name: str) -> Register:
        return next(register for register in self.registers if register.name == name)

    def address(self, name: str) -> int:
        """Word address of a register, of the first of several in a row."""
        return self.base + self[name].offset


class Range(NamedTuple):
    """``words`` word addresses from ``first`` on of which the same holds."""

    first: int
    words: int
    guard: Guard
    readable: bool
    writable: bool


class RegisterMap:
    """Every register of a device.

    Raises:
        ValueError: two registers have one name or one address, a field does not fit, or a host could read a secret.
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
                _check(register)
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

    def guards(self) -> list[Range]:
        """Every address that there is, in order, in as few ranges as possible: what a firewall lets through."""
        single = []
        for address in sorted(self._names):
            register = self[self._names[address]]
            single.append(Range(address, 1, register.guard, register.access.readable, register.access.writable))
        starts = [at for at, (before, here) in enumerate(pairwise(single), 1) if not _continues(before, here)]
        return [single[first]._replace(words=after - first) for first, after in pairwise([0, *starts, len(single)])]

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
        """SHA-256 of the map as canonical JSON, without descriptions: host and device of one map have one digest, and a word
        that explains better does not part them."""
        text = json.dumps(_bare(self.to_json()), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).digest()


def _bare(data: Any) -> Any:
    """``data`` without descriptions."""
    if isinstance(data, dict):
        return {key: _bare(value) for key, value in data.items() if key != "description"}
    return [_bare(value) for value in data] if isinstance(data, list) else data


def _check(register: Register) -> None:
    """Raise `ValueError` where fields or names of a register do not fit, or a host could read a secret."""
    if register.secret and register.access.readable and register.guard is not Guard.FIRMWARE:
        raise ValueError(f"{register.name} is secret, and can be read")
    for field in register.fields:
        if field.mask >> WORD_BITS or not field.width or (field.values and max(field.values) >> field.width):
            raise ValueError(f"{field.name} does not fit into {register.name}")
        if field not in (*register.fields_read, *register.fields_written):
            raise ValueError(f"{field.name} of {register.name} can be neither read nor written")
    for fields in (register.fields_read, register.fields_written):
        if sum(field.mask for field in fields) != reduce(or_, (field.mask for field in fields), 0):
            raise ValueError(f"fields of {register.name} share bits")
    if register.names and len(register.names) != register.count:
        raise ValueError(f"{register.name} has {register.count} registers and {len(register.names)} names")


def _continues(before: Range, here: Range) -> bool:
    return here == before._replace(first=before.first + 1)


def _register_json(block: Block, register: Register) -> dict[str, Any]:
    return {
        "name": register.name,
        "address": block.base + register.offset,
        "count": register.count,
        "access": register.access.value,
        "guard": register.guard.value,
        "secret": register.secret,
        "reset": register.reset if register.access.readable else None,
        "description": register.description,
        "names": list(register.names),
        "fields": [
            {
                "name": field.name,
                "lowest": field.lowest,
                "width": field.width,
                "access": field.access.value,
                "description": field.description,
                "values": {value.name: value.value for value in field.values} if field.values else None,
            }
            for field in register.fields
        ],
    }
