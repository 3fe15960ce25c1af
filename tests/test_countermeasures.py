# SPDX-License-Identifier: Apache-2.0
"""The list of countermeasures says what is there, no more and no less."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from gateware.countermeasures import COUNTERMEASURES, Countermeasure
from tests.firmware import removed as removed_firmware
from tests.gateware.control import removed as removed_control
from tests.prove import broken

ROOT = Path(__file__).parents[1]
ROOMS = ("gateware", "firmware", "host")
SUFFIXES = {".py", ".c", ".h", ".S", ".ld", ".cpp"}
LIST = ROOT / "gateware" / "countermeasures"
LABEL = re.compile(r"SEC_CM: ([A-Z0-9_]+(?:\.[A-Z0-9_]+)+)")
COPIES = {
    "tests/prove/broken.py": {copy.what for copy in broken.COPIES},
    "tests/gateware/control/removed.py": {copy.label for copy in removed_control.COPIES},
    "tests/firmware/removed.py": {copy.label for copy in removed_firmware.COPIES},
}


@cache
def labels(root: Path) -> dict[str, set[str]]:
    """Where each label stands."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*") if path.suffix in SUFFIXES):
        if LIST not in path.parents:
            for label in LABEL.findall(path.read_text()):
                found[label].add(str(path.relative_to(root)))
    return found


@cache
def names_in(path: str) -> set[str]:
    """The names of the tests in a file: of pytest, or, in a bench, of cocotb."""
    if not (ROOT / path).exists():
        return set()
    tree = ast.parse((ROOT / path).read_text())
    if Path(path).name.startswith("bench_"):
        return {
            node.name
            for node in tree.body
            if isinstance(node, ast.AsyncFunctionDef)
            and "cocotb.test()" in [ast.unparse(decorator) for decorator in node.decorator_list]
        }
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def is_there(node: str) -> bool:
    """Whether there is such a test, or such a copy that is broken on purpose."""
    path, _, name = node.partition("::")
    return name in (COPIES[path] if path in COPIES else names_in(path))


@pytest.mark.parametrize("countermeasure", COUNTERMEASURES, ids=lambda countermeasure: countermeasure.label)
def test_what_is_listed_is_there_with_its_tests_and_injections(countermeasure: Countermeasure):
    assert countermeasure.against
    assert countermeasure.tests
    assert countermeasure.injections
    assert labels(ROOT).get(countermeasure.label) == set(countermeasure.units)
    missing = [node for node in (*countermeasure.tests, *countermeasure.injections) if not is_there(node)]
    assert missing == []


def test_no_countermeasure_is_listed_twice():
    listed = [countermeasure.label for countermeasure in COUNTERMEASURES]
    assert len(listed) == len(set(listed))


def test_every_label_in_the_source_is_listed():
    assert set(labels(ROOT)) == {countermeasure.label for countermeasure in COUNTERMEASURES}


@pytest.mark.parametrize("path", [path for path in COPIES if path.endswith("removed.py")])
def test_every_countermeasure_that_is_taken_away_once_is_listed_so(path: str):
    taken = {(label, f"{path}::{label}") for label in COPIES[path]}
    assert taken <= {(listed.label, node) for listed in COUNTERMEASURES for node in listed.injections}


@pytest.mark.parametrize(
    "node",
    [
        "tests/prove/broken.py::no such copy",
        "tests/gateware/control/removed.py::NO.SUCH",
        "tests/gateware/control/test_lifecycle.py::test_that_is_not_there",
        "tests/test_of_nothing.py::test_nothing",
        "tests/prove/broken.py",
        "tests/cocotb_benches/bench_uart_link.py::Host",
    ],
)
def test_what_is_not_there_is_missed(node: str):
    assert not is_there(node)


def test_labels_are_found_in_comments_and_docstrings_of_every_language(tmp_path: Path):
    for room in ROOMS:
        (tmp_path / room / "unit").mkdir(parents=True)
    (tmp_path / "gateware/unit/a.py").write_text("# SEC_CM: ONE.TWO\n")
    (tmp_path / "gateware/unit/b.py").write_text('"""Does this. SEC_CM: ONE.TWO"""\n')
    (tmp_path / "firmware/unit/c.c").write_text("// SEC_CM: THREE.FOUR_5, and more\n")
    (tmp_path / "host/unit/d.txt").write_text("SEC_CM: NOT.SOURCE\n")
    assert labels(tmp_path) == {
        "ONE.TWO": {"gateware/unit/a.py", "gateware/unit/b.py"},
        "THREE.FOUR_5": {"firmware/unit/c.c"},
    }
