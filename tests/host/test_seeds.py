# SPDX-License-Identifier: Apache-2.0
"""Files that hold a seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from custodes.errors import KeysError
from custodes.seeds import load_seed

SEED = bytes(range(32))


def test_seed_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "seed"
    file.write_text(f"{SEED.hex()}\n")
    assert load_seed(str(file)) == SEED


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "0x" + "00" * 32, "seed", "00" * 5000])
def test_what_is_no_seed_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "seed"
    file.write_text(text)
    with pytest.raises(KeysError, match="seed: should hold 64 hexadecimal digits"):
        load_seed(str(file))


def test_missing_seed(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="none: No such file or directory"):
        load_seed(str(tmp_path / "none"))
