# SPDX-License-Identifier: Apache-2.0
"""What is written from the register maps: the firmware's header, and the reference as Markdown and as JSON."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from custodes import mailbox
from custodes.control_registers import (
    CONTROL_IDENTITY_VALUE,
    DIGEST_WORDS,
    MAILBOX_BYTES,
    MAILBOX_WORDS,
    SECRET_WORDS,
    WATCHDOG_FEED_VALUE,
    ZEROISE_VALUE,
    Mailbox,
    Noise,
)
from custodes.gateway_registers import UPLOAD_BLOCK
from custodes.lifecycle import Alarm, Lifecycle
from custodes.macsec import ASSOCIATIONS, ASSOCIATIONS_PER_CHANNEL, CHANNELS, MAX_WINDOW, Side, Suite
from custodes.mailbox import Event, Item, Request, SelfTest, Status
from custodes.maps import FIRMWARE, MAPS, NIC
from custodes.processor_registers import COUNTERS_PER_ASSOCIATION, TICK_CYCLES, Command
from custodes.register_map import Access, Field, Register, RegisterMap
from custodes.upload_modes import Mode

BYTES_PER_WORD = 4
CPU_VIEWS = (
    (FIRMWARE.description, 0x2000_0000, FIRMWARE.blocks),
    ("What hosts see, of every device with control, and of a gateway.", 0x3000_0000, (*NIC.blocks, UPLOAD_BLOCK)),
)
"""What the control CPU sees: description, byte address of word 0, and blocks."""
ENUMS: tuple[type[enum.IntEnum], ...] = (
    Lifecycle,
    Alarm,
    Mailbox,
    Noise,
    Request,
    Status,
    Item,
    SelfTest,
    Event,
    Command,
    Side,
    Suite,
    Mode,
)
CONSTANTS: dict[str, int] = {
    "CONTROL_IDENTITY_VALUE": CONTROL_IDENTITY_VALUE,
    "ZEROISE_VALUE": ZEROISE_VALUE,
    "WATCHDOG_FEED_VALUE": WATCHDOG_FEED_VALUE,
    "DIGEST_WORDS": DIGEST_WORDS,
    "SECRET_WORDS": SECRET_WORDS,
    "MAILBOX_WORDS": MAILBOX_WORDS,
    "MAILBOX_BYTES": MAILBOX_BYTES,
    "CHANNELS": CHANNELS,
    "ASSOCIATIONS_PER_CHANNEL": ASSOCIATIONS_PER_CHANNEL,
    "ASSOCIATIONS": ASSOCIATIONS,
    "COUNTERS_PER_ASSOCIATION": COUNTERS_PER_ASSOCIATION,
    "MAX_WINDOW": MAX_WINDOW,
    "TICK_CYCLES": TICK_CYCLES,
    **{name: value for name, value in vars(mailbox).items() if name.isupper() and isinstance(value, int)},
}
TEXTS = {name: value for name, value in vars(mailbox).items() if name.isupper() and isinstance(value, str)}
NOTE = "Written from the register maps by `make registers`."
MEANINGS = {Access.READ: "read", Access.WRITE: "write", Access.READ_WRITE: "read, write"}
TABLE_HEAD = ("| Address | Name | Access | Host | After reset | Meaning |", "|---|---|---|---|---|---|")
FIELDS_HEAD = ("| Register | Bits | Field | Access | Meaning |", "|---|---|---|---|---|")


def header() -> str:
    """The firmware's header in C: byte addresses, fields, and all numbers and texts that it shares with the host."""
    names: set[str] = set()

    def define(name: str, value: str) -> str:
        if name in names:
            raise ValueError(f"{name} would be defined twice")
        names.add(name)
        return f"#define {name} {value}"

    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        f"// {NOTE}",
        "#ifndef CUSTODES_REGISTERS_H",
        "#define CUSTODES_REGISTERS_H",
    ]
    for description, base, blocks in CPU_VIEWS:
        lines += ["", f"// {description}"]
        for block in blocks:
            for register in block.registers:
                address = base + BYTES_PER_WORD * block.address(register.name)
                lines.append(f"// {MEANINGS[register.access]}: {register.description}")
                lines.append(define(f"REG_{register.name}", f"{address:#010x}u"))
                if register.count > 1:
                    lines.append(define(f"REG_{register.name}_COUNT", f"{register.count}u"))
                for field in register.fields:
                    lines.append(define(f"REG_{register.name}_{field.name}_SHIFT", f"{field.lowest}u"))
                    lines.append(define(f"REG_{register.name}_{field.name}_MASK", f"{field.mask:#010x}u"))
    lines += ["", "// Numbers."]
    lines += [define(name, f"{value}u" if value < 1 << 16 else f"{value:#x}u") for name, value in CONSTANTS.items()]
    lines += ["", "// Texts."]
    lines += [define(f"TEXT_{name}", f'"{value}"') for name, value in TEXTS.items()]
    for values in ENUMS:
        lines += ["", f"// {_summary(values)}"]
        prefix = _upper(values.__name__)
        lines += [define(f"{prefix}_{value.name}", f"{value.value}u") for value in values]
    return "\n".join([*lines, "", "#endif", ""])


def reference(register_map: RegisterMap) -> str:
    """The map for people, in Markdown."""
    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        f"# Registers: {register_map.name}",
        "",
        register_map.description,
        "",
        f"{NOTE} Addresses count 32-bit words. SHA-256 of the map: `{register_map.digest.hex()}`.",
    ]
    for block in register_map.blocks:
        rows = [_row(register_map, register) for register in block.registers]
        fields = [_field_row(register, field) for register in block.registers for field in register.fields]
        lines += ["", f"## {block.name[0].upper()}{block.name[1:]}", "", block.description, "", *TABLE_HEAD, *rows]
        lines += ["", *FIELDS_HEAD, *fields] if fields else []
        for register in block.registers:
            if register.names:
                lines += ["", f"`{register.name}`: {_listed(register.names)}."]
    return "\n".join([*lines, ""])


def data(register_map: RegisterMap) -> str:
    """The map for programs, in JSON; `RegisterMap.digest` is made of it."""
    return json.dumps(register_map.to_json(), indent=2, ensure_ascii=True) + "\n"


def files() -> dict[Path, str]:
    """All that is written, by path in the repository."""
    written = {Path("firmware/registers.h"): header()}
    for register_map in MAPS:
        folder = Path("docs/registers")
        written[folder / f"{register_map.name}.md"] = reference(register_map)
        written[folder / f"{register_map.name}.json"] = data(register_map)
    return written


def _row(register_map: RegisterMap, register: Register) -> str:
    first = register_map.address(register.name)
    place = f"{first:#06x}" + (f" - {first + register.count - 1:#06x}" if register.count > 1 else "")
    reset = "" if register.reset is None or not register.access.readable else f"{register.reset:#x}"
    secret = " Secret." if register.secret else ""
    return (
        f"| {place} | `{register.name}` | {MEANINGS[register.access]} | {_HOST[register.guard.value]} | {reset}"
        f" | {register.description}{secret} |"
    )


_HOST = {
    "always": "always",
    "blank": "while blank",
    "write blank": "reads always, writes while blank",
    "firmware": "never",
}


def _field_row(register: Register, field: Field) -> str:
    bits = f"{field.lowest}" if field.width == 1 else f"{field.lowest + field.width - 1}:{field.lowest}"
    values = _listed(f"{value.name} = {value.value}" for value in field.values) if field.values else ""
    access = "" if field.access is Access.READ_WRITE else MEANINGS[field.access]
    meaning = f"{field.description} {values}".strip()
    return f"| `{register.name}` | {bits} | `{field.name}` | {access or MEANINGS[register.access]} | {meaning} |"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _summary(values: type[enum.IntEnum]) -> str:
    """The first sentence of what an enumeration is for."""
    return " ".join((values.__doc__ or "").split()).partition(". ")[0].removesuffix(".") + "."


def _upper(name: str) -> str:
    """SelfTest -> SELF_TEST."""
    return "".join(f"_{letter}" if letter.isupper() and at else letter.upper() for at, letter in enumerate(name))


def main() -> None:
    """Write the files into the repository that the first argument names, the working directory by default."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for path, text in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
