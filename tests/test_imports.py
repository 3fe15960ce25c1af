# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the oracle never sees the gateware, the gateware sees only the shared vocabulary."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VOCABULARY = {
    "custodes.border_registers",
    "custodes.address_table",
    "custodes.coin_registers",
    "custodes.control_registers",
    "custodes.ethernet",
    "custodes.fingerprint",
    "custodes.flow_table",
    "custodes.gateway_formats",
    "custodes.gateway_registers",
    "custodes.lifecycle",
    "custodes.macsec",
    "custodes.mailbox",
    "custodes.maps",
    "custodes.processor_registers",
    "custodes.register_map",
    "custodes.registers",
    "custodes.retimer",
    "custodes.retimer_registers",
    "custodes.seed_registers",
    "custodes.serial_frames",
    "custodes.table",
    "custodes.upload_modes",
}
SPECIFICATION = {
    f"custodes.{name}"
    for name in (
        "address_table",
        "fingerprint",
        "flow_table",
        "gateway_formats",
        "keys",
        "macsec",
        "policy",
        "retimer",
        "sample_tree",
        "table",
        "upload_modes",
    )
}
"""What it may see besides itself."""
POLICY = {"custodes.errors", "custodes.policy", "custodes.registers"}
"""What a board needs to build a policy into a bitstream."""
ALLOWED = {
    "host/custodes": {
        "custodes",
        "cbor2",
        "cryptography",
        "distributed",
        "matplotlib",
        "numpy",
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
        assert own <= SPECIFICATION | {name for name in own if name.startswith("custodes.model")}


def test_every_import_of_the_wheel_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["cluster"], *extras["demo"]]
    names = {IMPORT_NAMES.get(name := entry.split(">")[0], name) for entry in declared}
    assert names == ALLOWED["host/custodes"] - {"custodes"}


@pytest.mark.parametrize(("package", "user"), [("scapy", "sealed_leg.py"), ("distributed", "watch_run.py")])
def test_an_extra_is_imported_in_one_place_only(package: str, user: str):
    files = sorted((ROOT / "host" / "custodes").rglob("*.py"))
    users = [path.name for path in files if any(name.partition(".")[0] == package for name in imported(path))]
    assert users == [user]


def test_every_source_file_names_its_licence():
    rooms = ("boards", "firmware", "gateware", "host", "sim", "tests")
    kinds = ("*.py", "*.c", "*.h", "*.S", "*.ld", "*.cpp", "*.hpp", "*.v")
    files = [path for room in rooms for kind in kinds for path in (ROOT / room).rglob(kind)]
    bare = [path for path in files if "SPDX-License-Identifier: Apache-2.0" not in path.read_text().partition("\n")[0]]
    assert bare == []
