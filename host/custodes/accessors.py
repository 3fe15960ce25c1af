# SPDX-License-Identifier: Apache-2.0
"""A device's registers by name, as its map says what they are."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar, overload

from custodes.errors import DeviceError, UsageError
from custodes.link import Link
from custodes.register_map import WORD_BITS, Access, Field, Guard, Register, RegisterMap

ALL_ONES = (1 << WORD_BITS) - 1
E = TypeVar("E", bound=enum.IntEnum)


class Registers:
    """Registers of the device behind a link.

    Every method raises `UsageError` where the map has no such register or field, or it cannot be had in that way, before
    anything is sent; `RefusedError` where the device refuses, as it does with some unless it is blank; and `DeviceError`
    where it does not answer, or what it answers cannot be: an idle line and a device without power read all ones.

    Args:
        registers: the map, with an ``IDENTITY`` by which an idle line is told.
    """

    def __init__(self, link: Link, registers: RegisterMap) -> None:
        self.link = link
        self.map = registers

    def read(self, name: str, index: int = 0) -> int:
        """A register, or one of several in a row."""
        return self._read(self._may(name, Access.READ, index), index)

    @overload
    def field(self, name: str, field: str, kind: None = None, index: int = 0) -> int: ...
    @overload
    def field(self, name: str, field: str, kind: type[E], index: int = 0) -> E: ...
    def field(self, name: str, field: str, kind: type[E] | None = None, index: int = 0) -> int | E:
        """A field of a register: a number, or a value of the enumeration ``kind``, which must be the map's.

        Raises:
            DeviceError: it has no value of that enumeration.
        """
        register = self._may(name, Access.READ, index)
        place = _field(register.fields_read, name, field)
        if kind is not None and kind is not place.values:
            raise UsageError(f"{name}.{field} has no values of {kind.__name__}")
        value = _value(register, place, self._read(register, index))
        return value if kind is None else kind(value)

    def fields(self, name: str, index: int = 0) -> dict[str, int]:
        """Every field of a register by name; values of an enumeration where the map has one."""
        register = self._may(name, Access.READ, index)
        value = self._read(register, index)
        return {field.name: _value(register, field, value) for field in register.fields_read}

    def words(self, name: str, count: int | None = None) -> list[int]:
        """All registers in a row, or the first of them."""
        register = self._may(name, Access.READ)
        count = register.count if count is None else count
        if not 0 <= count <= register.count:
            raise UsageError(f"{name} has {register.count} registers in a row, not {count}")
        values = self.link.read_many(self.map.address(name), count)
        if ALL_ONES in values:
            self._connected()
        return values

    def octets(self, name: str) -> bytes:
        """All registers in a row, the first byte the lowest of the first word, as digests are."""
        return b"".join(word.to_bytes(WORD_BITS // 8, "little") for word in self.words(name))

    def named(self, name: str) -> dict[str, int]:
        """All registers in a row, by what the map calls each."""
        register = self._may(name, Access.READ)
        if not register.names:
            raise UsageError(f"{name}: its registers have no names of their own")
        return dict(zip(register.names, self.words(name), strict=True))

    def write(self, name: str, value: int, index: int = 0) -> None:
        """Write a register, or one of several in a row. Bits of no field must be 0."""
        register = self._may(name, Access.WRITE, index)
        known = sum(field.mask for field in register.fields_written) if register.fields else ALL_ONES
        if not 0 <= value <= ALL_ONES:
            raise UsageError(f"{name} has {WORD_BITS} bits: {value:#x} does not fit")
        if value & ~known:
            raise UsageError(f"{name} has no bits {value & ~known:#x}")
        self.link.write(self.map.address(name, index), value)

    def write_words(self, name: str, values: Sequence[int]) -> None:
        """Write the first of several registers in a row that have no fields."""
        register = self._may(name, Access.WRITE)
        if len(values) > register.count:
            raise UsageError(f"{name} has {register.count} registers in a row, not {len(values)}")
        if any(not 0 <= value <= ALL_ONES for value in values):
            raise UsageError(f"{name} has {WORD_BITS} bits: a value does not fit")
        self.link.write_many(self.map.address(name), values)

    def write_fields(self, name: str, values: Mapping[str, int], index: int = 0) -> None:
        """Write a register, made of fields; those that are not named are 0."""
        register = self._may(name, Access.WRITE, index)
        value = 0
        for field, number in values.items():
            try:
                value |= _field(register.fields_written, name, field).place(number)
            except ValueError as error:
                raise UsageError(f"{name}.{error}") from None
        self.write(name, value, index)

    def _may(self, name: str, access: Access, index: int = 0) -> Register:
        """The register, if the host may have it that way."""
        if name not in self.map:
            near = get_close_matches(name.upper(), [register.name for register in self._all()], 1)
            raise UsageError(f"{name}: no such register{f'; did you mean {near[0]}?' if near else ''}")
        register = self.map[name]
        if not 0 <= index < register.count:
            raise UsageError(f"{name} has {register.count} registers in a row: there is no {index}")
        if register.guard is Guard.FIRMWARE:
            raise UsageError(f"{name} is for the device's firmware only")
        if access is Access.READ and not register.access.readable:
            raise UsageError(f"{name} cannot be read{': it holds a secret' if register.secret else ''}")
        if access is Access.WRITE and not register.access.writable:
            raise UsageError(f"{name} cannot be written")
        return register

    def _all(self) -> list[Register]:
        return [register for block in self.map.blocks for register in block.registers]

    def _read(self, register: Register, index: int) -> int:
        value = self.link.read(self.map.address(register.name, index))
        if value == ALL_ONES:
            self._connected()
        return value

    def _connected(self) -> None:
        if self.link.read(self.map.address("IDENTITY")) == ALL_ONES:
            raise DeviceError("the device reads all ones: it is not powered, not configured or not connected")


def _field(fields: Sequence[Field], register: str, name: str) -> Field:
    for field in fields:
        if field.name == name:
            return field
    names = ", ".join(field.name for field in fields)
    raise UsageError(f"{register} has no field {name}{f': try {names}' if names else ''}")


def _value(register: Register, field: Field, value: int) -> int:
    """A field in the value of its register, of the enumeration that the map has for it."""
    number = field.of(value)
    if field.values is None:
        return number
    try:
        return field.values(number)
    except ValueError:
        raise DeviceError(
            f"{register.name}.{field.name} reads {number:#x}, which is no {field.values.__name__}"
        ) from None
