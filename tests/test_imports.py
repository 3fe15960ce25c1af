# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the oracle never sees the gateware, the gateware sees only the shared vocabulary."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VOCABULARY = {
    "custodes.control_registers",
    "custodes.ethernet",
    "custodes.lifecycle",
    "custodes.macsec",
    "custodes.mailbox",
    "custodes.maps",
    "custodes.processor_registers",
    "custodes.register_map",
    "custodes.registers",
    "custodes.serial_frames",
    "custodes.table",
}
POLICY = {"custodes.errors", "custodes.policy", "custodes.registers"}
"""What a board needs to build a policy into a bitstream."""
ALLOWED = {
    "host/custodes": {
        "custodes",
        "cbor2",
        "cryptography",
        "matplotlib",
        "pydantic",
        "rich",
        "scapy",
        "serial",
        "typer",
    },
    "gateware": {"gateware", "amaranth", *VOCABULARY},
    "boards": {"boards", "firmware", "gateware", "amaranth", "amaranth_boards", "rich", "custodes.macsec", *POLICY},
    "firmware": {"firmware"},
    "sim": {"sim", "gateware", "firmware", "custodes", "amaranth", "cocotb"},
}
IMPORT_NAMES = {"pyserial": "serial"}
"""Of distributions that are not called as what they install."""
STANDARD_LIBRARY = sys.stdlib_module_names


def imported(path: Path) -> set[str]:
    """Modules that a file imports, by absolute name; relative imports stay in their package and do not count."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module is not None
            whole = node.module == "custodes"
            names |= {f"custodes.{alias.name}" for alias in node.names} if whole else {node.module}
    return names


def allowed(name: str, room: set[str]) -> bool:
    root = name.partition(".")[0]
    return root in STANDARD_LIBRARY or any(name == entry or name.startswith(f"{entry}.") for entry in room)


@pytest.mark.parametrize("room", ALLOWED)
def test_room_imports_only_what_it_may(room: str):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    strays = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in imported(path)
        if not allowed(name, ALLOWED[room])
    }
    assert strays == set()


def test_specification_does_not_see_registers_or_devices():
    for path in (ROOT / "host" / "custodes" / "model").glob("*.py"):
        own = {name for name in imported(path) if name.startswith("custodes")}
        assert own <= {f"custodes.{name}" for name in ("keys", "macsec", "policy", "table")} | {
            name for name in own if name.startswith("custodes.model")
        }


def test_every_import_of_the_wheel_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    names = {IMPORT_NAMES.get(name := entry.split(">")[0], name) for entry in declared}
    assert names == ALLOWED["host/custodes"] - {"custodes"}


def test_only_the_demo_imports_scapy():
    files = sorted((ROOT / "host" / "custodes").rglob("*.py"))
    users = [path.name for path in files if any(name.partition(".")[0] == "scapy" for name in imported(path))]
    assert users == ["sealed_leg.py"]


def test_every_source_file_names_its_licence():
    rooms = ("boards", "firmware", "gateware", "host", "sim", "tests")
    kinds = ("*.py", "*.c", "*.h", "*.S", "*.ld", "*.cpp", "*.hpp", "*.v")
    files = [path for room in rooms for kind in kinds for path in (ROOT / room).rglob(kind)]
    bare = [path for path in files if "SPDX-License-Identifier: Apache-2.0" not in path.read_text().partition("\n")[0]]
    assert bare == []
