# SPDX-License-Identifier: Apache-2.0
"""The image of the ROM: reproducible, and what it needs fits."""

import hashlib
from pathlib import Path

import pytest

from firmware import FirmwareError, build
from firmware import image as image_module
from firmware.image import CACHE, HERE, RAM_BYTES, RECORD, ROM_BYTES, libraries
from firmware.stack import StackError, depth

ROOM_BYTES = 1024
CALLS = """
main:
    call t0, __riscv_save_2
    addi sp, sp, -32
    call leaf
    addi sp, sp, 32
    tail __riscv_restore_2
    .globl main
"""
LEAF = """
leaf:
    addi sp, sp, -16
    jal .LBB0_1
    j .LBB0_1
.LBB0_1:
    ret
    .globl leaf
"""


def test_image_is_the_recorded_one():
    assert build().digest.hex() == RECORD.read_text().strip()


def test_image_is_the_same_when_built_elsewhere(tmp_path: Path):
    cache = tmp_path / "some other place"
    cache.mkdir()
    kept = next(path for path in CACHE.iterdir() if (path / "monocypher.c").exists())
    (cache / kept.name).symlink_to(kept)
    assert build(cache) == build()


def test_image_has_room_in_rom_and_ram():
    image = build()
    assert len(image.data) <= ROM_BYTES - ROOM_BYTES
    assert len(image.data) % 64 == 0
    assert image.variables + image.stack <= RAM_BYTES - ROOM_BYTES


def test_image_tells_nothing_of_where_it_was_built():
    data = build().data
    assert str(HERE).encode() not in data
    assert b".c\0" not in data


def test_libraries_are_the_ones_whose_hashes_are_pinned():
    lines = [line for line in (HERE / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    assert sorted(libraries()) == ["aes.c", "aes.h", "monocypher.c", "monocypher.h"]


def test_nothing_of_the_libraries_is_copied_into_the_repository():
    fetched = {hashlib.sha256(data).digest() for data in libraries().values()}
    assert not [
        path for path in HERE.rglob("*") if path.is_file() and hashlib.sha256(path.read_bytes()).digest() in fetched
    ]


def test_failure_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    libraries()
    monkeypatch.setattr(image_module, "MACHINE", ("-target", "no-such-machine"))
    monkeypatch.setattr(image_module, "TARGET", ("-target", "no-such-machine"))
    monkeypatch.setattr(image_module, "ROM_BYTES", 1)
    monkeypatch.setattr(image_module, "__file__", str(RECORD))
    with pytest.raises(FirmwareError) as error:
        build()
    assert str(error.value).startswith("the firmware does not compile: ")
    assert "\n" not in str(error.value)


def test_stack_is_the_longest_way_through_the_calls():
    assert depth([CALLS, LEAF], "main") == 16 + 32 + 16


@pytest.mark.parametrize(
    "wrong",
    [
        "leaf:\n    call main\n    .globl leaf\n",
        "leaf:\n    jalr a0\n    .globl leaf\n",
        "leaf:\n    sub sp, sp, a0\n    .globl leaf\n",
        "other:\n",
    ],
)
def test_stack_without_a_bound_is_noticed(wrong: str):
    with pytest.raises(StackError):
        depth([CALLS, wrong], "main")
