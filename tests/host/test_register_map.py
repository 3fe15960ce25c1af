# SPDX-License-Identifier: Apache-2.0
"""Register maps: what they refuse, what a firewall learns from them, and that what is written from them is up to date."""

import enum
import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from custodes import processor_registers, registers
from custodes.control_registers import CONTROL_BLOCK
from custodes.macsec import ASSOCIATIONS, Opening, Sealing, Side
from custodes.map_text import BYTES_PER_WORD, CPU_VIEWS, ENUMS, files, header, main
from custodes.maps import FIRMWARE, MAPS, NIC, PROCESSOR, SNG, WARDEN
from custodes.register_map import DATAPATH_WORDS, WORD_BITS, Access, Block, Field, Guard, Register, RegisterMap
from custodes.table import SCRUBBED, Port, Reason
from gateware.ethernet import mdio
from gateware.scrubber import lookup

ROOT = Path(__file__).parent.parent.parent
NAMES = [register_map.name for register_map in MAPS]
ALL = [
    (register_map, register) for register_map in MAPS for block in register_map.blocks for register in block.registers
]


class Colour(enum.IntEnum):
    RED = 0
    GREEN = 4


def a_map(*entries: Register) -> RegisterMap:
    return RegisterMap("try", "For tests.", (Block("block", 0x10, "For tests.", entries),))


def a_register(name: str = "ONE", offset: int = 0, access: Access = Access.READ_WRITE, *fields: Field) -> Register:
    return Register(name, offset, access, "For tests.", fields)


WRONG = {
    "stands twice": (a_register("ONE", 0), a_register("ONE", 1)),
    "both at 0x13": (replace(a_register("ONE", 2), count=2), a_register("TWO", 3)),
    "does not fit": (a_register("ONE", 0, Access.READ, Field("F", 31, 2, "")),),
    "F does not fit": (a_register("ONE", 0, Access.READ, Field("F", 0, 0, "")),),
    "COLOUR does not fit": (a_register("ONE", 0, Access.READ, Field("COLOUR", 0, 2, "", Colour)),),
    "ONE share bits": (a_register("ONE", 0, Access.READ, Field("F", 0, 2, ""), Field("G", 1, 1, "")),),
    "F of ONE can be neither": (a_register("ONE", 0, Access.READ, Field("F", 0, 1, "", access=Access.WRITE)),),
    "1 registers and 2 names": (replace(a_register(), names=("one", "two")),),
    "secret, and can be read": (replace(a_register(), secret=True),),
}


@pytest.mark.parametrize("message", WRONG)
def test_refuses_what_does_not_fit(message: str):
    with pytest.raises(ValueError, match=message):
        a_map(*WRONG[message])


def test_what_is_read_and_what_is_written_may_share_bits():
    fields = (Field("F", 0, 2, "", access=Access.READ), Field("G", 1, 1, "", access=Access.WRITE))
    assert a_map(a_register("ONE", 0, Access.READ_WRITE, *fields))["ONE"].fields == fields


def test_a_field_that_does_not_fit_is_not_placed():
    field = Field("F", 4, 3, "")
    assert field.place(5) == 0x50 and field.of(0x7F) == 7
    for value in (8, -1):
        with pytest.raises(ValueError, match="does not fit"):
            field.place(value)


def test_digest_is_of_all_but_descriptions():
    one = a_map(a_register("ONE", 0, Access.READ, Field("F", 0, 1, "")))
    others = [
        a_map(a_register("TWO", 0, Access.READ, Field("F", 0, 1, ""))),
        a_map(a_register("ONE", 1, Access.READ, Field("F", 0, 1, ""))),
        a_map(a_register("ONE", 0, Access.WRITE, Field("F", 0, 1, ""))),
        a_map(a_register("ONE", 0, Access.READ, Field("F", 1, 1, ""))),
        a_map(a_register("ONE", 0, Access.READ, Field("F", 0, 1, "", access=Access.READ))),
        a_map(replace(one["ONE"], reset=1)),
        a_map(replace(one["ONE"], count=2)),
        a_map(replace(one["ONE"], guard=Guard.BLANK)),
    ]
    assert len({other.digest for other in [one, *others]}) == 1 + len(others)
    assert a_map(replace(one["ONE"], description="In other words.")).digest == one.digest


@pytest.mark.parametrize("register_map", MAPS, ids=NAMES)
def test_ranges_say_of_every_address_what_its_register_says(register_map: RegisterMap):
    ranges = register_map.guards()
    told = {}
    for one in ranges:
        for address in range(one.first, one.first + one.words):
            assert address not in told
            told[address] = one.guard, one.readable, one.writable
    addresses = {address for address in range(2 * DATAPATH_WORDS) if register_map.at(address)}
    assert told.keys() == addresses
    for address in addresses:
        register, _ = register_map.at(address) or pytest.fail()
        assert told[address] == (register.guard, register.access.readable, register.access.writable)
    for before, after in pairwise(ranges):
        assert before.first + before.words < after.first or before[2:] != after[2:], "could be one range"


def test_host_may_use_what_sets_sessions_while_blank_only():
    names = {"KEY", "SALT", "SSCI", "PN", "LIFETIME", "ADDRESS", "SCI", "WINDOW", "COMMAND", "NOISE_RAW"}
    assert {
        register.name for block in NIC.blocks for register in block.registers if register.guard is Guard.BLANK
    } == names


def test_host_may_say_what_weights_must_be_while_blank_only_and_see_it_always():
    for name in ("UPLOAD_BITS", "UPLOAD_DIGEST"):
        assert SNG[name].guard is Guard.WRITE_BLANK and SNG[name].access is Access.READ_WRITE


def test_host_never_sees_what_is_the_firmwares():
    for block in FIRMWARE.blocks:
        assert all(register.guard is Guard.FIRMWARE for register in block.registers)
    assert not any(register.guard is Guard.FIRMWARE for block in NIC.blocks for register in block.registers)


def test_control_is_above_every_datapath():
    for register_map in (WARDEN, PROCESSOR):
        assert all(one.first + one.words <= DATAPATH_WORDS for one in register_map.guards())
    assert all(NIC.address(register.name) >= DATAPATH_WORDS for register in CONTROL_BLOCK.registers)


@pytest.mark.parametrize("register_map, register", ALL, ids=[f"{one.name}-{register.name}" for one, register in ALL])
def test_data_of_a_register_are_in_order(register_map: RegisterMap, register: Register):
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", register.name)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", field.name) for field in register.fields)
    assert all(text.endswith(".") for text in (register.description, *(field.description for field in register.fields)))
    if register.reset is not None:
        assert not register.reset >> WORD_BITS
    for field in register.fields:
        assert (
            field.access is register.access or register.access is Access.READ_WRITE or field.access is Access.READ_WRITE
        )
        if field.values and register.reset is not None and register.access.readable:
            field.values(field.of(register.reset))


def test_addresses_of_before_are_what_the_data_say():
    assert (registers.IDENTITY, registers.LANES, registers.VOCABULARY) == (0, 1, 2)
    assert registers.field_counter(Port.WORLD, 3) == WARDEN.address("WORLD_ALTERED", 3)
    assert registers.reason_counter(Port.WORLD, Reason.FRAGMENT) == WARDEN.address("WORLD_FRAMES", Reason.FRAGMENT)
    assert WARDEN["WORLD_ALTERED"].names == tuple(row.key for row in SCRUBBED)
    assert registers.port_register(Port.WORLD, registers.PORT_EVENTS + 2) == WARDEN.address("WORLD_EVENTS", 2)
    last = 2 * ASSOCIATIONS - 1
    for name, size in (("PN_STATE", 2), ("ASSOCIATION_STATE", 1), ("OCTETS", 2), ("COUNTERS", 16)):
        base = PROCESSOR.address(name)
        expected = PROCESSOR.address(name, last * size)
        assert processor_registers.association_register(base, Side.NETWORK, ASSOCIATIONS - 1) == expected
    assert max(len(Sealing), len(Opening)) <= processor_registers.COUNTERS_PER_ASSOCIATION


def test_layouts_of_the_gateware_lie_where_the_map_has_their_fields():
    for layout, register in ((lookup.WRITE, WARDEN["ROW"]), (mdio.COMMAND, WARDEN["WORLD_MDIO"])):
        fields = {field.name.lower(): field for field in register.fields_written}
        for name, place in layout:
            if name == "word":
                assert (place.offset, place.width) == (0, fields["word"].width + fields["bound"].width)
            else:
                assert (place.offset, place.width) == (fields[name].lowest, fields[name].width)


def test_what_is_written_from_the_maps_is_up_to_date():
    for path, text in files().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is old: run `make registers`"
    folder = {path.relative_to(ROOT) for path in (ROOT / "docs" / "registers").iterdir()}
    assert folder == {path for path in files() if path.parts[0] == "docs"}


def test_maps_are_written_where_they_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["map_text", str(tmp_path)])
    main()
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")} == set(files())


@pytest.mark.parametrize("register_map", MAPS, ids=NAMES)
def test_json_and_markdown_have_every_register(register_map: RegisterMap):
    written = {path.name: text for path, text in files().items()}
    told = json.loads(written[f"{register_map.name}.json"])
    names = [register.name for block in register_map.blocks for register in block.registers]
    assert [register["name"] for block in told["blocks"] for register in block["registers"]] == names
    for name in names:
        assert f"| {register_map.address(name):#06x}" in written[f"{register_map.name}.md"]
        assert f"`{name}`" in written[f"{register_map.name}.md"]
    assert register_map.digest.hex() in written[f"{register_map.name}.md"]


def test_header_has_every_register_field_and_value():
    defined = dict(re.findall(r"^#define (\w+) (\S+)$", header(), re.MULTILINE))
    for _, base, blocks in CPU_VIEWS:
        for block in blocks:
            for register in block.registers:
                address = base + BYTES_PER_WORD * block.address(register.name)
                assert int(defined[f"REG_{register.name}"][:-1], 16) == address
                for field in register.fields:
                    name = f"REG_{register.name}_{field.name}"
                    assert int(defined[f"{name}_MASK"][:-1], 16) == field.mask
                    assert int(defined[f"{name}_SHIFT"][:-1]) == field.lowest
    for values in ENUMS:
        prefix = re.sub(r"(?<!^)([A-Z])", r"_\1", values.__name__).upper()
        assert all(defined[f"{prefix}_{value.name}"] == f"{value.value}u" for value in values)


def test_header_compiles_for_the_control_cpu(tmp_path: Path):
    source = tmp_path / "try.c"
    source.write_text(
        '#include "registers.h"\n'
        '_Static_assert(REG_SCRATCH == 0x30000000u + 4u * 0x1004u, "address");\n'
        "const char *const text = TEXT_KEY;\n"
        "unsigned state(void) { return *(volatile unsigned *)REG_LIFECYCLE >> REG_LIFECYCLE_STATE_SHIFT; }\n"
    )
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        "riscv32-freestanding",
        "-mcpu=generic_rv32+m",
        "-Wall",
    ]
    command += ["-Wextra", "-Werror", "-I", str(ROOT / "firmware"), "-c", str(source), "-o", str(tmp_path / "try.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
