# SPDX-License-Identifier: Apache-2.0
"""`custodes reg`: the registers of a device, by name or by address."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

import typer

from custodes.command_line import EXIT_CODES, JsonOption, QuietOption, VerboseOption, command, screen
from custodes.device import opened
from custodes.errors import RefusedError, UsageError
from custodes.nic import Nic
from custodes.nic_access import NIC_DEVICE, NicOption
from custodes.recognition import map_of, recognised, roused
from custodes.register_map import WORD_BITS, Access, Guard, Register, RegisterMap

MAX_ADDRESS = 0x1FFF
WHERE = "NAME, NAME[INDEX] or an address, in words"
app = typer.Typer(
    name="reg",
    help="Read and write registers of a device.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PlaceArgument = Annotated[str, typer.Argument(metavar="REGISTER", help=f"{WHERE}: 0x1002 or 4098.")]


class Place(NamedTuple):
    """A register, by its address; ``register``: None where the map has none there."""

    address: int
    register: Register | None
    at: int
    """Which of several in a row."""

    @property
    def name(self) -> str:
        """As a user may write it."""
        if self.register is None:
            return f"{self.address:#06x}"
        return self.register.name + (f"[{self.at}]" if self.register.count > 1 else "")

    @property
    def title(self) -> str:
        """What the map calls it, among several in a row."""
        return self.register.names[self.at] if self.register and self.register.names else ""


def _number(text: str, limit: int) -> int | None:
    """A decimal, hexadecimal or binary number up to a limit; None where it is none."""
    try:
        value = int(text.replace("_", ""), 0)
    except ValueError:
        return None
    return value if 0 <= value <= limit else None


def _places(text: str, registers: RegisterMap) -> list[Place]:
    """What a user means: all of several in a row where no index is given."""
    address = _number(text, MAX_ADDRESS)
    if address is not None:
        found = registers.at(address)
        return [Place(address, *found) if found else Place(address, None, 0)]
    match = re.fullmatch(r"(\w+)(?:\[(\d{1,9})\])?", text)
    if not match or match[1].upper() not in registers:
        raise UsageError(f"{text}: no register of a {registers.name}, and no address up to {MAX_ADDRESS:#x}")
    register = registers[match[1].upper()]
    indices = range(register.count) if match[2] is None else [int(match[2])]
    if indices[-1] >= register.count:
        raise UsageError(f"{text}: {register.name} has {register.count}, counted from 0")
    return [Place(registers.address(register.name, index), register, index) for index in indices]


def _fields(register: Register | None, value: int, access: Access) -> dict[str, Any]:
    """The fields that a register has when it is read, or written: a number, or the name that it means."""
    found: dict[str, Any] = {}
    for field in register.fields if register else ():
        if not (field.access.readable if access is Access.READ else field.access.writable):
            continue
        number = field.of(value)
        names = {member.value: member.name for member in field.values} if field.values else {}
        found[field.name] = names.get(number, number)
    return found


def _explained(error: RefusedError, place: Place, device: object) -> RefusedError:
    """Why the device refuses, as far as its map says."""
    register = place.register
    if register is None:
        return RefusedError(f"{place.name}: the device refuses: its map has no register there")
    if register.guard is Guard.FIRMWARE:
        return RefusedError(f"{place.name}: the device refuses: only its firmware may use it")
    if register.guard in (Guard.BLANK, Guard.WRITE_BLANK) and isinstance(device, Nic):
        state = device.lifecycle.name.lower()
        return RefusedError(f"{place.name}: the device refuses: it is {state}, and this is for blank devices only")
    return RefusedError(f"{place.name}: {error}")


@app.command(epilog=EXIT_CODES)
@command
def read(
    register: PlaceArgument,
    device: NicOption = NIC_DEVICE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read a register, or all of several in a row. Its fields are shown by name."""
    display = screen(quiet, verbose)
    with opened(roused, device, 1) as found:
        places = _places(register, map_of(found))
        values = []
        for place in places:
            if place.register and place.register.access is Access.WRITE:
                raise UsageError(f"{place.name}: is written only")
            try:
                values.append(found.link.read(place.address))
            except RefusedError as error:
                raise _explained(error, place, found) from None
    lines = [
        {
            "name": place.name,
            "title": place.title,
            "address": place.address,
            "value": value,
            "fields": _fields(place.register, value, Access.READ),
        }
        for place, value in zip(places, values, strict=True)
    ]
    if as_json:
        display.json({"device": device, "registers": lines})
        return
    for line in lines:
        notes = [line["title"]] if line["title"] else [f"{name}={value}" for name, value in line["fields"].items()]
        display.result(f"{line['address']:#06x}  {line['name']:<20} {line['value']:#010x}  {'  '.join(notes)}")


@app.command(epilog=EXIT_CODES)
@command
def write(
    register: PlaceArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Of 32 bits: 0x2a, 42 or 0b101010. No secrets.")],
    device: NicOption = NIC_DEVICE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write a register. Secrets are not for the command line: registers that hold them are refused here."""
    display = screen(quiet, verbose)
    number = _number(value, (1 << WORD_BITS) - 1)
    if number is None:
        raise UsageError(f"{value}: is no number of 32 bits")
    with opened(roused, device, 1) as found:
        places = _places(register, map_of(found))
        if len(places) > 1:
            raise UsageError(f"{register}: there are {len(places)}; say which: {places[0].name}")
        (place,) = places
        if place.register and place.register.access is Access.READ:
            raise UsageError(f"{place.name}: is read only")
        if place.register and place.register.secret:
            raise UsageError(
                f"{place.name}: holds a secret, and others see the command line; use `custodes seal --keys`"
            )
        try:
            found.link.write(place.address, number)
        except RefusedError as error:
            raise _explained(error, place, found) from None
    fields = _fields(place.register, number, Access.WRITE)
    if as_json:
        written = {"name": place.name, "address": place.address, "value": number, "fields": fields}
        display.json({"device": device, "written": written})
    else:
        display.result(f"{place.address:#06x}  {place.name:<20} {number:#010x}  written")


@app.command("list", epilog=EXIT_CODES)
@command
def list_registers(
    pattern: Annotated[str, typer.Argument(metavar="[PART]", help="Only those with this in their name.")] = "",
    device: NicOption = NIC_DEVICE,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """List the registers of a device: address, access, who may use it, name, what it is."""
    display = screen(quiet, verbose)
    with opened(recognised, device, 1) as found:
        registers = map_of(found)
    blocks = registers.to_json()["blocks"]
    lines = [one for block in blocks for one in block["registers"] if pattern.upper() in one["name"]]
    if as_json:
        display.json({"device": device, "map": registers.name, "digest": registers.digest.hex(), "registers": lines})
        return
    for one in lines:
        name = one["name"] + (f"[{one['count']}]" if one["count"] > 1 else "")
        display.result(f"{one['address']:#06x}  {one['access']:<2}  {one['guard']:<8}  {name:<24} {one['description']}")
    if not lines:
        display.note(f"no register has {pattern} in its name")
